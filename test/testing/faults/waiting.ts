import { setTimeout as sleep } from 'node:timers/promises';
import { alterConsumers, alterDriver } from '../altered.js';
import type { Fault } from './fault.js';

const ABORT = 'rejects with the reason, and the next one gets the message';

/** Longer than any test is patient. */
const TOO_LATE_MS = 600_000;

let waiting = 0;

export const waits: readonly Fault[] = [
  {
    what: 'asks for messages every 300 ms',
    fails: [
      'gets a message of the same driver within 100 ms',
      'gets a message of another driver within 100 ms',
      'gets a message that is released within 100 ms',
      'gets a message that is retried within 100 ms',
    ],
    because: /half of the messages came later than \d+ ms/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async ({ timeoutMs = Number.POSITIVE_INFINITY, ...options } = {}) => {
          const end = performance.now() + timeoutMs;
          for (;;) {
            const messages = await reserve({ ...options, timeoutMs: 0 });
            if (messages.length > 0 || performance.now() >= end) return messages;
            await sleep(300);
          }
        },
      })),
  },
  {
    what: 'says that it has promoted, and does it when nobody waits any more',
    fails: ['gets a message that is promoted, long before its delay ends'],
    because: /the message that was promoted/,
    breaks: (driver) =>
      alterDriver(driver, ({ promote }) => ({
        promote: async (queue, selection) => {
          setTimeout(() => void promote(queue, selection).catch(() => {}), TOO_LATE_MS).unref();
          return 1;
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
          if (waiting > 0) return [];
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
        reserve: async ({ signal, ...options } = {}) => {
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
    fails: [ABORT],
    because: /the reserve must reject with the reason of its signal, and not Error: cancelled/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          try {
            return await reserve(options);
          } catch {
            throw new Error('cancelled');
          }
        },
      })),
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
      alterConsumers(driver, ({ reserve, settle }) => ({
        reserve: async (options) => {
          const messages = await reserve(options);
          options?.signal?.addEventListener('abort', () => {
            void settle(messages.map((message) => ({ kind: 'release', message })));
          });
          return messages;
        },
      })),
  },
];
