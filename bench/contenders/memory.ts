// What haricot holds: run with --expose-gc.
import { loadClient, loadHaricot } from '../harness/package.js';

/** Bytes. */
export interface Held {
  readonly heap: number;
  /** Of buffers, outside the heap. */
  readonly buffers: number;
  readonly rss: number;
}

export type Memory = {
  /** What so many puts that were called and not yet answered hold, and what is left of it when all are answered. Once a process. */
  putsInFlight(puts: number, size: number): Promise<{ readonly inFlight: Held; readonly after: Held }>;
  /** Publishes and works off messages for so long. @returns the messages, and the heap after a collection, each second */
  run(seconds: number): Promise<{ readonly messages: number; readonly heap: readonly number[] }>;
};

/** Published at once; the next follow when all are worked off. */
const BATCH = 1000;
const CONCURRENCY = 10;
/** Puts before anything is measured. */
const WARM_UP = 20_000;

export async function open({ port }: { readonly port: number }): Promise<Memory> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('needs node --expose-gc');
  const held = (): Held => {
    collect();
    const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
    return { heap: heapUsed, buffers: arrayBuffers, rss };
  };
  const url = `beanstalkd://127.0.0.1:${port}`;

  return {
    async putsInFlight(puts, size) {
      const { Client } = await loadClient();
      const body = Buffer.alloc(size, 'x');
      const put = (count: number): Promise<string>[] => Array.from({ length: count }, () => client.put(body));
      // With code that is compiled and a connection that is warm, but that has never had much to do.
      const client = await Client.connect(url);
      for (let warm = 0; warm < WARM_UP / BATCH; warm++) await allOf(put(BATCH));
      const before = held();
      let pending: Promise<string>[] | undefined = put(puts);
      // Called in one go: not one is answered yet.
      const inFlight = less(held(), before);
      await allOf(pending);
      pending = undefined;
      const after = less(held(), before);
      client.destroy();
      return { inFlight, after };
    },

    async run(seconds) {
      const { defineMessage, openDriver, Queue, SignalDispatcher, Worker } = await loadHaricot();
      const driver = await openDriver(url);
      const queue = new Queue(driver, 'memory');
      const type = defineMessage<number>('bench.memory');
      const signals = new SignalDispatcher();
      let messages = 0;
      let batchDone = (): void => {};
      signals.connect(type, () => {
        if (++messages % BATCH === 0) batchDone();
      });
      const worker = new Worker(queue, signals, { concurrency: CONCURRENCY });
      void worker.run();
      const heap: number[] = [];
      const data = Array.from({ length: BATCH }, (_, number) => number);
      const began = performance.now();
      while (heap.length < seconds) {
        const done = new Promise<void>((resolve) => {
          batchDone = resolve;
        });
        await Promise.all([queue.publishMany(type, data), done]);
        if (performance.now() - began > (heap.length + 1) * 1000) heap.push(held().heap);
      }
      await worker.stop();
      await driver.close();
      return { messages, heap };
    },
  };
}

/** In a call of its own, whose results are garbage when it is over. */
async function allOf(pending: readonly Promise<unknown>[]): Promise<void> {
  await Promise.all(pending);
  await new Promise(setImmediate);
}

function less(held: Held, before: Held): Held {
  return { heap: held.heap - before.heap, buffers: held.buffers - before.buffers, rss: held.rss - before.rss };
}
