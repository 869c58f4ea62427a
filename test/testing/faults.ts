import { setImmediate } from 'node:timers/promises';
import type { Driver, PutOptions, ReservedMessage } from '../../src/queue/driver.js';
import {
  alterBodies,
  alterConsumers,
  alterDriver,
  alterItems,
  alterOptions,
  alterReserved,
  alterShown,
  alterStats,
} from './altered.js';

/** A way in which a driver can be wrong. */
export interface Fault {
  readonly what: string;
  /** The tests of the suite that must fail. */
  readonly fails: readonly [string, ...string[]];
  /** Called for each driver that is opened. */
  readonly breaks: (driver: Driver) => Driver;
}

const REDELIVERY = 'delivers a message to another consumer when its lease has ended, and counts that';
const PLAIN: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

/** By queue: their names are random, so that a fault which is tried again begins anew. */
const delivered = new Map<string, ReservedMessage>();
const deliveries = new Map<string, number>();

const BODIES: readonly (readonly [what: string, which: string, change: (body: Buffer) => Buffer])[] = [
  ['stores a blank for an empty body', 'of 0 bytes', (body) => (body.length === 0 ? Buffer.from(' ') : body)],
  ['takes bodies for UTF-8', 'that are no UTF-8', (body) => Buffer.from(body.toString())],
  ['loses what stands before a NUL', 'of every byte there is', (body) => body.subarray(body.indexOf(0) + 1)],
  ['trims bodies', 'that look like protocols', (body) => Buffer.from(body.toString('latin1').trim(), 'latin1')],
  ['cuts bodies at 65,535 bytes', 'of 64 KiB', (body) => body.subarray(0, 65_535)],
  ['cuts bodies at 1,000,000 bytes', 'of 1 MiB', (body) => body.subarray(0, 1_000_000)],
];

const storing: readonly Fault[] = [
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

const holding: readonly Fault[] = [
  {
    what: 'delivers a message to two consumers',
    fails: ['delivers a held message to nobody else'],
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          const [queue = ''] = [...delivered.keys()].slice(-1);
          const messages = await reserve(options);
          for (const message of messages) delivered.set(message.queue, message);
          const again = delivered.get(queue);
          return messages.length === 0 && again !== undefined ? [again] : messages;
        },
      })),
  },
  {
    what: 'never ends a lease',
    fails: [REDELIVERY],
    breaks: (driver) => alterOptions(driver, () => ({ ttrMs: 3_600_000 })),
  },
  {
    what: 'ends leases early',
    fails: [REDELIVERY],
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs * 0.2 })),
  },
  {
    what: 'counts no attempts',
    fails: [REDELIVERY, 'count a release'],
    breaks: (driver) => alterReserved(driver, () => ({ attempt: 1 })),
  },
  {
    what: 'counts a release that is not to count',
    fails: ['do not count a release that is not counted'],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: (settlements) =>
          settle(settlements.map((each) => (each.kind === 'release' ? { ...each, counted: true } : each))),
      })),
  },
  {
    what: 'says that it has done what a stale holder asks for',
    fails: [
      'refuses ack to the holder before, when another holds the message, and changes nothing',
      'does to each what is said, and answers in order, though one is no longer held',
    ],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => (await settle(settlements)).map(() => ({})),
      })),
  },
  {
    what: 'renews the lease of nobody',
    fails: ['keeps a lease that is renewed, beyond its TTR'],
    breaks: (driver) => alterConsumers(driver, () => ({ touch: async (messages) => messages.map(() => ({})) })),
  },
  {
    what: 'answers the results of settlements in another order',
    fails: ['does to each what is said, and answers in order, though one is no longer held'],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => (await settle(settlements)).toReversed(),
      })),
  },
  {
    what: 'takes one message more than it may',
    fails: ['takes no more than it may, the next ones first, and does not wait for more'],
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: (options = {}) => reserve({ ...options, max: (options.max ?? 1) + 1 }),
      })),
  },
  {
    what: 'loses the failure of a buried message',
    fails: ['are kept with a message that is buried'],
    breaks: (driver) => alterShown(driver, ({ state }) => (state === 'buried' ? { failure: undefined } : {})),
  },
  {
    what: 'loses the failure of a released message',
    fails: ['are kept with a message that is released, until the next one'],
    breaks: (driver) => alterShown(driver, ({ state }) => (state === 'buried' ? {} : { failure: undefined })),
  },
  {
    what: 'releases without the delay',
    fails: ['tell at each step where a message is'],
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: (settlements) =>
          settle(settlements.map((each) => (each.kind === 'release' ? { ...each, delayMs: 0 } : each))),
      })),
  },
  {
    what: 'loses one message of a thousand',
    fails: ['delivers each of 5000 messages to one of 8 consumers, once'],
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, settle }) => ({
        reserve: async (options) => {
          const messages = await reserve(options);
          for (const message of messages) {
            const count = (deliveries.get(message.queue) ?? 0) + 1;
            deliveries.set(message.queue, count);
            if (count % 1000 !== 0) continue;
            await settle([{ kind: 'ack', message }]);
            return reserve(options);
          }
          return messages;
        },
      })),
  },
];

