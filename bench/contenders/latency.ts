// The way of lone messages, from the call of publish to the slot, in one process: it has one clock.
import { setTimeout as sleep } from 'node:timers/promises';
import { measure } from '../harness/measure.js';
import { loadClient, loadHaricot } from '../harness/package.js';
import { connectRaw, putCommand } from './raw-socket.js';

const TYPE = 'bench.lone';
/** Between two messages: everything must have come to rest. */
const GAP_MS = 3;
const SETTLE_MS = 5000;

interface Lone {
  readonly number: number;
  readonly to: string;
}

/** Milliseconds for each try. */
export type Latency = {
  publishToSlot(messages: number): Promise<number[]>;
  /** The same with raw sockets, from the write to the chunk with the message. */
  rawPublishToSlot(messages: number): Promise<number[]>;
  connect(times: number): Promise<number[]>;
  rawConnect(times: number): Promise<number[]>;
  /** The share of one core that a worker needs which waits with so many slots, for each of so many seconds. */
  idleWorker(slots: number, seconds: number): Promise<number[]>;
};

export async function open({ port }: { readonly port: number }): Promise<Latency> {
  const { Client } = await loadClient();
  const { defineMessage, openDriver, Queue, SignalDispatcher, Worker } = await loadHaricot();
  const url = `beanstalkd://127.0.0.1:${port}`;
  const type = defineMessage<Lone>(TYPE);

  /** Tries one after another, at rest in between. */
  async function each(times: number, once: (number: number) => Promise<number>): Promise<number[]> {
    const results: number[] = [];
    for (let number = 0; number < times; number++) {
      results.push(await once(number));
      await sleep(GAP_MS);
    }
    return results;
  }

  async function timed(action: () => Promise<unknown>): Promise<number> {
    const began = performance.now();
    await action();
    return performance.now() - began;
  }

  return {
    async publishToSlot(messages) {
      const driver = await openDriver(url);
      const queue = new Queue(driver, 'lone');
      const signals = new SignalDispatcher();
      let arrived = (): void => {};
      signals.connect(type, () => arrived());
      const worker = new Worker(queue, signals);
      void worker.run();
      const results = await each(messages, async (number) => {
        const slot = new Promise<number>((resolve) => {
          arrived = () => resolve(performance.now());
        });
        const began = performance.now();
        await queue.publish(type, { number, to: 'somebody@example.org' });
        return (await slot) - began;
      });
      await worker.stop();
      await driver.close();
      return results;
    },

    async rawPublishToSlot(messages) {
      const [publisher, taker] = await Promise.all([connectRaw(port), connectRaw(port)]);
      const command = putCommand(Buffer.alloc(250, 'x'));
      publisher.write('use raw\r\n');
      publisher.resume();
      let arrived = (): void => {};
      taker.on('data', (chunk: Buffer) => {
        const head = chunk.toString('latin1', 0, 60);
        const at = head.indexOf('RESERVED ');
        if (at < 0) return;
        arrived();
        taker.write(`delete ${head.slice(at + 9, head.indexOf(' ', at + 9))}\r\nreserve\r\n`);
      });
      taker.write('watch raw\r\nignore default\r\nreserve\r\n');
      const results = await each(messages, () => {
        const slot = new Promise<number>((resolve) => {
          const began = performance.now();
          arrived = () => resolve(performance.now() - began);
        });
        publisher.write(command);
        return slot;
      });
      publisher.destroy();
      taker.destroy();
      return results;
    },

    connect: (times) =>
      each(times, async () => {
        let client: InstanceType<typeof Client> | undefined;
        const ms = await timed(async () => {
          client = await Client.connect(url);
        });
        client?.destroy();
        return ms;
      }),

    rawConnect: (times) =>
      each(times, async () => {
        const began = performance.now();
        const socket = await connectRaw(port);
        const ms = performance.now() - began;
        socket.destroy();
        return ms;
      }),

    async idleWorker(slots, seconds) {
      const driver = await openDriver(url);
      const signals = new SignalDispatcher();
      signals.connect(type, () => {});
      const worker = new Worker(new Queue(driver, 'idle'), signals, { concurrency: slots });
      void worker.run();
      // Until all wait, and what loading and connecting have left behind is compiled and collected.
      await sleep(SETTLE_MS);
      const shares: number[] = [];
      while (shares.length < seconds) {
        const { cpuUs, ms } = await measure(1, () => sleep(1000));
        shares.push(cpuUs / 1000 / ms);
      }
      await worker.stop();
      await driver.close();
      return shares;
    },
  };
}
