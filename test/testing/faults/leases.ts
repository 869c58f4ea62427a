import type { Driver, Reservation } from '../../../src/queue/driver.js';
import { alterConsumers, alterOptions, alterReservation, alterReservations } from '../altered.js';
import { type Fault, PLAIN } from './fault.js';

const REDELIVERY = 'delivers a message to another consumer when its lease has ended, and counts that';
const EACH_ONCE = 'delivers each of 5000 messages to one of 8 consumers, once';

let deliveries = 0;
let last: Reservation | null = null;
const holders = new Map<string, Reservation>();

export const leases: readonly Fault[] = [
  {
    what: 'delivers a message to two consumers',
    fails: ['delivers a held message to nobody else'],
    because: /the message is held/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          last = (await reserve(options)) ?? last;
          return last;
        },
      })),
  },
  {
    what: 'delivers one message of a thousand twice',
    fails: [EACH_ONCE],
    isBusy: true,
    because: /so many (different )?messages were delivered/,
    breaks: (driver) =>
      alterReservations(driver, ({ queue, body, ack }) => ({
        ack: async () => {
          if (++deliveries % 1000 === 0) await driver.put(queue, body, { ...PLAIN, priority: 0 });
          return ack();
        },
      })),
  },
  {
    what: 'loses one message of a thousand',
    fails: [EACH_ONCE],
    isBusy: true,
    because: /so many messages were delivered\s+499\d !== 5000/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          const reservation = await reserve(options);
          if (reservation === null || ++deliveries % 1000 !== 0) return reservation;
          await reservation.ack();
          return reserve(options);
        },
      })),
  },
  {
    what: 'never ends a lease',
    fails: [REDELIVERY, 'puts a message whose lease has ended before younger ones of its priority'],
    because: /not within \d+ ms: the message comes again/,
    breaks: (driver) => alterOptions(driver, () => ({ ttrMs: 60_000 })),
  },
  {
    what: 'ends leases early',
    fails: [REDELIVERY],
    because: /the lease of 1 s ended after \d+ ms, which is before \d+ ms/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs * 0.2 })),
  },
  {
    what: 'counts no attempts',
    fails: [
      REDELIVERY,
      'delivers a message again at once that is released, and counts that',
      'count a delivery whose consumer was closed',
    ],
    because: /deep-equal/,
    breaks: (driver) => alterReservations(driver, () => ({ attempt: 1 })),
  },
  ...(['ack', 'release', 'bury', 'touch'] as const).map(
    (command): Fault => ({
      what: `takes ${command} from a stale holder`,
      fails: [`refuses ${command} to the holder before, when another holds the message, and changes nothing`],
      because: new RegExp(`${command}\\(\\) of the holder before must reject with an error whose code is LEASE_LOST`),
      breaks: (driver: Driver) =>
        alterReservations(driver, (reservation) => ({ [command]: () => reservation[command]().catch(() => {}) })),
    }),
  ),
  {
    what: 'takes the stale holder of a message for the current one, within a consumer',
    fails: [
      'refuses every command to the holder before, when the same consumer has delivered the message again',
      ...(['ack', 'release', 'bury', 'touch'] as const).map(
        (command) =>
          `refuse ${command} to the first slot, when the second was given the message, and change nothing` as const,
      ),
    ],
    because: /\(\) of the holder before must reject with an error whose code is LEASE_LOST/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => {
        const current = new Map<string, Reservation>();
        return {
          reserve: async (options) => {
            const reservation = await reserve(options);
            if (reservation === null) return null;
            const { id } = reservation;
            current.set(id, reservation);
            return alterReservation(reservation, () => ({
              ack: async () => current.get(id)?.ack(),
              release: async (options) => current.get(id)?.release(options),
              bury: async (options) => current.get(id)?.bury(options),
              touch: async () => current.get(id)?.touch(),
            }));
          },
        };
      }),
  },
  {
    what: 'takes every ack for done, whoever holds the message',
    fails: ['give the message to one of them, when both want it in the same moment'],
    because: /the first slot was heeded/,
    breaks: (driver) => alterReservations(driver, ({ ack }) => ({ ack: () => ack().catch(() => {}) })),
  },
  {
    what: 'delivers a message again whose ack came late and was heeded',
    fails: ['has its ack heeded, or is told that it came too late, never both'],
    isBusy: true,
    because: /stats after the late ack was heeded/,
    breaks: (driver) =>
      alterReservations(driver, ({ queue, body, ack, leaseEndsAt }) => ({
        ack: async () => {
          const isLate = performance.now() > leaseEndsAt;
          await ack().catch(() => {});
          if (isLate) await driver.put(queue, body, PLAIN);
        },
      })),
  },
  {
    what: 'lets a stale holder remove the message, though it refuses',
    fails: ['refuses ack to the holder before, when another holds the message, and changes nothing'],
    because: /stats while the message is held/,
    breaks: (driver) =>
      alterReservations(driver, ({ id, queue, ack, ...rest }) => {
        // Ids begin anew with each engine, queues have random names.
        const key = `${queue}/${id}`;
        const holder = holders.get(key);
        const reservation = { id, queue, ack, ...rest };
        holders.set(key, reservation);
        return {
          ack: async () => {
            if (holder === undefined) await holders.get(key)?.ack();
            return ack();
          },
        };
      }),
  },
  {
    what: 'tells nobody that a lease is lost',
    fails: [
      'tells the holder before that its lease is lost, with its next command at the latest',
      'a consumer gives back what it holds, which is then no longer its own',
    ],
    because: /the signal `lost` is aborted/,
    breaks: (driver) =>
      alterReservations(driver, () => Object.defineProperty({}, 'lost', { value: new AbortController().signal })),
  },
  {
    what: 'counts a renewed lease from when it began',
    fails: ['tells when the lease ends at the latest, a TTR after it began or was renewed'],
    because: /renewed to [\d.]+, between/,
    breaks: (driver) => alterReservations(driver, ({ leaseEndsAt }) => ({ leaseEndsAt })),
  },
  {
    what: 'renews no lease',
    fails: ['keeps a lease that is renewed, beyond its TTR', 'ends a renewed lease a TTR after the last renewal'],
    because: /while the lease is renewed/,
    breaks: (driver) => alterReservations(driver, () => ({ touch: async () => {} })),
  },
];
