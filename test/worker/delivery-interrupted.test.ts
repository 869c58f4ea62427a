import { expect } from 'chai';
import { LeaseLostError, SlotTimeoutError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import type { SlotContext } from '../../src/signals/signals.js';
import { useFakeClock } from '../support/clock.js';
import { type Deferred, deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('A slot that runs', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();
  let context: SlotContext;
  let work: Deferred<void>;
  let started: Deferred<void>;

  beforeEach(() => {
    work = deferred();
    started = deferred();
    harness().signals.connect(SendMail, (_message, given) => {
      context = given;
      started.resolve();
      return work.promise;
    });
  });

  it('keeps the lease of its message, however long it runs', async () => {
    const reservation = harness().deliver({}, { ttrMs: 10_000 });
    harness().start();
    await started.promise;
    await clock.tickAsync(100_000);
    expect(reservation.touches).to.equal(25);
    expect(reservation.settlement).to.equal(undefined);
    work.resolve();
    expect(await harness().next('messageFinished')).to.include({ durationMs: 100_000 });
    await clock.tickAsync(100_000);
    expect(reservation.touches).to.equal(25);
  });

  it('is told of a renewal that failed otherwise by nobody but workerError, and goes on', async () => {
    const reservation = harness().deliver({}, { ttrMs: 10_000 });
    harness().start();
    await started.promise;
    const error = new Error('no answer');
    reservation.answer = () => Promise.reject(error);
    await clock.tickAsync(4000);
    expect(harness().events('workerError')).to.deep.equal([{ error }]);
    expect(context.signal.aborted).to.equal(false);
    reservation.answer = async () => {};
    work.resolve();
    await harness().next('messageFinished');
  });

  describe('when the lease is lost', () => {
    it('has its signal aborted, and what becomes of it is not applied', async () => {
      const reservation = harness().deliver({}, { jobId: '7', attempt: 2 });
      harness().start();
      await started.promise;
      const { signal } = context;
      expect(signal.aborted).to.equal(false);
      const expired = harness().next('leaseLost');
      reservation.loseLease();
      expect(signal.aborted).to.equal(true);
      expect(signal.reason).to.be.instanceOf(LeaseLostError);
      const { message, ...event } = await expired;
      expect(event).to.deep.equal({ queue: 'mail', jobId: '7', attempt: 2 });
      expect(message.id).to.equal('m1');
      work.resolve();
      await clock.tickAsync(60_000);
      expect(harness().driver.log).to.deep.equal(['reserve', 'reserve']);
      expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted', 'leaseLost']);
    });

    it('is told by the renewal that fails', async () => {
      const reservation = harness().deliver({}, { ttrMs: 10_000 });
      harness().start();
      await started.promise;
      reservation.loseLease({ tell: false });
      const expired = harness().next('leaseLost');
      await clock.tickAsync(4000);
      await expired;
      expect(context.signal.reason).to.be.instanceOf(LeaseLostError);
      expect(harness().events('workerError')).to.deep.equal([]);
    });

    it('may fail as it likes: that is no failure of the message', async () => {
      const reservation = harness().deliver({}, { attempt: 5 });
      harness().start({ attempts: 5 });
      await started.promise;
      const expired = harness().next('leaseLost');
      reservation.loseLease();
      work.reject(new Error('aborted'));
      await expired;
      expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted', 'leaseLost']);
    });

    it('has its signal aborted also when it asks for it only then', async () => {
      const reservation = harness().deliver();
      harness().start();
      await started.promise;
      reservation.loseLease();
      expect(context.signal.aborted).to.equal(true);
      await harness().next('leaseLost');
    });

    it('makes room for the next message, though it never asked for its signal', async () => {
      const reservation = harness().deliver();
      const { signals } = harness();
      signals.connect(defineMessage('next'), () => {});
      const next = harness().deliver({ type: 'next' });
      harness().start();
      await started.promise;
      const finished = harness().next('messageFinished');
      reservation.loseLease();
      await clock.tickAsync(50);
      await finished;
      expect(next.settlement).to.deep.equal(['ack']);
    });
  });

  it('has its message reported as lost when the loss shows only as it is acknowledged', async () => {
    const reservation = harness().deliver();
    harness().start();
    await started.promise;
    reservation.loseLease({ tell: false });
    work.resolve();
    await harness().next('leaseLost');
    expect(reservation.settlement).to.equal(undefined);
    expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted', 'leaseLost']);
  });

  it('has its message reported as lost when the loss shows only as it is released or buried', async () => {
    for (const attempt of [1, 5]) {
      const reservation = harness().deliver({}, { attempt });
      if (attempt === 1) harness().start();
      await started.promise;
      reservation.loseLease({ tell: false });
      started = deferred();
      const expired = harness().next('leaseLost');
      work.reject(new Error('no'));
      await expired;
      work = deferred();
    }
    expect(harness().emitted).to.deep.equal([
      'workerStarted',
      'messageStarted',
      'leaseLost',
      'messageStarted',
      'leaseLost',
    ]);
  });

  it('is not applied to a message whose lease was over before', async () => {
    const reservation = harness().deliver();
    reservation.loseLease();
    harness().start();
    await started.promise;
    const expired = harness().next('leaseLost');
    await clock.tickAsync(50);
    await expired;
    expect(harness().driver.log.filter((entry) => entry !== 'reserve')).to.deep.equal([]);
  });

  describe('with slotTimeout', () => {
    it('has its signal aborted when it takes longer, which is a failed attempt', async () => {
      const reservation = harness().deliver({}, { attempt: 2 });
      harness().start({ slotTimeout: '3s', backoff: 70 });
      await started.promise;
      await clock.tickAsync(2999);
      expect(context.signal.aborted).to.equal(false);
      const released = harness().next('messageReleased');
      await clock.tickAsync(1);
      expect(context.signal.reason).to.be.instanceOf(SlotTimeoutError);
      const { error, ...event } = await released;
      expect(event).to.include({ attempt: 2, delayMs: 70 });
      expect(error).to.equal(context.signal.reason);
      expect((error as Error).message).to.equal('cannot finish the message: its slots took longer than 3000 ms');
      expect(reservation.settlement).to.deep.equal(['release', { delayMs: 70 }]);
    });

    it('has its message buried when that was the last attempt', async () => {
      harness().deliver({}, { attempt: 5 });
      harness().start({ slotTimeout: 10 });
      await started.promise;
      const failed = harness().next('messageFailed');
      await clock.tickAsync(10);
      expect((await failed).error).to.include({ code: 'SLOT_TIMEOUT' });
    });

    it('is not called when the slots before it took too long', async () => {
      const { signals } = harness();
      signals.connect(SendMail, () => expect.fail('called after the timeout'));
      harness().deliver();
      harness().start({ slotTimeout: 10 });
      await started.promise;
      await clock.tickAsync(10);
      work.resolve();
      await clock.tickAsync(1000);
      expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted', 'messageReleased']);
    });

    it('leaves nothing behind when it is done in time', async () => {
      harness().deliver();
      harness().start({ slotTimeout: '1h' });
      await started.promise;
      work.resolve();
      await harness().next('messageFinished');
      expect(context.signal.aborted).to.equal(false);
      // One for all messages, at its next turn none.
      expect(clock.pending).to.equal(1);
      await clock.tickAsync(3_600_000);
      expect(clock.pending).to.equal(0);
    });
  });
});

describe('A check of the data that does not end', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();
  let check: Deferred<{ readonly value: unknown }>;
  let checking: Deferred<void>;
  let calls: number;

  beforeEach(() => {
    check = deferred();
    checking = deferred();
    calls = 0;
    const validate = () => {
      checking.resolve();
      return check.promise;
    };
    const Checked = defineMessage('mail.send', { '~standard': { version: 1, vendor: 'test', validate } });
    harness().signals.connect(Checked, () => calls++);
  });

  /** The check ends after all, when nobody waits for it any more. */
  async function endCheck(): Promise<void> {
    const { emitted } = harness();
    const settlements = (): string[] => harness().driver.log.filter((entry) => entry !== 'reserve');
    const before = settlements();
    check.resolve({ value: 1 });
    await clock.tickAsync(1000);
    expect(settlements()).to.deep.equal(before);
    expect(harness().emitted).to.deep.equal(emitted);
    expect(calls).to.equal(0);
  }

  it('is a failed attempt when slotTimeout is over', async () => {
    const reservation = harness().deliver();
    harness().start({ slotTimeout: '3s', backoff: 70 });
    await checking.promise;
    const released = harness().next('messageReleased');
    await clock.tickAsync(3000);
    expect((await released).error).to.be.instanceOf(SlotTimeoutError);
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 70 }]);
    await endCheck();
  });

  it('does not cost the lease, which is renewed', async () => {
    const reservation = harness().deliver({}, { ttrMs: 10_000 });
    harness().start();
    await checking.promise;
    await clock.tickAsync(100_000);
    expect(reservation.touches).to.equal(25);
  });

  it('ends when the lease is lost', async () => {
    const reservation = harness().deliver();
    harness().start();
    await checking.promise;
    await clock.tickAsync(50);
    const expired = harness().next('leaseLost');
    reservation.loseLease();
    await expired;
    await endCheck();
    expect(reservation.settlement).to.equal(undefined);
  });

  it('ends when the worker must stop', async () => {
    const reservation = harness().deliver();
    const worker = harness().start();
    await checking.promise;
    const stopped = worker.stop({ grace: '1s' });
    await clock.tickAsync(1000);
    await stopped;
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 0 }]);
    await endCheck();
  });
});
