import type { ReservedMessage } from '../../../src/queue/driver.js';
import { alterConsumers, alterOptions, alterReserved, alterShown } from '../altered.js';
import type { Fault } from './fault.js';

const REDELIVERY = 'delivers a message to another consumer when its lease has ended, and counts that';

/** By queue: their names are random, so that a fault which is tried again begins anew. */
const delivered = new Map<string, ReservedMessage>();
const deliveries = new Map<string, number>();

export const settling: readonly Fault[] = [
  {
    what: 'delivers a message to two consumers',
    fails: ['delivers a held message to nobody else'],
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          const [queue = ''] = [...delivered.keys()].slice(-1);
          const messages = await reserve(options);
          for (const message of messages) delivered.set(message.queue, message);
          const again = delivered.get(queue);
          return messages.length === 0 && again !== undefined ? [again] : messages;
        },
      })),
  },
  {
    what: 'never ends a lease',
    fails: [REDELIVERY],
    breaks: (driver) => alterOptions(driver, () => ({ ttrMs: 3_600_000 })),
  },
  {
    what: 'ends leases early',
    fails: [REDELIVERY],
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs * 0.2 })),
  },
  {
    what: 'counts no attempts',
    fails: [REDELIVERY, 'count a release'],
    breaks: (driver) => alterReserved(driver, () => ({ attempt: 1 })),
  },
  {
    what: 'counts a release that is not to count',
    fails: ['do not count a release that is not counted'],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: (settlements) =>
          settle(settlements.map((each) => (each.kind === 'release' ? { ...each, counted: true } : each))),
      })),
  },
  {
    what: 'says that it has done what a stale holder asks for',
    fails: [
      'refuses ack to the holder before, when another holds the message, and changes nothing',
      'does to each what is said, and answers in order, though one is no longer held',
    ],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => (await settle(settlements)).map(() => ({})),
      })),
  },
  {
    what: 'renews the lease of nobody',
    fails: ['keeps a lease that is renewed, beyond its TTR'],
    breaks: (driver) => alterConsumers(driver, () => ({ touch: async (messages) => messages.map(() => ({})) })),
  },
  {
    what: 'answers the results of settlements in another order',
    fails: ['does to each what is said, and answers in order, though one is no longer held'],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => (await settle(settlements)).toReversed(),
      })),
  },
  {
    what: 'takes one message more than it may',
    fails: ['takes no more than it may, the next ones first, and does not wait for more'],
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: (options = {}) => reserve({ ...options, max: (options.max ?? 1) + 1 }),
      })),
  },
  {
    what: 'loses the failure of a buried message',
    fails: ['are kept with a message that is buried'],
    breaks: (driver) => alterShown(driver, ({ state }) => (state === 'buried' ? { failure: undefined } : {})),
  },
  {
    what: 'loses the failure of a released message',
    fails: ['are kept with a message that is released, until the next one'],
    breaks: (driver) => alterShown(driver, ({ state }) => (state === 'buried' ? {} : { failure: undefined })),
  },
  {
    what: 'releases without the delay',
    fails: ['tell at each step where a message is'],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: (settlements) =>
          settle(settlements.map((each) => (each.kind === 'release' ? { ...each, delayMs: 0 } : each))),
      })),
  },
  {
    what: 'loses one message of a thousand',
    fails: ['delivers each of 5000 messages to one of 8 consumers, once'],
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, settle }) => ({
        reserve: async (options) => {
          const messages = await reserve(options);
          for (const message of messages) {
            const count = (deliveries.get(message.queue) ?? 0) + 1;
            deliveries.set(message.queue, count);
            if (count % 1000 !== 0) continue;
            await settle([{ kind: 'ack', message }]);
            return reserve(options);
          }
          return messages;
        },
      })),
  },
];
