import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import type { SlotContext } from '../src/signals/signals.js';
import { countsOf } from '../test/support/counts.js';
import { ENGINES } from './support/engines.js';
import { until } from './support/until.js';
import { onWorkerBench } from './support/workers.js';

const Work = defineMessage<string>('work');
const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

for (const [name, onEngine] of Object.entries(ENGINES)) {
  describe(`A worker on ${name}`, () => {
    const { bench } = onWorkerBench(onEngine);

    it('retries a message whose slot fails after the configured backoff, and buries it after the attempts', async () => {
      const { queue, signals } = bench();
      const calls: { attempt: number | undefined; at: number }[] = [];
      const error = new Error('the mail server is down');
      signals.connect(Work, (_message, { attempt }) => {
        calls.push({ attempt, at: performance.now() });
        throw error;
      });
      await bench().start({ attempts: 3, backoff: { initial: '1s', factor: 2, jitter: 'none' } });
      const id = await queue.publish(Work, 'a');
      const failed = await bench().until('messageFailed');
      expect(failed).to.include({ queue: queue.name, jobId: id, attempt: 3, reason: 'attempts', error });
      expect(failed.message).to.include({ type: 'work', data: 'a' });
      expect(calls.map(({ attempt }) => attempt)).to.deep.equal([1, 2, 3]);
      const [first = 0, second = 0, third = 0] = calls.map(({ at }) => at);
      expect(second - first).to.be.at.least(950);
      expect(third - second).to.be.at.least(1950);
      expect(
        bench()
          .events('messageReleased')
          .map((event) => [event.attempt, event.delayMs, event.error]),
      ).to.deep.equal([
        [1, 1000, error],
        [2, 2000, error],
      ]);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, buried: 1 });
      const { messages } = await queue.list({ state: 'buried', limit: 1 });
      expect(messages[0]?.jobId).to.equal(id);
    });

    it('gives a message that is retried a fresh budget', async () => {
      const { queue, signals } = bench();
      const attempts: (number | undefined)[] = [];
      signals.connect(Work, (_message, { attempt }) => {
        attempts.push(attempt);
        throw new Error('no');
      });
      await bench().start({ attempts: 3, backoff: 0 });
      await queue.publish(Work, 'a');
      await bench().until('messageFailed');
      expect(await queue.retry({ limit: 1 })).to.equal(1);
      await bench().until('messageFailed', 2);
      expect(attempts).to.deep.equal([1, 2, 3, 1, 2, 3]);
    });

    it('succeeds with a message that had failed before', async () => {
      const { queue, signals } = bench();
      signals.connect(Work, (_message, { attempt = 0 }) => {
        if (attempt < 3) throw new Error('not yet');
      });
      await bench().start({ backoff: 0 });
      await queue.publish(Work, 'a');
      expect(await bench().until('messageFinished')).to.include({ attempt: 3 });
      expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
    });

    it('buries what it cannot read and what no slot is connected for, and goes on', async () => {
      const { queue, signals } = bench();
      signals.connect(Work, () => {});
      const options = { priority: 0, delayMs: 0, ttrMs: 60_000 };
      const body = Buffer.from([0, 255, 13, 10]);
      const { stored } = await queue.driver.put([{ queue: queue.name, body, options }]);
      const unreadable = stored[0]?.jobId;
      const unknown = await queue.publish(defineMessage('unknown'), 1);
      await queue.publish(Work, 'a');
      await bench().start();
      const [first, second] = [await bench().until('messageFailed'), await bench().until('messageFailed', 2)];
      expect(first).to.include({ jobId: unreadable, reason: 'undecodable', message: undefined });
      expect(first.body).to.deep.equal(Buffer.from([0, 255, 13, 10]));
      expect(second).to.include({ jobId: unknown, reason: 'unhandled' });
      expect((await bench().until('messageFinished')).message.data).to.equal('a');
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, buried: 2 });
    });

    it('buries a message that was delivered as often as allowed, as after crashes', async () => {
      const { queue, signals } = bench();
      signals.connect(Work, () => expect.fail('it would crash once more'));
      const id = await queue.publish(Work, 'a');
      const consumer = await queue.driver.consume([queue.name]);
      for (let delivery = 0; delivery < 3; delivery++) {
        const [message] = await consumer.reserve({ timeoutMs: 60_000 });
        if (message?.jobId !== id) expect.fail('it is delivered');
        await consumer.settle([{ kind: 'release', message }]);
      }
      await consumer.close();
      await bench().start({ attempts: 3 });
      expect(await bench().until('messageFailed')).to.include({ jobId: id, attempt: 4, reason: 'attempts' });
    });

    it('keeps the leases of slots that run for several TTRs: each message is handled once', async () => {
      const { queue, signals } = bench();
      const handled: string[] = [];
      signals.connect(Work, async ({ data }, { signal }) => {
        await sleep(5000, undefined, { signal });
        handled.push(data);
      });
      // Two workers: what the one lost, the other would take.
      for (let n = 0; n < 2; n++) await bench().start({ concurrency: 2 });
      await queue.publish(Work, 'a', { ttr: '2s' });
      await queue.publish(Work, 'b', { ttr: '3s' });
      await bench().until('messageFinished', 2);
      expect(handled.sort()).to.deep.equal(['a', 'b']);
      expect(bench().events('leaseLost')).to.deep.equal([]);
      expect(bench().events('workerError')).to.deep.equal([]);
      expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
    });

    it('lets slots finish when it is stopped, and takes nothing more', async () => {
      const { queue, signals } = bench();
      const running: (() => void)[] = [];
      signals.connect(Work, () => new Promise<void>((finish) => running.push(finish)));
      const { worker, run } = await bench().start({ concurrency: 3 });
      await queue.publishMany(
        Work,
        Array.from({ length: 10 }, () => 'a'),
      );
      await until('three slots run', async () => running.length === 3);
      const stopping = worker.stop();
      for (const finish of running) finish();
      await stopping;
      await run;
      expect(bench().events('messageFinished')).to.have.length(3);
      expect(bench().events('workerStopped')).to.deep.equal([{ queues: [queue.name], finished: 3, failed: 0 }]);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 7 });
    });

    it('costs no message an attempt when it is stopped in full run', async () => {
      const { queue, signals } = bench();
      let handled = 0;
      let onHandled = (): void => {};
      signals.connect(Work, () => {
        handled++;
        onHandled();
      });
      for (let round = 1; round <= 5; round++) {
        const goal = round * 400;
        await queue.publishMany(
          Work,
          Array.from({ length: 400 }, () => 'a'),
        );
        // With one attempt a message is buried unseen when it comes again.
        const { worker, run } = await bench().start({ concurrency: 10, attempts: 1 });
        await new Promise<void>((resolve) => {
          onHandled = () => handled >= goal - 200 && resolve();
        });
        await worker.stop();
        await run;
        expect(handled).to.be.below(goal);
        const heir = await bench().start({ concurrency: 10, attempts: 1 });
        await until('all are handled', async () => handled === goal || bench().events('messageFailed').length > 0);
        await heir.worker.stop();
        expect(bench().events('messageFailed')).to.deep.equal([]);
      }
      expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
    });

    it('gives back at once what is not finished when the grace is over', async () => {
      const { queue, signals } = bench();
      const contexts: SlotContext[] = [];
      signals.connect(Work, (_message, context) => {
        contexts.push(context);
        return new Promise(() => {});
      });
      const { worker } = await bench().start({ concurrency: 3 });
      await queue.publishMany(Work, ['a', 'b', 'c']);
      await until('three slots run', async () => contexts.length === 3);
      const start = performance.now();
      await worker.stop({ grace: 100 });
      expect(performance.now() - start).to.be.at.least(90);
      expect(contexts.map(({ signal }) => signal.aborted)).to.deep.equal([true, true, true]);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 3 });
      expect(bench().events('messageReleased')).to.have.length(3);
    });
  });
}
