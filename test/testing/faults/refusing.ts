import { InvalidOptionError } from '../../../src/queue/errors.js';
import { alterConsumers, alterDriver, alterOptions, alterReservations } from '../altered.js';
import type { Fault } from './fault.js';

const PUT = 'refuses to put with a priority or duration that there is not, and stores nothing';
const SETTLE = 'refuses to settle with a priority or delay that there is not, and it is still held';
const PAUSE = 'refuses to pause for a duration that there is not, and delivers as before';
const LIMIT = 'refuses to look at or kick a number of messages that there is not';
const CONSUME = 'refuses to consume no queue, or in an order that there is not';
const WAIT = 'refuses to wait for a time that there is not, or with what is no signal';
const DELETE = 'refuses to delete what can be no id, and deletes nothing';
const NAME = 'refuses a name that can be no queue, whatever is to be done';
const LONGEST = 'may be the longest that there are';
const LEAST = 'may be the least TTR, a second, which is a lease of a second and no less';

/** The longest time of an engine that counts seconds in 31 bits. */
const LIMIT_MS = 2 ** 31 * 1000;

const limited = (ms: number): number => Math.min(LIMIT_MS, Math.max(0, ms || 0));

export const refusals: readonly Fault[] = [
  {
    what: 'takes the nearest delay where one is too long',
    fails: [PUT],
    because: /put\(\) with delayMs .* must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) => alterOptions(driver, ({ delayMs }) => ({ delayMs: limited(delayMs) })),
  },
  {
    what: 'refuses a TTR with an error of its engine',
    fails: [PUT],
    because: /put\(\) with ttrMs .* INVALID_OPTION, and it rejected with RangeError: out of range/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (queue, body, options) => {
          if (!(options.ttrMs <= LIMIT_MS)) throw new RangeError('out of range');
          return put(queue, body, options);
        },
      })),
  },
  {
    what: 'stores the others where one of many has a wrong priority',
    fails: [PUT],
    because: /stats after puts that were refused/,
    breaks: (driver) =>
      alterDriver(driver, ({ put, putMany }) => ({
        putMany: async (queue, items) => {
          const [first] = items;
          if (items.length === 2 && first) await put(queue, first.body, first.options);
          return putMany(queue, items);
        },
      })),
  },
  {
    what: 'releases at once where a delay is no number',
    fails: [SETTLE],
    because: /release\(\) with delayMs .* INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterReservations(driver, ({ release }) => ({
        release: ({ delayMs = 0, ...options } = {}) => release({ ...options, delayMs: limited(delayMs) }),
      })),
  },
  {
    what: 'gives a message up before it looks at the options of the settlement',
    fails: [SETTLE],
    because: /release\(\) with priority 1.5 .* INVALID_OPTION, and it rejected with LeaseLostError/,
    breaks: (driver) =>
      alterReservations(driver, ({ release }) => ({
        release: async (options) => {
          await release();
          await release(options).catch(() => {});
          if (options?.priority === -1) throw new InvalidOptionError('priority');
          await release(options);
        },
      })),
  },
  {
    what: 'takes the nearest pause where one is too long',
    fails: [PAUSE],
    because: /pause\(\) for .* INVALID_OPTION, and it succeeded/,
    breaks: (driver) => alterDriver(driver, ({ pause }) => ({ pause: (queue, ms) => pause(queue, limited(ms)) })),
  },
  {
    what: 'takes no TTR for the least there is',
    fails: [PUT],
    because: /put\(\) with ttrMs 0 must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs === 0 ? 1 : ttrMs })),
  },
  {
    what: 'shows nothing where less than nothing is asked for',
    fails: [LIMIT],
    because: /peek\(\) of -1 must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterDriver(driver, ({ peek }) => ({
        peek: async (queue, state, limit) => (limit < 0 ? [] : peek(queue, state, limit)),
      })),
  },
  {
    what: 'kicks as many messages as it can make of a number',
    fails: [LIMIT],
    because: /kick\(\) of 1.5 must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) => alterDriver(driver, ({ kick }) => ({ kick: (queue, limit) => kick(queue, Math.ceil(limit)) })),
  },
  {
    what: 'takes turns where it does not know the order',
    fails: [CONSUME],
    because: /in the order "random" must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterDriver(driver, ({ consume }) => ({
        consume: (queues, slots, options) =>
          consume(queues, slots, options?.order === 'strict' ? options : { ...options, order: 'fair' }),
      })),
  },
  {
    what: 'does not wait where it does not know how long',
    fails: [WAIT],
    because: /reserve\(\) for .* ms must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => (Number.isNaN(options?.timeoutMs) ? null : reserve(options)),
      })),
  },
  {
    what: 'finds no message under what can be no id',
    fails: [DELETE],
    because: /delete\("no id"\) must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterDriver(driver, ({ delete: remove }) => ({
        delete: async (queue, id) => (id === 'no id' ? false : remove(queue, id)),
      })),
  },
  {
    what: 'reads an id as far as it can',
    fails: [DELETE],
    because: /delete\(" 1"\) must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterDriver(driver, ({ delete: remove }) => ({
        delete: (queue, id) => remove(queue, id === ' 1' ? id.trim() : id),
      })),
  },
  {
    what: 'shows nothing of a queue whose name can be none',
    fails: [NAME],
    because: /peek for the queue "-a" must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterDriver(driver, ({ peek }) => ({
        peek: async (queue, ...rest) => (queue.startsWith('-') ? [] : peek(queue, ...rest)),
      })),
  },
  {
    what: 'counts seconds in 31 bits',
    fails: [LONGEST],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs > LIMIT_MS ? ttrMs % LIMIT_MS : ttrMs })),
  },
  {
    what: 'makes no second of the least TTR',
    fails: [LEAST],
    because: /the TTR of 1000 ms became 999 ms/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs === 1000 ? 999 : ttrMs })),
  },
];
