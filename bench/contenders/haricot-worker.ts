import { loadClient, loadHaricot } from '../harness/package.js';
import { type Data, type MessageWorker, measureFromResume, queueNames, Tally, TYPE } from './message-worker.js';

export async function open({ port }: { readonly port: number }): Promise<MessageWorker> {
  const { Client } = await loadClient();
  const { defineMessage, openDriver, Queue, SignalDispatcher, Worker } = await loadHaricot();
  const control = await Client.connect({ host: '127.0.0.1', port });
  const driver = await openDriver(`beanstalkd://127.0.0.1:${port}`);

  return {
    async work(options) {
      const { messages, concurrency, trackAttempts } = options;
      const queues = queueNames(options.queues).map((name) => new Queue(driver, name));
      const tally = new Tally(messages);
      const signals = new SignalDispatcher();
      signals.connect(defineMessage<Data>(TYPE), ({ data }) => tally.see(data.number));
      const worker = new Worker(queues, signals, { concurrency, trackAttempts });
      const running = worker.run();
      // However many slots wait, one reserve waits at the server.
      const measured = await measureFromResume(control, options, 1, Promise.race([tally.done, running]));
      await worker.stop();
      return { ...measured, intact: tally.isIntact };
    },
  };
}
