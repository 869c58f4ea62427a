import { alterConsumers, alterDriver, alterOptions, alterReservations } from '../altered.js';
import type { Fault } from './fault.js';

export const times: readonly Fault[] = [
  {
    what: 'delivers a delayed message too early',
    fails: ['delivers a message that is delayed by 1 s then, no earlier, and soon'],
    because: /the delay of 1 s ended after \d+ ms, which is before \d+ ms/,
    breaks: (driver) => alterOptions(driver, ({ delayMs }) => ({ delayMs: delayMs * 0.2 })),
  },
  {
    what: 'rounds a delay down to whole seconds',
    fails: ['delivers a message that is delayed by 1.5 s then, no earlier, and soon'],
    because: /the delay of 1.5 s ended after \d+ ms, which is before \d+ ms/,
    breaks: (driver) => alterOptions(driver, ({ delayMs }) => ({ delayMs: Math.floor(delayMs / 500) * 500 })),
  },
  {
    what: 'delivers nothing while a message is delayed',
    fails: ['delivers what is there while other messages are delayed'],
    because: /not within \d+ ms: message 1 of 1 comes/,
    breaks: (driver) =>
      alterDriver(driver, ({ put, pause }) => ({
        put: async (queue, body, options) => {
          if (options.delayMs > 0) await pause(queue, options.delayMs);
          return put(queue, body, options);
        },
      })),
  },
  {
    what: 'rounds a TTR down to whole seconds',
    fails: ['rounds a TTR up, never down'],
    because: /\d+ ms became \d+ ms/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: Math.floor(ttrMs / 1000) * 1000 })),
  },
  {
    what: 'knows only its own TTR',
    fails: ['delivers what was put, with all there is to know'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, () => ({ ttrMs: 60_000 })),
  },
  {
    what: 'releases without the delay',
    fails: [
      'holds a message back that is released with a delay, no shorter, and not much longer',
      'tell at each step where a message is',
    ],
    because: /stats after the release with a delay/,
    breaks: (driver) =>
      alterReservations(driver, ({ release }) => ({ release: (options) => release({ ...options, delayMs: 0 }) })),
  },
  {
    what: 'ends a reserve before its timeout',
    fails: [
      'end it with null after 1 s where no message comes, no earlier, and soon',
      'end it with null after 1.5 s where no message comes, no earlier, and soon',
    ],
    because: /the timeout of 1 s ended after \d+ ms, which is before \d+ ms/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: ({ timeoutMs = 1000, signal } = {}) => reserve({ timeoutMs: timeoutMs * 0.2, signal }),
      })),
  },
  {
    what: 'takes a timeout of 0 for none',
    fails: ['of 0 answer at once', 'removes a message that is acknowledged'],
    because: /not within \d+ ms: a reserve that does not wait answers/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: ({ timeoutMs, signal } = {}) => reserve({ timeoutMs: timeoutMs || undefined, signal }),
      })),
  },
  {
    what: 'looks for messages only when it may wait',
    fails: ['of 0 take a message that is there'],
    because: /undefined/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => (options?.timeoutMs === 0 ? null : reserve(options)),
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
    what: 'does not end a pause before its time',
    fails: ['end at once when they are to last 0 ms'],
    because: /undefined/,
    breaks: (driver) =>
      alterDriver(driver, ({ pause }) => ({ pause: async (queue, ms) => (ms === 0 ? undefined : pause(queue, ms)) })),
  },
];
