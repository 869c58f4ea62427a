import type { Selection } from '../../../src/queue/driver.js';
import { alterDriver } from '../altered.js';
import { type Fault, PLAIN } from './fault.js';

export const operating: readonly Fault[] = [
  {
    what: 'retries whatever is delayed where nothing is buried',
    fails: ['touches nothing that is not buried, though nothing is'],
    because: /stats after a retry where nothing was buried/,
    breaks: (driver) =>
      alterDriver(driver, ({ retry, promote }) => ({
        retry: async (queue, selection) => (await retry(queue, selection)) || promote(queue, selection),
      })),
  },
  {
    what: 'retries every buried message, whatever the limit',
    fails: ['makes as many buried messages ready as it is told, and says how many'],
    because: /how many were retried at each call/,
    breaks: (driver) =>
      alterDriver(driver, ({ retry }) => ({
        retry: (queue, selection) => retry(queue, 'limit' in selection ? { limit: 1000 } : selection),
      })),
  },
  {
    what: 'changes no body',
    fails: ['changes the body of a message where one is given, and nothing else but perhaps its id'],
    because: /the body that is delivered/,
    breaks: (driver) =>
      alterDriver(driver, ({ retry }) => ({
        retry: (queue, selection) => retry(queue, 'ids' in selection ? { ids: selection.ids } : selection),
      })),
  },
  {
    what: 'promotes nothing, and says that it did',
    fails: ['makes as many delayed messages ready as it is told, those due next first, and says how many'],
    because: /not within \d+ ms: message 1 of 1 comes/,
    breaks: (driver) =>
      alterDriver(driver, () => ({ promote: async (_, selection) => ('limit' in selection ? selection.limit : 1) })),
  },
  {
    what: 'says that it has deleted what was not there',
    fails: ['removes messages that nobody holds, and says how many there were'],
    because: /deleting it again/,
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
      'removes the delayed messages alone, where no more is asked for',
      'removes the buried messages alone, where no more is asked for',
    ],
    because: /how many ready messages a flush removes/,
    breaks: (driver) =>
      alterDriver(driver, ({ flush }) => ({ flush: (queue) => flush(queue, ['ready', 'delayed', 'buried']) })),
  },
  {
    what: 'moves messages and leaves them where they were',
    fails: ['takes messages to another queue, with new ids and no attempts, the buried ones ready, and says how many'],
    because: /stats of the queue that they have left/,
    breaks: (driver) =>
      alterDriver(driver, ({ find, put }) => ({
        move: async (queue, target, jobIds) => {
          const found = await Promise.all([...new Set(jobIds)].map((jobId) => find(queue, jobId)));
          const bodies = found.flatMap((message) => (message === null ? [] : [message.body]));
          await put(bodies.map((body) => ({ queue: target, body, options: PLAIN })));
          return bodies.length;
        },
      })),
  },
  {
    what: 'retries those first that were buried last',
    fails: ['makes those ready first that were buried first, as list shows them'],
    because: /the order in which they are retried/,
    breaks: (driver) =>
      alterDriver(driver, ({ retry, list }) => ({
        retry: async (queue, selection) => {
          if ('ids' in selection) return retry(queue, selection);
          const { messages } = await list(queue, { state: 'buried', limit: 100 });
          const ids = messages.toReversed().map(({ jobId }) => jobId);
          return retry(queue, { ids: ids.slice(0, selection.limit) });
        },
      })),
  },
  {
    what: 'makes so many messages ready as it is given ids',
    fails: ['makes those ready whose ids it is given, and no others'],
    because: /how many were retried/,
    breaks: (driver) =>
      alterDriver(driver, ({ retry, promote }) => ({
        retry: (queue, selection) => retry(queue, toLimit(selection)),
        promote: (queue, selection) => promote(queue, toLimit(selection)),
      })),
  },
  {
    what: 'finds ids in whatever queue they are',
    fails: [
      'leaves other queues alone, whatever the ids',
      'touches nothing that is not delayed, and leaves other queues alone',
      'leaves messages of other queues alone',
    ],
    because: /retrying in another queue/,
    breaks: (driver) =>
      alterDriver(driver, ({ retry, promote, delete: remove, queues }) => {
        const inEach = async (change: (queue: string) => Promise<number>): Promise<number> => {
          let count = 0;
          for (const queue of await queues()) count += await change(queue);
          return count;
        };
        return {
          retry: (_, selection) => inEach((queue) => retry(queue, selection)),
          promote: (_, selection) => inEach((queue) => promote(queue, selection)),
          delete: (_, jobIds) => inEach((queue) => remove(queue, jobIds)),
        };
      }),
  },
  {
    what: 'changes the body of a message in whatever state',
    fails: ['changes no body of a message that is not buried'],
    because: /retrying with a body what is not buried/,
    breaks: (driver) =>
      alterDriver(driver, ({ retry, find, delete: remove, put }) => ({
        retry: async (queue, selection) => {
          const [jobId = ''] = 'ids' in selection ? selection.ids : [];
          if (!('body' in selection) || (await find(queue, jobId)) === null) return retry(queue, selection);
          await put([{ queue, body: selection.body, options: PLAIN }]);
          return remove(queue, [jobId]);
        },
      })),
  },
  {
    what: 'deletes nothing that is held',
    fails: ['removes a held message, and its holder loses its lease'],
    because: /how many were deleted/,
    breaks: (driver) =>
      alterDriver(driver, ({ delete: remove, find }) => ({
        delete: async (queue, jobIds) => {
          const found = await Promise.all(jobIds.map((jobId) => find(queue, jobId)));
          return remove(
            queue,
            jobIds.filter((_, index) => found[index]?.state !== 'reserved'),
          );
        },
      })),
  },
  {
    what: 'deletes what is held, though it says that it cannot',
    fails: ['leaves a held message to its holder'],
    because: /how many were deleted/,
    breaks: (driver) =>
      alterDriver(driver, ({ capabilities }) => ({ capabilities: { ...capabilities, deleteReserved: false } })),
  },
  {
    what: 'does not say how many messages it has flushed',
    fails: ['removes all that nobody holds, and says how many messages that were'],
    because: /how many a flush removes/,
    breaks: (driver) =>
      alterDriver(driver, ({ flush }) => ({
        flush: async (queue, states) => {
          await flush(queue, states);
          return 0;
        },
      })),
  },
  {
    what: 'flushes all queues',
    fails: ['leaves other queues alone'],
    because: /stats after a flush of another queue/,
    breaks: (driver) =>
      alterDriver(driver, ({ flush, queues }) => ({
        flush: async (_, states) => {
          let count = 0;
          for (const queue of await queues()) count += await flush(queue, states);
          return count;
        },
      })),
  },
  {
    what: 'moves what is held',
    fails: ['leaves out what is held, gone, or in another queue'],
    because: /how many were moved/,
    breaks: (driver) =>
      alterDriver(driver, ({ delete: remove, put }) => ({
        move: async (queue, target, jobIds) => {
          const count = await remove(queue, jobIds);
          await put(Array.from({ length: count }, () => ({ queue: target, body: Buffer.from('a'), options: PLAIN })));
          return count;
        },
      })),
  },
  {
    what: 'says that it has moved messages, and does not',
    fails: ['wakes a reserve that waits for messages of the other queue'],
    because: /the message that was moved comes/,
    breaks: (driver) => alterDriver(driver, () => ({ move: async (_, __, jobIds) => jobIds.length })),
  },
];

function toLimit(selection: Selection): Selection {
  return 'ids' in selection ? { limit: selection.ids.length } : selection;
}
