import { alterConsumers, alterDriver, alterItems, alterOptions, alterSettlements } from '../altered.js';
import { type Fault, LATER } from './fault.js';

/** By queue: a fault may be tried again. */
const delayed = new Map<string, number>();

export const times: readonly Fault[] = [
  {
    what: 'delivers a delayed message too early',
    fails: [
      'delivers a message that is delayed by 1 s then, no earlier, and soon',
      'delivers a message that is delayed by 1.5 s then, no earlier, and soon',
    ],
    because: /the delay of 1 s ended after \d+ ms, which is before/,
    breaks: (driver) => alterOptions(driver, ({ delayMs }) => ({ delayMs: delayMs * 0.3 })),
  },
  {
    what: 'holds a released message back for less than it is told',
    fails: ['holds a message back that is released with a delay, no shorter, and not much longer'],
    because: /the delay of 1 s ended after \d+ ms, which is before/,
    breaks: (driver) =>
      alterSettlements(driver, (each) =>
        each.kind === 'release' ? { ...each, delayMs: (each.delayMs ?? 0) * 0.3 } : each,
      ),
  },
  {
    what: 'orders no more than 500 of those that become due',
    fails: ['delivers the most urgent first of more than 500 that became due at once'],
    because: /what list\(\) shows first/,
    breaks: (driver) =>
      alterItems(driver, (item) => {
        if (item.options.delayMs === 0) return item;
        const count = (delayed.get(item.queue) ?? 0) + 1;
        delayed.set(item.queue, count);
        return count > 500 ? { ...item, options: { ...item.options, priority: LATER } } : item;
      }),
  },
  {
    what: 'makes what it moves ready at once',
    fails: ['keeps the rest of a delay when the message is moved to another queue'],
    because: /the delay of 2 s ended after \d+ ms, which is before/,
    breaks: (driver) =>
      alterDriver(driver, ({ move, promote }) => ({
        move: async (queue, target, jobIds) => {
          const count = await move?.(queue, target, jobIds);
          await promote(target, { limit: 1000 });
          return count ?? 0;
        },
      })),
  },
  {
    what: 'delivers nothing while a message is delayed',
    fails: ['delivers what is there while other messages are delayed'],
    because: /not within \d+ ms: message 1 of 1 comes/,
    breaks: (driver) =>
      alterDriver(driver, ({ put, pause }) => ({
        put: async (items, options) => {
          for (const { queue, options: each } of items) if (each.delayMs > 0) await pause(queue, each.delayMs);
          return put(items, options);
        },
      })),
  },
  {
    what: 'does not pause',
    fails: [
      'deliver nothing, neither to those who wait nor to those who come, and messages can be put',
      'end by themselves, no earlier, and soon',
      'concern their own queue alone',
    ],
    because: /the queue is paused/,
    breaks: (driver) => alterDriver(driver, () => ({ pause: async () => {} })),
  },
  {
    what: 'ends no pause before its time',
    fails: ['end at once when they are to last 0 ms'],
    because: /undefined !== 'a'/,
    breaks: (driver) =>
      alterDriver(driver, ({ pause }) => ({ pause: async (queue, ms) => (ms === 0 ? undefined : pause(queue, ms)) })),
  },
  {
    what: 'ends a reserve before its timeout',
    fails: [
      'end it with no message after 1 s where no message comes, no earlier, and soon',
      'end it with no message after 1.5 s where no message comes, no earlier, and soon',
    ],
    because: /the timeout of 1 s ended after \d+ ms, which is before/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: ({ timeoutMs = 1000, ...options } = {}) => reserve({ ...options, timeoutMs: timeoutMs * 0.3 }),
      })),
  },
  {
    what: 'takes a timeout of 0 for none',
    fails: ['of 0 answer at once'],
    because: /not within \d+ ms: a reserve that does not wait answers/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: ({ timeoutMs, ...options } = {}) => reserve({ ...options, timeoutMs: timeoutMs || undefined }),
      })),
  },
  {
    what: 'looks for messages only when it may wait',
    fails: ['of 0 take a message that is there'],
    because: /undefined !== 'a'/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => (options?.timeoutMs === 0 ? [] : reserve(options)),
      })),
  },
];
