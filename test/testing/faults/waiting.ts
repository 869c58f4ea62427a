import { setTimeout as sleep } from 'node:timers/promises';
import { alterConsumers, alterDriver } from '../altered.js';
import type { Fault } from './fault.js';

const ABORT = 'rejects with the reason, and the next one gets the message';
const ABORTED_BEFORE = 'rejects with the reason when it was aborted before, and takes no message';
const ALL_QUEUES = 'gets the messages of all of them, and of no other, and is told the queue';

let waiting = 0;

export const waits: readonly Fault[] = [
  {
    what: 'asks for messages every 300 ms',
    fails: [
      'gets a message of the same driver within 100 ms',
      'gets a message of another driver within 100 ms',
      'gets a message that is released within 100 ms',
      'gets a message that is kicked within 100 ms',
    ],
    because: /half of the messages came later than \d+ ms/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async ({ timeoutMs = Number.POSITIVE_INFINITY } = {}) => {
          const end = performance.now() + timeoutMs;
          for (;;) {
            const reservation = await reserve({ timeoutMs: 0 });
            if (reservation !== null || performance.now() >= end) return reservation;
            await sleep(300);
          }
        },
      })),
  },
  {
    what: 'lets one reserve wait at a time',
    fails: [
      'may be one of several of a consumer, and each gets a message of its own',
      'is woken with all others by messages that are put together',
    ],
    because: /deep-equal/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          if (waiting > 0) return null;
          waiting++;
          return reserve(options).finally(() => waiting--);
        },
      })),
  },
  {
    what: 'loses the message that comes behind an abort',
    fails: [ABORT, 'loses no message, in 50 races between the two'],
    because: /not within \d+ ms: the next reserve of the consumer gets the message/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: ({ signal, ...options } = {}) => {
          signal?.throwIfAborted();
          const aborted = new Promise<never>((_, reject) => {
            signal?.addEventListener('abort', () => reject(signal.reason));
          });
          return Promise.race([reserve(options), aborted]);
        },
      })),
  },
  {
    what: 'rejects an aborted reserve with an error of its own',
    fails: [ABORT, ABORTED_BEFORE],
    because: /the reserve must reject with the reason of its signal, and not Error: cancelled/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: (options) =>
          reserve(options).catch(() => {
            throw new Error('cancelled');
          }),
      })),
  },
  {
    what: 'heeds no signal',
    fails: [ABORT, ABORTED_BEFORE],
    because: /not within \d+ ms: the reserve answers/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({ reserve: ({ timeoutMs } = {}) => reserve({ timeoutMs }) })),
  },
  {
    what: 'ends all reserves of a consumer when one is given up',
    fails: ['does so alone: the others of its consumer go on waiting'],
    because: /the message of the other reserve/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, close }) => ({
        reserve: (options) => {
          const reserving = reserve(options);
          options?.signal?.addEventListener('abort', () => void close());
          return reserving;
        },
      })),
  },
  {
    what: 'gives up a message with the signal of its reserve',
    fails: ['leaves alone what it had delivered before'],
    because: /stats after the signal aborted behind a delivery/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          const reservation = await reserve(options);
          options?.signal?.addEventListener('abort', () => void reservation?.release().catch(() => {}));
          return reservation;
        },
      })),
  },
  {
    what: 'waits for messages of the first queue alone',
    fails: ['waits for messages of all of them', ALL_QUEUES],
    because: /not within \d+ ms: the reserve that waits answers|undefined/,
    breaks: (driver) =>
      alterDriver(driver, ({ consume }) => ({ consume: (queues, ...rest) => consume(queues.slice(0, 1), ...rest) })),
  },
];
