import { setImmediate } from 'node:timers/promises';
import {
  alterBodies,
  alterDriver,
  alterItems,
  alterOptions,
  alterReserved,
  alterSettlements,
  alterShown,
} from '../altered.js';
import { type Fault, LATER, LEAST_TTR_MS } from './fault.js';

const BODIES: readonly (readonly [what: string, which: string, change: (body: Buffer) => Buffer])[] = [
  ['stores a blank for an empty body', 'of 0 bytes', (body) => (body.length === 0 ? Buffer.from(' ') : body)],
  ['takes bodies for UTF-8', 'that are no UTF-8', (body) => Buffer.from(body.toString())],
  ['loses what stands before a NUL', 'of every byte there is', (body) => body.subarray(body.indexOf(0) + 1)],
  ['trims bodies', 'that look like protocols', (body) => Buffer.from(body.toString('latin1').trim(), 'latin1')],
  ['cuts bodies at 65,535 bytes', 'of 64 KiB', (body) => body.subarray(0, 65_535)],
  ['cuts bodies at 1,000,000 bytes', 'of 1 MiB', (body) => body.subarray(0, 1_000_000)],
];

/** By queue: a fault may be tried again. */
const counts = new Map<string, number>();

/** By id, in the memory of one driver. */
const bodies = new Map<string, Buffer>();

