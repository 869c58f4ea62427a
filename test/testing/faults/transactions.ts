import { alterConsumers, alterDriver } from '../altered.js';
import type { Fault } from './fault.js';

const engine = 'sqlite';

/** Ends with the transaction that is open. */
let open: Promise<unknown> | undefined;

export const transactions: readonly Fault[] = [
  {
    what: 'does not count the rows of a statement',
    fails: ['runs statements, and answers what its work answers'],
    because: /the row of a statement/,
    engine,
    breaks: (driver) =>
      alterDriver(driver, ({ transaction }) => ({
        transaction: async (work) =>
          transaction?.((client) =>
            work({ query: async (sql, params) => ({ ...(await client.query(sql, params)), rowCount: 0 }) as never }),
          ) as never,
      })),
  },
  {
    what: 'forgets what is put in a transaction',
    fails: [
      'stores what was put in it when it commits, and nobody sees it before',
      'wakes a reserve that waits, when it commits',
    ],
    because: /stats after the commit/,
    engine,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (items, options) =>
          options?.transaction === undefined
            ? put(items)
            : { atomic: true, stored: items.map((_, index) => ({ jobId: String(index + 1), isNew: true })) },
      })),
  },
  {
    what: 'commits though the work has failed',
    fails: [
      'stores nothing when its work rejects, and rejects with the same',
      'leaves held what was acknowledged in it when it is rolled back, and isHeld tells',
      'makes an ack and a put one: both happen, or neither',
    ],
    because: /stats after the transaction was rolled back/,
    engine,
    breaks: (driver) =>
      alterDriver(driver, ({ transaction }) => ({
        transaction: async (work) => {
          const outcome = await transaction?.((client) => Promise.allSettled([work(client)]));
          const [result] = outcome ?? [];
          if (result?.status !== 'fulfilled') throw result?.reason;
          return result.value;
        },
      })),
  },
  {
    what: 'forgets what is acknowledged in a transaction',
    fails: [
      'removes what was acknowledged in it when it commits, and isHeld tells',
      'removes no message that another one holds, and isHeld tells',
    ],
    because: /isHeld\(\) after the commit/,
    engine,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) =>
          settlements.some((each) => each.kind === 'ack' && each.transaction) ? [{}] : settle(settlements),
      })),
  },
  {
    what: 'takes every message for held',
    fails: ['removes what was acknowledged in it when it commits, and isHeld tells'],
    because: /isHeld\(\) after the commit/,
    engine,
    breaks: (driver) => alterConsumers(driver, () => ({ isHeld: async () => true })),
  },
  {
    what: 'shows what was put in a transaction before its commit',
    fails: ['keeps nobody from taking other messages while it is open'],
    because: /the rest is not there yet/,
    breaks: (driver) =>
      alterDriver(driver, ({ capabilities, put }) => ({
        capabilities: { ...capabilities, transactions: true },
        put: (items) => put(items),
        transaction: (work) => work({ query: async () => ({ rows: [], rowCount: 0 }) }),
      })),
  },
  {
    what: 'lets nobody take a message while a transaction is open',
    fails: ['keeps nobody from taking other messages while it is open'],
    because: /not within \d+ ms: message 1 of 1 comes/,
    breaks: (driver) => {
      const altered = alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          await open;
          return reserve(options);
        },
      }));
      return alterDriver(altered, ({ capabilities }) => ({
        capabilities: { ...capabilities, transactions: true },
        transaction: (work) => {
          const working = work({ query: async () => ({ rows: [], rowCount: 0 }) });
          open = working.catch(() => {});
          return working;
        },
      }));
    },
  },
];
