import { alterClosing, alterDriver, alterReserved, alterSettlements } from '../altered.js';
import type { Fault } from './fault.js';

/** By queue: a fault may be tried again. */
const deliveries = new Map<string, number>();
const retried = new Set<string>();

export const attempts: readonly Fault[] = [
  {
    what: 'takes a release with a delay for no attempt',
    fails: ['count a release with a delay, which promote ends'],
    because: /the attempt of delivery 2, after \[1; released with a delay, and promoted\]/,
    breaks: (driver) =>
      alterSettlements(driver, (each) =>
        each.kind === 'release' && (each.delayMs ?? 0) > 0 ? { ...each, counted: false } : each,
      ),
  },
  {
    what: 'counts what it gives back when a consumer is closed',
    fails: ['do not count a delivery whose consumer was closed'],
    because: /the attempt of delivery 2, after \[1; its consumer is closed\]/,
    breaks: (driver) =>
      alterClosing(driver, (held, { settle }) => settle(held.map((message) => ({ kind: 'release', message })))),
  },
  {
    what: 'takes back what it says it cannot: a delivery whose consumer was closed',
    fails: ['count a delivery whose consumer was closed'],
    because: /the attempt of delivery 2, after \[1; its consumer is closed\]/,
    breaks: (driver) =>
      alterDriver(driver, ({ capabilities }) => ({ capabilities: { ...capabilities, uncountedRelease: false } })),
  },
  {
    what: 'goes on counting after a retry',
    fails: [
      'begin anew for a message that was retried: a worker allows it its whole budget again',
      'begin anew for a message that was buried with a failure and retried by its id',
    ],
    because: /the attempt of delivery 4/,
    breaks: (driver) =>
      alterReserved(driver, ({ queue, jobId }) => {
        const key = `${queue} ${jobId}`;
        const attempt = (deliveries.get(key) ?? 0) + 1;
        deliveries.set(key, attempt);
        return { attempt };
      }),
  },
  {
    what: 'counts no more after a retry',
    fails: [
      'count after a retry what they count before one',
      'count the end of a lease after a retry, and begin anew after it',
    ],
    because: /the attempt of delivery 3/,
    breaks: (driver) => {
      const altered = alterDriver(driver, ({ retry }) => ({
        retry: async (queue, selection) => {
          retried.add(queue);
          return retry(queue, selection);
        },
      }));
      return alterReserved(altered, ({ queue, attempt }) => ({ attempt: retried.has(queue) ? 1 : attempt }));
    },
  },
  {
    what: 'does not count the end of a lease',
    fails: ['count the end of a lease'],
    because: /the attempt of delivery 2, after \[1; its lease ends\]/,
    breaks: (driver) => alterReserved(driver, () => ({ attempt: 1 })),
  },
  {
    what: 'leaves an attempt unknown for good',
    fails: ['may be left unknown where nobody needs them, and can be found out'],
    because: /a message whose attempt is undefined must have a method track\(\)/,
    breaks: (driver) => alterReserved(driver, () => ({ attempt: undefined })),
  },
  {
    what: 'buries nothing whose attempts it has not counted',
    fails: ['need not be known to settle a message'],
    because: /stats after the message was released and buried/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'bury' ? { kind: 'release', message: each.message } : each)),
  },
];