function countUp(key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

export const putting: readonly Fault[] = [
  ...BODIES.map(
    ([what, which, change]): Fault => ({
      what,
      fails: [`delivers and shows bodies ${which} as they are`],
      because: /find\(\) shows \d+ bytes .* for \d+ bytes/,
      breaks: (driver) => alterBodies(driver, change),
    }),
  ),
  {
    what: 'reads a body only after put() was called',
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
    what: 'stores the messages of several queues in the first of them',
    fails: ['stores messages of several queues in one call, and answers their ids in order'],
    because: /the messages of a queue/,
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
    because: /deep-equal/,
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
    because: /another driver saw \d+ of 500 messages/,
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
    because: /1500 ms became 1000 ms/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: Math.floor(ttrMs / 1000) * 1000 })),
  },
  {
    what: 'knows no priorities',
    fails: ['delivers the lowest priority first', 'lets a more urgent message overtake those that were there before'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, () => ({ priority: 7 })),
  },
  {
    what: 'knows no delays',
    fails: ['makes as many delayed messages ready as it is told, those due next first, and says how many'],
    because: /the order in which they are promoted/,
    breaks: (driver) => alterOptions(driver, () => ({ delayMs: 0 })),
  },
  {
    what: 'knows only its own TTR',
    fails: ['stores what is delivered, with all there is to know'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, () => ({ ttrMs: 60_000 })),
  },
  {
    what: 'numbers the messages of each queue from 1',
    fails: ['gives every message an id of its own, in whatever queue'],
    because: /10 !== 20/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (items, options) => {
          const result = await put(items, options);
          const stored = items.map(({ queue }) => ({ jobId: String(countUp(queue)), isNew: true }));
          return { ...result, stored };
        },
      })),
  },
  {
    what: 'puts messages together with the options of the first',
    fails: [
      'stores many messages with different options together',
      'stores many messages with different TTRs together',
    ],
    because: /stats after putting two messages to deliver and one to delay/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: (items, options) =>
          put(
            items.map((item) => ({ ...item, options: items[0]?.options ?? item.options })),
            options,
          ),
      })),
  },
  {
    what: 'says that it has stored a message where there was none',
    fails: ['stores no message where there is none to put'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ put }) => ({
        put: async (items, options) =>
          items.length === 0 ? { atomic: true, stored: [{ jobId: '1', isNew: true }] } : put(items, options),
      })),
  },
  {
    what: 'says of many messages that they were stored together, though it cannot do that',
    fails: ['does not say of many messages that they were stored together'],
    because: /put\(\) must answer `atomic: false`/,
    breaks: (driver) =>
      alterDriver(driver, ({ capabilities }) => ({ capabilities: { ...capabilities, atomicPublish: false } })),
  },
  {
    what: 'empties a queue to prepare it',
    fails: ['prepares a queue again and again, and by two drivers at once, and harms no message'],
    because: /not within \d+ ms: message 1 of 1 comes/,
    breaks: (driver) =>
      alterDriver(driver, ({ flush }) => ({ setUp: async (queue) => void (await flush(queue, ['ready'])) })),
  },
  {
    what: 'cuts the names of queues at 64 characters',
    fails: ['may have every character of the rule, in 200 of them'],
    because: /stats after a put/,
    breaks: (driver) => alterItems(driver, (item) => ({ ...item, queue: item.queue.slice(0, 64) })),
  },
  {
    what: 'knows no short names',
    fails: ['may be one character'],
    because: /stats after a put/,
    breaks: (driver) => alterItems(driver, (item) => ({ ...item, queue: item.queue.padEnd(3, 'x') })),
  },
  {
    what: 'tells queues apart without regard to case',
    fails: ['are told apart by case alone, and have no wildcards'],
    because: /stats of .*queue_1/,
    breaks: (driver) => alterItems(driver, (item) => ({ ...item, queue: item.queue.toLowerCase() })),
  },
  {
    what: 'stores the whole buffer of which a body is part',
    fails: ['takes a body that is part of a larger buffer'],
    because: /deep-equal/,
    breaks: (driver) => alterItems(driver, (item) => ({ ...item, body: new Uint8Array(item.body.buffer) })),
  },
  {
    what: 'delivers the same buffer again',
    fails: ['delivers the body that was put again, whatever its first holder did to it'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterReserved(driver, ({ queue, jobId, body }) => {
        const key = `${queue} ${jobId}`;
        const known = bodies.get(key) ?? body;
        bodies.set(key, known);
        return { body: known };
      }),
  },
  {
    what: 'delivers bodies as views of one buffer',
    fails: ['delivers and shows each body in memory of its own, which can be transferred'],
    because: /what was not transferred stays as it is/,
    breaks: (driver) => {
      const shared = Buffer.allocUnsafeSlow(1_000_000);
      let end = 0;
      return alterReserved(driver, ({ body }) => {
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
    breaks: (driver) => alterShown(driver, () => ({ body: Buffer.from('pooled') })),
  },
  {
    what: 'knows every second priority',
    fails: ['tells every priority from the next one'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, ({ priority }) => ({ priority: priority - (priority % 2) })),
  },
  {
    what: 'delivers the youngest first',
    fails: ['delivers the oldest first among equal priorities'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterItems(driver, (item) => ({ ...item, options: { ...item.options, priority: LATER - countUp(item.queue) } })),
  },
  {
    what: 'puts a released message behind the others',
    fails: ['puts a released message before younger ones of its priority'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'release' ? { ...each, priority: LATER } : each)),
  },
  {
    what: 'puts a retried message behind the others',
    fails: ['puts a retried message before younger ones of its priority'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'bury' ? { ...each, priority: LATER } : each)),
  },
  {
    what: 'puts a delayed message behind the others',
    fails: ['puts a message whose delay is over before younger ones of its priority'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, ({ priority, delayMs }) => ({ priority: delayMs > 0 ? LATER : priority })),
  },
  {
    what: 'reads an id as far as it can',
    fails: ['are refused that the engine cannot have given, and nothing is done'],
    because: /find of the id " 1" must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) => alterDriver(driver, ({ find }) => ({ find: (queue, jobId) => find(queue, jobId.trim()) })),
  },
  {
    what: 'counts the milliseconds of a TTR in 31 bits',
    fails: ['may be the longest that there are'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: Math.min(ttrMs, 2 ** 31 - 1) })),
  },
  {
    what: 'makes less than a second of the least TTR',
    fails: ['may be the least TTR, a second, which is a lease of a second and no less'],
    because: /the TTR of 1000 ms became 999 ms/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs === LEAST_TTR_MS ? ttrMs - 1 : ttrMs })),
  },
];
