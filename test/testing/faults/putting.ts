import { setImmediate } from 'node:timers/promises';
import { alterBodies, alterDriver, alterReservations } from '../altered.js';
import type { Fault } from './fault.js';

const delivered = new Map<string, Buffer>();
const counts = new Map<string, number>();

const BODIES: readonly (readonly [what: string, which: string, change: (body: Buffer) => Buffer])[] = [
  ['stores a blank for an empty body', 'of 0 bytes', (body) => (body.length === 0 ? Buffer.from(' ') : body)],
  ['takes bodies for UTF-8', 'that are no UTF-8', (body) => Buffer.from(body.toString())],
  ['loses what stands before a NUL', 'of every byte there is', (body) => body.subarray(body.indexOf(0) + 1)],
  ['trims bodies', 'that look like protocols', (body) => Buffer.from(body.toString('latin1').trim(), 'latin1')],
  ['cuts bodies at 65,535 bytes', 'of 64 KiB', (body) => body.subarray(0, 65_535)],
  ['cuts bodies at 1,000,000 bytes', 'of 1 MiB', (body) => body.subarray(0, 1_000_000)],
];

export const putting: readonly Fault[] = [
  ...BODIES.map(
    ([what, which, change]): Fault => ({
      what,
      fails: [`delivers and shows bodies ${which} as they are`],
      because: /peek shows \d+ bytes .* for \d+ bytes/,
      breaks: (driver) => alterBodies(driver, change),
    }),
  ),
  {
    what: 'delivers less than it shows',
    fails: ['delivers and shows bodies of 1 MiB as they are'],
    because: /65535 bytes .* were delivered for 1048576 bytes/,
    breaks: (driver) => alterReservations(driver, ({ body }) => ({ body: body.subarray(0, 65_535) })),
  },
  {
    what: 'stores the whole buffer of which a body is part',
    fails: ['takes a body that is part of a larger buffer'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: (queue, body, options) => put(queue, Buffer.from(body.buffer), options),
      })),
  },
  {
    what: 'stores a body after it has said so',
    fails: ['keeps what was put when the buffer it came in is used for something else'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (...args) => {
          setTimeout(() => void put(...args).catch(() => {}), 20);
          return '0';
        },
      })),
  },
  {
    what: 'reads the body only when it has turned to its engine',
    fails: ['keeps what was put when the buffer it came in is used for something else'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (...args) => {
          await setImmediate();
          return put(...args);
        },
      })),
  },
  {
    what: 'delivers the same buffer again',
    fails: ['delivers the body that was put again, whatever its first holder did to it'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterReservations(driver, ({ id, body }) => {
        if (!delivered.has(id)) delivered.set(id, body);
        return { body: delivered.get(id) ?? body };
      }),
  },
  {
    what: 'delivers bodies as views of one buffer',
    fails: ['delivers and shows each body in memory of its own, which can be transferred'],
    because: /what was not transferred stays as it is/,
    breaks: (driver) => {
      const shared = Buffer.allocUnsafeSlow(1_000_000);
      let end = 0;
      return alterReservations(driver, ({ body }) => {
        const start = end;
        end += body.copy(shared, start);
        return { body: shared.subarray(start, end) };
      });
    },
  },
  {
    what: "shows bodies in the pool of Node's buffers",
    fails: ['delivers and shows each body in memory of its own, which can be transferred'],
    because: /the memory of a body of \d+ bytes cannot be transferred/,
    breaks: (driver) =>
      alterDriver(driver, ({ peek }) => ({
        peek: async (...args) => (await peek(...args)).map((message) => ({ ...message, body: Buffer.from('pooled') })),
      })),
  },
  {
    what: 'stores a message where none is put',
    fails: ['puts no message where there is none to put'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ putMany, put }) => ({
        putMany: async (queue, items) =>
          items.length === 0
            ? [await put(queue, Buffer.alloc(0), { priority: 0, delayMs: 0, ttrMs: 1000 })]
            : putMany(queue, items),
      })),
  },
  {
    what: 'tells queues apart without regard to case',
    fails: ['are told apart by case alone, and have no wildcards'],
    because: /stats of .*queue_1/,
    breaks: (driver) =>
      alterDriver(driver, ({ put, stats }) => ({
        put: (queue, ...rest) => put(queue.toLowerCase(), ...rest),
        stats: (queue) => stats(queue.toLowerCase()),
      })),
  },
  {
    what: 'knows no long names',
    fails: ['may have every character of the rule, in 200 of them'],
    because: /too long/,
    breaks: (driver) =>
      alterDriver(driver, () => ({
        setUp: async (queue) => {
          if (queue.length > 64) throw new Error('too long');
        },
      })),
  },
  {
    what: 'knows no short names',
    fails: ['may be one character'],
    because: /stats after a put/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({ put: (queue, ...rest) => put(queue.padEnd(3, 'x'), ...rest) })),
  },
  {
    what: 'empties a queue to prepare it',
    fails: ['prepares a queue again and again, and by two drivers at once, and harms no message'],
    because: /not within \d+ ms: message 1 of 1 comes/,
    breaks: (driver) => alterDriver(driver, ({ flush }) => ({ setUp: async (queue) => void (await flush(queue)) })),
  },
  {
    what: 'numbers the messages of each queue from 1',
    fails: ['gives every message an id of its own, in whatever queue'],
    because: /10 !== 20/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (queue, ...rest) => {
          await put(queue, ...rest);
          const count = (counts.get(queue) ?? 0) + 1;
          counts.set(queue, count);
          return String(count);
        },
      })),
  },
];
