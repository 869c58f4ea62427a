import { setImmediate } from 'node:timers/promises';
import { alterBodies, alterDriver, alterOptions } from '../altered.js';
import type { Fault } from './fault.js';

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
      breaks: (driver) => alterBodies(driver, change),
    }),
  ),
  {
    what: 'reads a body only after put() was called',
    fails: ['keeps what was put when the buffer it came in is used for something else'],
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (...args) => {
          await setImmediate();
          return put(...args);
        },
      })),
  },
  {
    what: 'stores the messages of several queues in the first of them',
    fails: ['stores messages of several queues in one call, and answers their ids in order'],
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: (items, options) =>
          put(
            items.map((item) => ({ ...item, queue: items[0]?.queue ?? item.queue })),
            options,
          ),
      })),
  },
  {
    what: 'answers ids in another order',
    fails: ['keeps messages that are put together in order, and answers their ids in order'],
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (...args) => {
          const { stored, ...rest } = await put(...args);
          return { ...rest, stored: stored.toReversed() };
        },
      })),
  },
  {
    what: 'stores one message after the other, and says that it was together',
    fails: ['stores all messages of one call together: nobody sees a part of them'],
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (items, options) => {
          const stored = [];
          for (const item of items) {
            stored.push(...(await put([item], options)).stored);
            await setImmediate();
          }
          return { atomic: true, stored };
        },
      })),
  },
  {
    what: 'rounds a TTR down to whole seconds',
    fails: ['rounds a TTR up, never down'],
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: Math.floor(ttrMs / 1000) * 1000 })),
  },
  {
    what: 'knows no priorities',
    fails: ['delivers the lowest priority first', 'lets a more urgent message overtake those that were there before'],
    breaks: (driver) => alterOptions(driver, () => ({ priority: 7 })),
  },
  {
    what: 'knows no delays',
    fails: ['makes as many delayed messages ready as it is told, those due next first, and says how many'],
    breaks: (driver) => alterOptions(driver, () => ({ delayMs: 0 })),
  },
];
