import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { Worker } from '../src/worker/worker.js';
import { countsOf } from '../test/support/counts.js';
import { ENGINES, onBeanstalkd } from './support/engines.js';
import type { TcpProxy } from './support/proxy.js';
import { onOwnQueues, type Queues } from './support/queues.js';
import { until } from './support/until.js';
import { onWorkerBench } from './support/workers.js';

const Work = defineMessage<string>('work');
const Broken = defineMessage('broken');
const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

for (const [name, onEngine] of Object.entries(ENGINES)) {
  describe(`On ${name}, a worker`, () => {
    const { bench, engine } = onWorkerBench(onEngine);

    it('ends when its driver is closed, though a slot runs: its message comes back', async () => {
      const { queue, signals } = bench();
      signals.connect(Work, () => new Promise(() => {}));
      const driver = await engine.open();
      const worker = new Worker(new Queue(driver, queue.name), signals, { concurrency: 2, grace: 0 });
      const run = worker.run();
      await queue.publish(Work, 'a');
      await until('the slot runs', async () => (await queue.stats())?.reserved === 1);
      await driver.close();
      await run;
      expect(bench().events('workerStopping')[0]).to.include({ reason: 'closed' });
      expect(bench().events('workerStopped')).to.have.length(1);
      await until('the message is back', async () => (await queue.stats())?.reserved === 0);
    });

    it('can be stopped by its slot, which does not wait for itself', async () => {
      const { queue, signals } = bench();
      let worker: Worker | undefined;
      signals.connect(Work, async () => {
        await queue.stats();
        await worker?.stop({ grace: '1h' });
      });
      await queue.publishMany(Work, ['a', 'b']);
      const started = await bench().start();
      worker = started.worker;
      await started.run;
      expect(bench().events('workerStopped')[0]).to.include({ finished: 1 });
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 1 });
    });

    it('buries exactly as many messages as failureLimit allows, one at a time', async () => {
      const { queue, signals } = bench();
      signals.connect(Work, () => {});
      for (let n = 0; n < 5; n++) await queue.publish(Broken, null);
      const { run } = await bench().start({ failureLimit: 2 });
      await run;
      expect(bench().events('workerStopped')[0]).to.include({ failed: 2 });
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 3, buried: 2 });
    });

    it('buries a message whose slot throws what cannot be looked at', async () => {
      const { queue, signals } = bench();
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      const thrown = [Object.create(null), proxy, new Error('a\0b'), undefined, new Error('x'.repeat(10_000_000))];
      signals.connect(Work, ({ data }) => {
        throw thrown[Number(data)];
      });
      await queue.publishMany(
        Work,
        thrown.map((_, index) => String(index)),
      );
      await bench().start({ attempts: 1, concurrency: 2 });
      await bench().until('messageFailed', thrown.length);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, buried: thrown.length });
      expect(bench().events('workerError')).to.deep.equal([]);
    });

    it('retries a message with the slot that was connected once and has failed it', async () => {
      const { queue, signals } = bench();
      signals.connect(Broken, () => {});
      signals.connect(
        Work,
        (_message, { attempt }) => {
          if (attempt === 1) throw new Error('not yet');
        },
        { once: true },
      );
      await bench().start({ backoff: 0 });
      await queue.publish(Work, 'a');
      expect(await bench().until('messageFinished')).to.include({ attempt: 2 });
    });
  });
}

describe('A worker whose link to beanstalkd is stalled', () => {
  let queues: Queues;
  const { bench } = onWorkerBench(() => {
    queues = onOwnQueues();
    return onBeanstalkd(queues);
  });
  let proxy: TcpProxy;

  beforeEach(async () => {
    proxy = await queues.fixture.proxy();
  });

  it('aborts the signal of its slot when the lease is over by its own clock, and does not apply what that does', async () => {
    const { queue, signals } = bench();
    const ttrMs = 2000;
    const begun: { attempt: number | undefined; signal: AbortSignal; at: number }[] = [];
    let abortedAt = 0;
    signals.connect(Work, async (_message, { attempt, signal }) => {
      begun.push({ attempt, signal, at: performance.now() });
      if (attempt !== 1) return;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      abortedAt = performance.now();
    });
    const behindProxy = queues.open({ url: proxy.url });
    const worker = new Worker(new Queue(behindProxy, queue.name), signals, { grace: 0 });
    const run = worker.run();
    await queue.publish(Work, 'a', { ttr: ttrMs });
    await until('the slot runs', async () => begun.length === 1);
    proxy.stall('toServer', 'toClient');
    const expired = await bench().until('leaseLost');
    expect(expired).to.include({ attempt: 1 });
    expect(begun[0]?.signal.reason).to.include({ code: 'LEASE_LOST' });
    // Far below the time after which the connection is given up.
    expect(abortedAt - (begun[0]?.at ?? 0)).to.be.within(ttrMs - 500, ttrMs + 10_000);
    await bench().start();
    // A server that hears nothing from the holder may overlook that the TTR has passed: see protocol-notes.
    proxy.resume();
    await bench().until('messageFinished');
    await worker.stop();
    await run;
    expect(begun.map(({ attempt }) => attempt)).to.deep.equal([1, 2]);
    expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
  });
});
