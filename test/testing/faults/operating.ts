import { alterDriver, alterItems, alterShown, alterStats } from '../altered.js';
import { type Fault, PLAIN } from './fault.js';

export const operating: readonly Fault[] = [
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
