import type { Reservation } from '../../../src/queue/driver.js';
import { alterConsumers, alterDriver } from '../altered.js';
import type { Fault } from './fault.js';

const WAITING = 'a consumer answers its waiting reserves with null';
const HELD = 'a consumer gives back what it holds, which is then no longer its own';
const DRIVER = 'a driver answers its waiting reserves with null and gives back what is held';
const REFUSES = 'refuses all that is asked of a driver afterwards';

export const closing: readonly Fault[] = [
  {
    what: 'does not answer a waiting reserve when its consumer is closed',
    fails: [WAITING, DRIVER],
    because: /not within \d+ ms: waiting reserves answer/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => (await reserve(options)) ?? new Promise(() => {}),
      })),
  },
  {
    what: 'never comes to the end of closing a consumer',
    fails: [WAITING],
    because: /not within \d+ ms: the consumer closes/,
    breaks: (driver) => alterConsumers(driver, () => ({ close: () => new Promise(() => {}) })),
  },
  {
    what: 'never comes to the end of closing a driver',
    fails: ['a driver leaves no call without an answer'],
    because: /not within \d+ ms: the driver closes/,
    breaks: (driver) => alterDriver(driver, () => ({ close: () => new Promise(() => {}) })),
  },
  {
    what: 'buries what a closed consumer held',
    fails: [HELD],
    because: /not within \d+ ms: message 1 of 2 comes/,
    breaks: (driver) => {
      const held = new Set<Reservation>();
      return alterConsumers(driver, ({ reserve, close }) => ({
        reserve: async (options) => {
          const reservation = await reserve(options);
          if (reservation) held.add(reservation);
          return reservation;
        },
        close: async () => {
          for (const reservation of held) await reservation.bury().catch(() => {});
          return close();
        },
      }));
    },
  },
  {
    what: 'closes with one consumer all others',
    fails: ['a consumer ends it alone'],
    because: /reserve\(\) on a closed consumer|is no longer held/,
    breaks: (driver) => alterConsumers(driver, () => ({ close: () => driver.close() })),
  },
  {
    what: 'lets a reserve that waits take what another consumer gives back, while the driver closes',
    fails: [DRIVER],
    because: /deep-equal/,
    breaks: (driver) => {
      const closes: (() => Promise<void>)[] = [];
      const remembering = alterConsumers(driver, ({ close }) => {
        closes.push(close);
        return {};
      });
      return alterDriver(remembering, ({ close }) => ({
        close: async () => {
          for (const closeConsumer of closes) await closeConsumer();
          return close();
        },
      }));
    },
  },
  {
    what: 'goes on after it was closed',
    fails: [REFUSES],
    because: /setUp\(\) on a closed driver must reject with an error whose code is CLOSED, and it succeeded/,
    breaks: (driver) => alterDriver(driver, () => ({ close: async () => {} })),
  },
  {
    what: 'does not answer what is asked after it was closed',
    fails: [REFUSES],
    because: /code is CLOSED, and it rejected with .*not within \d+ ms: stats\(\) answers/,
    breaks: (driver) =>
      alterDriver(driver, ({ stats }) => ({ stats: (queue) => stats(queue).catch(() => new Promise(() => {})) })),
  },
  {
    what: 'answers null when it is asked after it was closed, as if no message had come',
    fails: [REFUSES, 'a consumer ends it alone'],
    because:
      /reserve\(\) on a closed (driver|consumer) must reject with an error whose code is CLOSED, and it succeeded/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: (options) =>
          reserve(options).catch((error: { readonly code?: string }) => {
            if (error.code === 'CLOSED') return null;
            throw error;
          }),
      })),
  },
  {
    what: 'cannot be closed twice',
    fails: ['may be asked for again, and for what was never used'],
    because: /closed before/,
    breaks: (driver) => {
      let isClosed = false;
      return alterDriver(driver, ({ close }) => ({
        close: async () => {
          if (isClosed) throw new Error('closed before');
          isClosed = true;
          return close();
        },
      }));
    },
  },
];
