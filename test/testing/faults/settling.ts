import { alterDriver, alterReservations } from '../altered.js';
import type { Fault } from './fault.js';

const PRIORITY = 'keeps the priority of a message that is released, unless another is given';

const deliveries = new Map<string, number>();

export const settling: readonly Fault[] = [
  {
    what: 'keeps a message that is acknowledged',
    fails: ['removes a message that is acknowledged'],
    because: /stats after the ack/,
    breaks: (driver) => alterReservations(driver, ({ bury }) => ({ ack: () => bury() })),
  },
  {
    what: 'resets the priority of a message that is released',
    fails: [PRIORITY, 'need not be known to settle a message'],
    because: /after a release that gives no priority/,
    breaks: (driver) =>
      alterReservations(driver, ({ release }) => ({ release: (options) => release({ priority: 1024, ...options }) })),
  },
  {
    what: 'ignores the priority of a release',
    fails: [PRIORITY],
    because: /deep-equal/,
    breaks: (driver) =>
      alterReservations(driver, ({ release }) => ({ release: ({ delayMs } = {}) => release({ delayMs }) })),
  },
  {
    what: 'deletes a message that is buried',
    fails: ['puts a message aside that is buried, until it is kicked'],
    because: /stats after it was buried/,
    breaks: (driver) => alterReservations(driver, ({ ack }) => ({ bury: () => ack() })),
  },
  {
    what: 'forgets the failure of a message that is buried',
    fails: ['keeps the failure of a message that is buried'],
    because: /it is “unfit”/,
    breaks: (driver) =>
      alterReservations(driver, ({ bury }) => ({ bury: (options) => bury({ priority: options?.priority }) })),
  },
  {
    what: 'ignores a failure that it cannot keep',
    fails: ['refuses to bury with a failure that it cannot keep, and the message is still held'],
    because: /bury\(\) with a failure must reject with an error whose code is UNSUPPORTED, and it succeeded/,
    breaks: (driver) =>
      alterDriver(driver, ({ capabilities }) => ({ capabilities: { ...capabilities, failures: 'none' } })),
  },
  {
    what: 'settles a message again and again',
    fails: [
      'is over with ack: the holder can do nothing more',
      'is over with release: the holder can do nothing more',
      'is over with bury: the holder can do nothing more',
    ],
    because: /must reject with an error whose code is LEASE_LOST/,
    breaks: (driver) => alterReservations(driver, ({ ack }) => ({ ack: () => ack().catch(() => {}) })),
  },
  {
    what: 'settles all messages of a queue with one',
    fails: ['leaves alone what others hold, and what is in other queues'],
    because: /stats after one of three/,
    breaks: (driver) =>
      alterReservations(driver, ({ queue, ack }) => ({
        ack: async () => {
          await ack();
          await driver.kick(queue, 10);
          await (await (await driver.consume([queue], 1)).reserve({ timeoutMs: 0 }))?.ack();
        },
        bury: () => ack(),
      })),
  },
  {
    what: 'does not begin anew with the attempts of a message that is kicked',
    fails: ['begin anew for a message that was kicked: a worker allows it its whole budget again'],
    because: /the attempt after a kick/,
    breaks: (driver) =>
      alterReservations(driver, ({ id }) => {
        const attempt = (deliveries.get(id) ?? 0) + 1;
        deliveries.set(id, attempt);
        return { attempt };
      }),
  },
  {
    what: 'leaves an attempt unknown for good',
    fails: ['may be left unknown where nobody needs them, and can be found out'],
    because: /a reservation whose attempt is undefined must have a method track/,
    breaks: (driver) => alterReservations(driver, () => ({ attempt: undefined })),
  },
];
