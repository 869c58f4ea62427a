import { setImmediate as turn } from 'node:timers/promises';
import type { Consumer } from '../../../src/queue/driver.js';
import { alterClosing, alterConsumers, alterDriver } from '../altered.js';
import type { Fault } from './fault.js';

const DRIVER = 'a driver answers its waiting reserves with no message and gives back what is held';

const never = (): Promise<never> => new Promise(() => {});

export const closing: readonly Fault[] = [
  {
    what: 'answers no reserve that waits when its consumer is closed',
    fails: ['a consumer answers its waiting reserves with no message', DRIVER],
    because: /not within \d+ ms: waiting reserves answer/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          const messages = await reserve(options);
          return messages.length > 0 ? messages : never();
        },
      })),
  },
  {
    what: 'buries what a closed consumer held',
    fails: ['a consumer gives back what it holds, which is then no longer its own'],
    because: /not within \d+ ms: message 1 of 2 comes/,
    breaks: (driver) =>
      alterClosing(driver, (held, { settle }) => settle(held.map((message) => ({ kind: 'bury', message })))),
  },
  {
    what: 'answers a closed consumer as if no message had come',
    fails: ['a consumer ends it alone'],
    because: /reserve\(\) on a closed consumer must reject with an error whose code is CLOSED, and it succeeded/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({ reserve: (options) => reserve(options).catch(() => []) })),
  },
  {
    what: 'lets a reserve that waits take what another consumer gives back, while the driver closes',
    fails: [DRIVER],
    because: /deep-equal/,
    breaks: (driver) => {
      const consumers: Consumer[] = [];
      return alterDriver(driver, ({ consume, close }) => ({
        consume: async (...args) => {
          const consumer = await consume(...args);
          consumers.push(consumer);
          return consumer;
        },
        close: async () => {
          for (const consumer of consumers) await consumer.close();
          return close();
        },
      }));
    },
  },
  {
    what: 'never comes to the end of closing',
    fails: ['a driver leaves no call without an answer'],
    because: /not within \d+ ms: the driver closes/,
    breaks: (driver) => alterDriver(driver, () => ({ close: never })),
  },
  {
    what: 'forgets the calls that are open when it closes',
    fails: ['a driver leaves no call without an answer'],
    because: /not within \d+ ms: all calls that were made before/,
    breaks: (driver) => {
      let isClosed = false;
      return alterDriver(driver, ({ stats, close }) => ({
        stats: async (queues) => {
          const found = await stats(queues);
          await turn();
          return isClosed ? never() : found;
        },
        close: () => {
          isClosed = true;
          return close();
        },
      }));
    },
  },
  {
    what: 'goes on after it was closed',
    fails: ['refuses all that is asked of a driver afterwards'],
    because: /setUp\(\) on a closed driver must reject with an error whose code is CLOSED, and it succeeded/,
    breaks: (driver) => alterDriver(driver, () => ({ close: async () => {} })),
  },
  {
    what: 'does not answer what is asked after it was closed',
    fails: ['refuses all that is asked of a driver afterwards'],
    because: /code is CLOSED, and it rejected with .*not within \d+ ms: queues\(\) answers/,
    breaks: (driver) => alterDriver(driver, ({ queues }) => ({ queues: () => queues().catch(never) })),
  },
  {
    what: 'does not answer where it is closed again',
    fails: ['may be asked for again, and for what was never used'],
    because: /not within \d+ ms: it closes/,
    breaks: (driver) => {
      let isClosed = false;
      return alterDriver(driver, ({ close }) => ({
        close: () => {
          if (isClosed) return never();
          isClosed = true;
          return close();
        },
      }));
    },
  },
];
