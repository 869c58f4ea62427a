import { measure } from '../harness/measure.js';
import { requirePeer } from '../harness/peers.js';
import { type Data, dataOf, type MessageWorker, QUEUE, Tally, TYPE } from './message-worker.js';

interface Job {
  readonly data: Data;
}

interface BullQueue {
  addBulk(jobs: { name: string; data: Data; opts: object }[]): Promise<unknown>;
}

interface BullWorker {
  run(): Promise<void>;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface BullMQ {
  readonly Queue: new (name: string, options: object) => BullQueue;
  readonly Worker: new (name: string, handler: (job: Job) => Promise<void>, options: object) => BullWorker;
}

/** Jobs of one addBulk. */
const BULK = 1000;

export async function open({ port }: { readonly port: number }): Promise<MessageWorker> {
  const { Queue, Worker } = requirePeer('bullmq') as BullMQ;
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
  const queue = new Queue(QUEUE, { connection });

  return {
    /** It keeps track of attempts always. */
    async work({ messages, concurrency }) {
      for (let from = 0; from < messages; from += BULK) {
        const numbers = Array.from({ length: Math.min(BULK, messages - from) }, (_, index) => from + index);
        // Removed when done, as a message of ours is.
        await queue.addBulk(
          numbers.map((number) => ({ name: TYPE, data: dataOf(number), opts: { removeOnComplete: true } })),
        );
      }
      const tally = new Tally(messages);
      const handler = async ({ data }: Job): Promise<void> => tally.see(data.number);
      const worker = new Worker(QUEUE, handler, { connection, concurrency, autorun: false });
      await worker.waitUntilReady();
      const measured = await measure(messages, () => {
        worker.run().catch(() => {});
        return tally.done;
      });
      await worker.close();
      return { ...measured, intact: tally.isIntact };
    },
  };
}
