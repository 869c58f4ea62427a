import type { Driver, StoredMessage } from '../../../src/queue/driver.js';
import { alterDriver, alterShown, alterStats } from '../altered.js';
import { type Fault, PLAIN } from './fault.js';

const byPages = (state: string): string =>
  `shows all ${state} messages in order, by pages, without loss or repetition while others put and take`;

const theNext = (state: string): string => `shows the next ${state} message, and delivers none`;

/** A driver whose lists tell something else of the messages than its `find`. */
function alterListed(driver: Driver, change: (message: StoredMessage) => Partial<StoredMessage>): Driver {
  return alterDriver(driver, ({ list }) => ({
    list: async (...args) => {
      const page = await list(...args);
      return { ...page, messages: page.messages.map((message) => ({ ...message, ...change(message) })) };
    },
  }));
}

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
      theNext('ready'),
      theNext('delayed'),
      theNext('reserved'),
      theNext('buried'),
      'shows the most urgent ready message first',
    ],
    because: /what list\(\) shows/,
    breaks: (driver) =>
      alterDriver(driver, ({ list }) => ({
        list: async (queue, options) => {
          const { messages } = await list(queue, { ...options, limit: 100 });
          return { messages: messages.toReversed().slice(0, options.limit) };
        },
      })),
  },
  {
    what: 'counts the present delivery twice in its lists',
    fails: [theNext('reserved'), theNext('buried')],
    because: /the attempts of a reserved message/,
    breaks: (driver) => alterListed(driver, ({ attempts = 0 }) => ({ attempts: 2 * attempts })),
  },
  {
    what: 'lists messages with the priority of others',
    fails: [theNext('ready')],
    because: /the priority of a ready message/,
    breaks: (driver) => alterListed(driver, () => ({ priority: PLAIN.priority })),
  },
  {
    what: 'lists messages with a TTR in seconds',
    fails: [theNext('ready')],
    because: /the TTR of a ready message of 120 s is told as 120 ms/,
    breaks: (driver) => alterListed(driver, ({ ttrMs }) => ({ ttrMs: ttrMs && ttrMs / 1000 })),
  },
  {
    what: 'lists delayed messages as due when they were put',
    fails: [theNext('delayed')],
    because: /when a delayed message is due/,
    breaks: (driver) => alterListed(driver, ({ createdAt }) => ({ dueAt: createdAt })),
  },
  {
    what: 'lists messages as put in 1970',
    fails: [theNext('buried')],
    because: /the time at which a buried message was put/,
    breaks: (driver) => alterListed(driver, () => ({ createdAt: new Date(0) })),
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
    because: /what find\(\) shows of a delayed message/,
    breaks: (driver) => alterShown(driver, () => ({ state: 'ready' })),
  },
  {
    what: 'answers the stats of queues in another order',
    fails: ['tell of several queues in the order in which they are asked for, and know none that nobody has used'],
    because: /the ready messages of each queue/,
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
    because: /stats of messages of all states/,
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
          return names.filter((_, index) => {
            const { ready = 0, delayed = 0, reserved = 0, buried = 0 } = found[index] ?? {};
            return ready + delayed + reserved + buried > 0;
          });
        },
      })),
  },
];
