import { expect } from 'chai';
import type { QueueStats } from '../../src/queue/driver.js';
import { RetryLaterError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import type { WorkerOptions } from '../../src/worker/options.js';
import { useFakeClock } from '../support/clock.js';
import { type Deferred, deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('A worker with untilEmpty', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();
  let work: Deferred<void>;
  let isStopped: boolean;

  beforeEach(() => {
    work = deferred();
    harness().signals.connect(SendMail, () => work.promise);
    counts({});
  });

  function counts(some: Partial<QueueStats>): void {
    harness().driver.counts = { ready: 0, delayed: 0, reserved: 0, buried: 0, pausedUntil: null, ...some };
  }

  function start(options: WorkerOptions = {}, queues = [harness().queue]): void {
    isStopped = false;
    void harness()
      .worker({ untilEmpty: true, ...options }, queues)
      .run()
      .then(() => {
        isStopped = true;
      });
  }

  function asked(): unknown[] {
    return harness().driver.calls.filter(([method]) => method === 'stats');
  }

  it('stops when nothing is ready, for that reason', async () => {
    counts({ delayed: 5, buried: 5 });
    start({ concurrency: 3 });
    await clock.tickAsync(200);
    expect(isStopped).to.equal(true);
    expect(harness().events('workerStopping')).to.deep.equal([{ queues: ['mail'], reason: 'untilEmpty' }]);
    expect(asked()).to.deep.equal([['stats', ['mail']]]);
    expect(clock.pending).to.equal(0);
  });

  it('waits some seconds for a message that is reserved, which may be on its way to it', async () => {
    counts({ reserved: 1 });
    start();
    await clock.tickAsync(4000);
    expect(isStopped).to.equal(false);
    const message = harness().deliver();
    work.resolve();
    await clock.tickAsync(0);
    counts({});
    await clock.tickAsync(1000);
    expect([isStopped, message.settlement?.[0]]).to.deep.equal([true, 'ack']);
  });

  it('waits no longer for messages that other workers hold', async () => {
    counts({ reserved: 5 });
    start({ concurrency: 3 });
    await clock.tickAsync(5000);
    expect(isStopped).to.equal(false);
    await clock.tickAsync(2000);
    expect(isStopped).to.equal(true);
    expect(clock.pending).to.equal(0);
  });

  it('stops where there is no such queue', async () => {
    harness().driver.counts = null;
    start();
    await clock.tickAsync(200);
    expect(isStopped).to.equal(true);
  });

  it('works off what there is, and asks only when it has nothing to do', async () => {
    work.resolve();
    const messages = Array.from({ length: 20 }, () => harness().deliver());
    start({ concurrency: 3 });
    await clock.tickAsync(200);
    expect(isStopped).to.equal(true);
    expect(messages.every(({ settlement }) => settlement?.[0] === 'ack')).to.equal(true);
    expect(asked()).to.have.length(1);
  });

  it('does not stop while a slot runs, nor while a settlement is not answered', async () => {
    const answer = deferred();
    harness().deliver().answer = () => answer.promise;
    start({ concurrency: 3 });
    await clock.tickAsync(60_000);
    work.resolve();
    await clock.tickAsync(60_000);
    expect([isStopped, asked()]).to.deep.equal([false, []]);
    answer.resolve();
    await clock.tickAsync(200);
    expect(isStopped).to.equal(true);
  });

  it('waits while one of its queues has ready messages, as when it is paused', async () => {
    const { driver, queue } = harness();
    driver.stats = async (queues) => {
      driver.calls.push(['stats', queues]);
      return queues.map((name) => ({ ...(driver.counts as QueueStats), ready: name === 'mail' ? 0 : ready }));
    };
    let ready = 1;
    start({}, [queue, new Queue(driver, 'other')]);
    await clock.tickAsync(10_500);
    expect([isStopped, asked().length]).to.deep.equal([false, 11]);
    ready = 0;
    await clock.tickAsync(1000);
    expect(isStopped).to.equal(true);
  });

  it('works on a message that comes while it asks', async () => {
    const { driver } = harness();
    const answer = deferred();
    const stats = driver.stats.bind(driver);
    driver.stats = async (queues) => {
      await answer.promise;
      return stats(queues);
    };
    work.resolve();
    start();
    await driver.untilWaiting(1);
    const message = harness().deliver();
    answer.resolve();
    await clock.tickAsync(200);
    expect([isStopped, message.settlement]).to.deep.equal([true, ['ack']]);
  });

  describe('of which a message has failed', () => {
    beforeEach(() => {
      counts({ delayed: 1 });
      harness().deliver();
    });

    it('waits until it has come back and is done', async () => {
      work.reject(new Error('no'));
      start({ backoff: '10s' });
      await clock.tickAsync(10_000);
      expect(isStopped).to.equal(false);
      counts({});
      const again = harness().deliver({}, { attempt: 5 });
      await clock.tickAsync(2200);
      expect([again.settlement?.[0], isStopped]).to.deep.equal(['bury', true]);
    });

    it('waits no longer when somebody else has taken it', async () => {
      work.reject(new Error('no'));
      start({ backoff: '1h' });
      await clock.tickAsync(5000);
      expect(isStopped).to.equal(false);
      counts({});
      await clock.tickAsync(1200);
      expect(isStopped).to.equal(true);
    });

    it('waits no longer than its delay, where others are delayed', async () => {
      work.reject(new Error('no'));
      start({ backoff: '10s' });
      await clock.tickAsync(13_000);
      expect(isStopped).to.equal(true);
    });

    it('does not wait for it when it is to be tried later', async () => {
      work.reject(new RetryLaterError('rate limited', { delay: '10s' }));
      start();
      await clock.tickAsync(200);
      expect(isStopped).to.equal(true);
    });
  });

  it('waits for an engine that cannot be asked', async () => {
    const { driver } = harness();
    const error = new Error('connection lost');
    const stats = driver.stats.bind(driver);
    driver.stats = () => Promise.reject(error);
    start();
    await clock.tickAsync(5000);
    expect(isStopped).to.equal(false);
    expect(harness().events('workerError')[0]).to.deep.equal({ error });
    driver.stats = stats;
    await clock.tickAsync(10_000);
    expect(isStopped).to.equal(true);
  });

  it('stops also by itself for other reasons', async () => {
    counts({ ready: 1 });
    start({ timeLimit: '10s' });
    await clock.tickAsync(10_200);
    expect(harness().events('workerStopping')[0]).to.include({ reason: 'timeLimit' });
    expect(clock.pending).to.equal(0);
  });
});
