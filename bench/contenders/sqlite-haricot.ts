import { setTimeout as sleep } from 'node:timers/promises';
import { measure } from '../harness/measure.js';
import { loadHaricot } from '../harness/package.js';
import { type Data, dataOf, QUEUE, Tally, TYPE } from './message-worker.js';
import { type SqliteContender, temporaryFile } from './sqlite-store.js';

export async function open(): Promise<SqliteContender> {
  const { defineMessage, openDriver, Queue, SignalDispatcher, Worker } = await loadHaricot();
  const driver = await openDriver(`sqlite:${temporaryFile()}`);
  const queue = new Queue(driver, QUEUE);
  const type = defineMessage<Data>(TYPE);
  const list = (messages: number): Data[] => Array.from({ length: messages }, (_, number) => dataOf(number));

  return {
    binding: async () => (process.getBuiltinModule('node:sqlite') ? 'node:sqlite' : 'libsql'),

    async publish(messages) {
      const measured = await measure(messages, async () => {
        for (let number = 0; number < messages; number++) await queue.publish(type, dataOf(number));
      });
      return { ...measured, intact: (await queue.flush()) === messages };
    },

    async publishMany(messages) {
      const data = list(messages);
      const measured = await measure(messages, () => queue.publishMany(type, data));
      return { ...measured, intact: (await queue.flush()) === messages };
    },

    async work(messages, concurrency) {
      await queue.publishMany(type, list(messages));
      const tally = new Tally(messages);
      const signals = new SignalDispatcher();
      signals.connect(type, ({ data }) => tally.see(data.number));
      const worker = new Worker(queue, signals, { concurrency });
      const measured = await measure(messages, () => Promise.race([tally.done, worker.run()]));
      await worker.stop();
      const { ready = 0, reserved = 0 } = (await queue.stats()) ?? {};
      return { ...measured, intact: tally.isIntact && ready + reserved === 0 };
    },

    async idle(ms) {
      const signals = new SignalDispatcher();
      // A worker without a slot refuses to run.
      signals.connect(type, () => {});
      const worker = new Worker(queue, signals, { concurrency: 10 });
      const running = worker.run();
      // Until nothing has happened for so long that it looks less often.
      await sleep(2000);
      const { cpuUs, ms: passedMs } = await measure(1, () => sleep(ms));
      await worker.stop();
      await running;
      return cpuUs / 1000 / passedMs;
    },
  };
}