const operating: readonly Fault[] = [
  {
    what: 'shows the first page again and again',
    fails: ['shows all buried messages in order, by pages, without loss or repetition while others put and take'],
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({ list: (queue, { after: _, ...options }) => list(queue, options) })),
  },
  {
    what: 'shows pages in another order',
    fails: ['shows all ready messages in order, by pages, without loss or repetition while others put and take'],
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({
        list: async (...args) => {
          const page = await list(...args);
          return { ...page, messages: page.messages.toReversed() };
        },
      })),
  },
  {
    what: 'finds messages of other queues',
    fails: ['finds no message that is gone, that never was, or that is in another queue'],
    breaks: (driver) =>
      alterDriver(driver, ({ find, queues }) => ({
        find: async (queue, jobId) => {
          for (const other of [queue, ...(await queues())]) {
            const found = await find(other, jobId);
            if (found !== null) return found;
          }
          return null;
        },
      })),
  },
  {
    what: 'shows every message as ready',
    fails: ['shows a message in whatever state, with what the engine knows of it'],
    breaks: (driver) => alterShown(driver, () => ({ state: 'ready' })),
  },
  {
    what: 'retries whatever is delayed where nothing is buried',
    fails: ['touches nothing that is not buried, though nothing is'],
    breaks: (driver) =>
      alterDriver(driver, ({ retry, promote }) => ({
        retry: async (queue, selection) => (await retry(queue, selection)) || promote(queue, selection),
      })),
  },
  {
    what: 'retries every buried message, whatever the limit',
    fails: ['makes as many buried messages ready as it is told, and says how many'],
    breaks: (driver) =>
      alterDriver(driver, ({ retry }) => ({
        retry: (queue, selection) => retry(queue, 'limit' in selection ? { limit: 1000 } : selection),
      })),
  },
  {
    what: 'changes no body',
    fails: ['changes the body of a message where one is given, and nothing else but perhaps its id'],
    breaks: (driver) =>
      alterDriver(driver, ({ retry }) => ({
        retry: (queue, selection) => retry(queue, 'ids' in selection ? { ids: selection.ids } : selection),
      })),
  },
  {
    what: 'promotes nothing, and says that it did',
    fails: ['makes as many delayed messages ready as it is told, those due next first, and says how many'],
    breaks: (driver) =>
      alterDriver(driver, () => ({ promote: async (_, selection) => ('limit' in selection ? selection.limit : 1) })),
  },
  {
    what: 'says that it has deleted what was not there',
    fails: ['removes messages that nobody holds, and says how many there were'],
    breaks: (driver) =>
      alterDriver(driver, () => ({
        delete: async (queue, jobIds) => {
          await driver.delete(queue, jobIds);
          return jobIds.length;
        },
      })),
  },
  {
    what: 'flushes more than it is told',
    fails: [
      'removes the ready messages alone, where no more is asked for',
      'removes the buried messages alone, where no more is asked for',
    ],
    breaks: (driver) =>
      alterDriver(driver, ({ flush }) => ({ flush: (queue) => flush(queue, ['ready', 'delayed', 'buried']) })),
  },
  {
    what: 'moves messages and leaves them where they were',
    fails: ['takes messages to another queue, with new ids and no attempts, the buried ones ready, and says how many'],
    breaks: (driver) =>
      alterDriver(driver, ({ find, put }) => ({
        move: async (queue, target, jobIds) => {
          const found = await Promise.all(jobIds.map((jobId) => find(queue, jobId)));
          const bodies = found.flatMap((message) => (message === null ? [] : [message.body]));
          await put(bodies.map((body) => ({ queue: target, body, options: PLAIN })));
          return bodies.length;
        },
      })),
  },
  {
    what: 'answers the stats of queues in another order',
    fails: ['tell of several queues in the order in which they are asked for, and know none that nobody has used'],
    breaks: (driver) =>
      alterDriver(driver, ({ stats }) => ({ stats: async (queues) => (await stats(queues)).toReversed() })),
  },
  {
    what: 'tells a wrong age of the oldest ready message',
    fails: ['tell for how long the oldest ready message has been there, or that they cannot'],
    breaks: (driver) => alterStats(driver, () => ({ oldestReadyMs: 0 })),
  },
  {
    what: 'forgets that a queue is paused',
    fails: ['tell until when a queue is paused, to every driver'],
    breaks: (driver) => alterStats(driver, () => ({ pausedUntil: null })),
  },
  {
    what: 'lists no queue whose messages are all delayed or buried',
    fails: ['list those that have messages, in whatever state'],
    breaks: (driver) =>
      alterDriver(driver, ({ queues, stats }) => ({
        queues: async () => {
          const names = await queues();
          const found = await stats(names);
          return names.filter((_, index) => (found[index]?.ready ?? 0) > 0);
        },
      })),
  },
  {
    what: 'puts everything into another queue',
    fails: ['stores what is delivered, with all there is to know'],
    breaks: (driver) => alterItems(driver, (item) => ({ ...item, queue: `${item.queue}-other`.slice(-200) })),
  },
];

export const FAULTS: readonly Fault[] = [...storing, ...holding, ...operating];
