import { alterDriver, alterShown, alterStats } from '../altered.js';
import type { Fault } from './fault.js';

const byPages = (state: string): string =>
  `shows all ${state} messages in order, by pages, without loss or repetition while others put and take`;

export const looking: readonly Fault[] = [
  {
    what: 'shows the first page again and again',
    fails: [byPages('buried'), byPages('reserved')],
    because: /the pages come to an end/,
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({ list: (queue, { after: _, ...options }) => list(queue, options) })),
  },
  {
    what: 'shows pages in another order',
    fails: [byPages('ready'), byPages('delayed')],
    because: /the messages that were there from the beginning/,
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({
        list: async (...args) => {
          const page = await list(...args);
          return { ...page, messages: page.messages.toReversed() };
        },
      })),
  },
  {
    what: 'shows the last message first',
    fails: [
      ...(['ready', 'delayed', 'reserved', 'buried'] as const).map(
        (state) => `shows the next ${state} message, and delivers none`,
      ),
      'shows the most urgent ready message first',
    ] as unknown as Fault['fails'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({
        list: async (queue, options) => {
          const { messages } = await list(queue, { ...options, limit: 100 });
          return { messages: messages.toReversed().slice(0, options.limit) };
        },
      })),
  },
  {
    what: 'shows what is reserved as ready',
    fails: ['shows nothing of other states, and nothing of a queue that is empty'],
    because: /so many ready messages/,
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({
        list: (queue, options) => list(queue, options.state === 'ready' ? { ...options, state: 'reserved' } : options),
      })),
  },
  {
    what: 'begins anew after what was never the end of a page',
    fails: ['refuses to go on after what was never the end of a page'],
    because: /list\(\) after "no page" must reject with an error whose code is INVALID_OPTION, and it succeeded/,
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({
        list: (queue, { after, ...options }) => list(queue, { ...options, after }).catch(() => list(queue, options)),
      })),
  },
  {
    what: 'finds messages of other queues',
    fails: ['finds no message that is gone, that never was, or that is in another queue'],
    because: /in another queue/,
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
    because: /deep-equal/,
    breaks: (driver) => alterShown(driver, () => ({ state: 'ready' })),
  },
  {
    what: 'answers the stats of queues in another order',
    fails: ['tell of several queues in the order in which they are asked for, and know none that nobody has used'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ stats }) => ({ stats: async (queues) => (await stats(queues)).toReversed() })),
  },
  {
    what: 'tells a wrong age of the oldest ready message',
    fails: ['tell for how long the oldest ready message has been there, or that they cannot'],
    because: /of a queue without ready messages/,
    breaks: (driver) => alterStats(driver, () => ({ oldestReadyMs: 0 })),
  },
  {
    what: 'forgets that a queue is paused',
    fails: ['tell until when a queue is paused, to every driver'],
    because: /pausedUntil of a paused queue must be a Date, got null/,
    breaks: (driver) => alterStats(driver, () => ({ pausedUntil: null })),
  },
  {
    what: 'lists no queue whose messages are all delayed or buried',
    fails: ['list those that have messages, in whatever state'],
    because: /queues\(\) lists .* once/,
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
    what: 'counts what is delayed as ready',
    fails: ['tell of the messages of many states at once, to every driver'],
    because: /deep-equal/,
    breaks: (driver) => alterStats(driver, ({ ready, delayed }) => ({ ready: ready + delayed, delayed: 0 })),
  },
  {
    what: 'lists no queue without messages',
    fails: ['list a queue that is paused, though it has no messages'],
    because: /queues\(\) lists a queue that is paused/,
    breaks: (driver) =>
      alterDriver(driver, ({ queues, stats }) => ({
        queues: async () => {
          const names = await queues();
          const found = await stats(names);
          return names.filter((_, index) => (found[index]?.ready ?? 0) > 0);
        },
      })),
  },
];
