import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { InvalidOptionError, UnsupportedError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import type { SlotContext } from '../../src/signals/signals.js';
import type { Worker } from '../../src/worker/worker.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import type { FakeMessage } from '../support/fake-driver.js';
import { type Deferred, deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('Stopping a worker', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();
  let context: SlotContext;
  let calls: number;
  let work: Deferred<void>;
  let started: Deferred<void>;

  beforeEach(() => {
    work = deferred();
    started = deferred();
    calls = 0;
    harness().signals.connect(SendMail, (_message, given) => {
      calls++;
      context = given;
      started.resolve();
      return work.promise;
    });
  });

  async function isPending(promise: Promise<unknown>): Promise<boolean> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    await clock.tickAsync(0);
    return !settled;
  }

  it('ends the reserves that wait, and is done when nothing runs', async () => {
    const worker = harness().start({ concurrency: 3 });
    await harness().driver.untilWaiting(3);
    await clock.tickAsync(100);
    await worker.stop();
    expect(harness().driver.waiting).to.equal(0);
    expect(harness().emitted).to.deep.equal(['workerStarted', 'workerStopping', 'workerStopped']);
    expect(harness().events('workerStopping')[0]).to.deep.equal({ queues: ['mail'], reason: 'stop' });
    expect(harness().driver.calls.at(-1)).to.deep.equal(['closeConsumer']);
    expect(clock.pending).to.equal(0);
  });

  it('lets reserves of the last moments be answered: given up they would cost the message an attempt', async () => {
    const { driver } = harness();
    const worker = harness().start({ concurrency: 2 });
    await driver.untilWaiting(2);
    await clock.tickAsync(30);
    const stopped = worker.stop();
    await clock.tickAsync(69);
    expect(driver.waiting).to.equal(2);
    const reservation = harness().deliver();
    await started.promise;
    await clock.tickAsync(1);
    expect(driver.waiting).to.equal(0);
    expect(await isPending(stopped)).to.equal(true);
    work.resolve();
    await stopped;
    expect(reservation.settlement).to.deep.equal(['ack']);
    expect(driver.log.filter((entry) => entry === 'reserve')).to.have.length(2);
    expect(clock.pending).to.equal(0);
  });

  it('gives them up at once when there is no grace', async () => {
    const worker = harness().start();
    await harness().driver.untilWaiting(1);
    await worker.stop({ grace: 0 });
    expect(harness().driver.waiting).to.equal(0);
  });

  it('lets slots that run finish, and reserves nothing more', async () => {
    const reservation = harness().deliver();
    const worker = harness().worker({ grace: '5s' });
    const run = worker.run();
    await started.promise;
    const stopped = worker.stop();
    await clock.tickAsync(4999);
    expect(context.signal.aborted).to.equal(false);
    expect(await isPending(stopped)).to.equal(true);
    work.resolve();
    await Promise.all([run, stopped]);
    expect(reservation.settlement).to.deep.equal(['ack']);
    expect(harness().driver.log.filter((entry) => entry === 'reserve')).to.have.length(1);
    expect(harness().events('workerStopped')[0]).to.include({ finished: 1 });
    expect(clock.pending).to.equal(0);
  });

  it('closes its connections only when the engine has answered the settlements', async () => {
    const answer = deferred();
    harness().deliver().answer = () => answer.promise;
    const worker = harness().start();
    await started.promise;
    const stopped = worker.stop();
    work.resolve();
    await clock.tickAsync(1000);
    expect(harness().driver.calls.map(([method]) => method)).to.deep.equal(['consume']);
    answer.resolve();
    await stopped;
    expect(harness().emitted.slice(-2)).to.deep.equal(['messageFinished', 'workerStopped']);
  });

  it('retries a message whose slot fails in that time as ever', async () => {
    const reservation = harness().deliver();
    const worker = harness().start({ backoff: 70 });
    await started.promise;
    const stopped = worker.stop();
    work.reject(new Error('no'));
    await stopped;
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 70 }]);
  });

  it('keeps the leases of slots that run', async () => {
    const reservation = harness().deliver({}, { ttrMs: 1000 });
    const worker = harness().start();
    await started.promise;
    const stopped = worker.stop();
    await clock.tickAsync(2000);
    expect(reservation.touches).to.equal(5);
    work.resolve();
    await stopped;
  });

  it('ends a slot when the grace is over: its signal aborts, its message is released at once', async () => {
    const reservation = harness().deliver({}, { attempt: 5 });
    const worker = harness().start({ attempts: 5 });
    await started.promise;
    const stopped = worker.stop({ grace: '2s' });
    await clock.tickAsync(1999);
    expect(reservation.settlement).to.equal(undefined);
    await clock.tickAsync(1);
    await stopped;
    expect(context.signal.aborted).to.equal(true);
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 0 }]);
    const [event] = harness().events('messageReleased');
    expect(event).to.include({ attempt: 5, delayMs: 0, error: context.signal.reason });
    expect(context.signal.reason).to.include({
      message: 'cannot finish the message: the worker was stopped before its slots had finished',
    });
    expect(clock.pending).to.equal(0);
  });

  it('waits no longer for a slot that does not heed its signal, nor for what it does later', async () => {
    const reservation = harness().deliver();
    const worker = harness().start();
    await started.promise;
    await worker.stop({ grace: 0 });
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 0 }]);
    work.resolve();
    await clock.tickAsync(1000);
    expect(harness().driver.log).to.deep.equal(['reserve', `release ${reservation.jobId}`]);
    expect(harness().emitted.at(-1)).to.equal('workerStopped');
  });

  it('can be hurried by a second stop', async () => {
    const reservation = harness().deliver();
    const worker = harness().start();
    await started.promise;
    const first = worker.stop({ grace: '1h' });
    await clock.tickAsync(1000);
    expect(await isPending(first)).to.equal(true);
    await worker.stop({ grace: 0 });
    await first;
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 0 }]);
    expect(harness().events('workerStopping')).to.have.length(1);
    expect(clock.pending).to.equal(0);
  });

  it('is not put off by a second stop with more grace', async () => {
    harness().deliver();
    const worker = harness().start();
    await started.promise;
    const first = worker.stop({ grace: '1s' });
    const second = worker.stop({ grace: '1h' });
    await clock.tickAsync(1000);
    await Promise.all([first, second]);
  });

  it("takes the worker's grace where none is given, which is ten seconds at first", async () => {
    for (const [options, graceMs] of [
      [{ grace: '3s' }, 3000],
      [{}, 10_000],
    ] as const) {
      started = deferred();
      harness().deliver();
      const worker = harness().start(options);
      await started.promise;
      const stopped = worker.stop();
      await clock.tickAsync(graceMs - 1);
      expect(await isPending(stopped)).to.equal(true);
      await clock.tickAsync(1);
      await stopped;
    }
  });

  it('refuses a grace that cannot be meant, and goes on', async () => {
    const worker = harness().start();
    for (const grace of [-1, 'soon', '30d']) await rejection(worker.stop({ grace }), InvalidOptionError);
    expect(harness().emitted).to.deep.equal(['workerStarted']);
  });

  it('before it runs lets `run` resolve at once, without an engine', async () => {
    const worker = harness().worker();
    harness().deliver();
    await worker.stop();
    expect(harness().emitted).to.deep.equal([]);
    await worker.run();
    await worker.stop();
    expect([harness().driver.log, harness().driver.calls]).to.deep.equal([[], []]);
    expect(harness().emitted).to.deep.equal(['workerStopping', 'workerStopped']);
    expect(harness().events('workerStopping')[0]).to.include({ reason: 'stop' });
  });

  it('does nothing to a worker that has stopped', async () => {
    const worker = harness().worker({ maxMessages: 1 });
    harness().deliver({ type: 'unknown' });
    await worker.run();
    const { emitted } = harness();
    await worker.stop();
    expect(harness().emitted).to.deep.equal(emitted);
  });

  it('begins no work when the engine was still to be reached, and closes what it has been given', async () => {
    const { driver } = harness();
    const gate = deferred();
    const consume = driver.consume.bind(driver);
    driver.consume = async (...args) => {
      await gate.promise;
      return consume(...args);
    };
    const worker = harness().start();
    const stopped = worker.stop();
    gate.resolve();
    await stopped;
    expect(driver.calls.map(([method]) => method)).to.deep.equal(['consume', 'closeConsumer']);
    expect(harness().emitted).to.deep.equal(['workerStopping', 'workerStopped']);
  });

  it('gives back a message that arrives too late', async () => {
    const { driver } = harness();
    driver.heedsAbort = false;
    const worker = harness().start();
    await driver.untilWaiting(1);
    const stopped = worker.stop();
    await clock.tickAsync(100);
    const reservation = harness().deliver();
    await stopped;
    expect(reservation.settlement?.[0]).to.equal('release');
    expect(calls).to.equal(0);
  });

  it('closes the connections when an engine does not answer', async () => {
    harness().driver.heedsAbort = false;
    const worker = harness().start({ grace: '1s' });
    await harness().driver.untilWaiting(1);
    const stopped = worker.stop();
    await clock.tickAsync(2999);
    expect(await isPending(stopped)).to.equal(true);
    await clock.tickAsync(1);
    await stopped;
    expect(clock.pending).to.equal(0);
  });

  describe('in a slot', () => {
    let worker: Worker;
    let stopped: Deferred<void>;

    beforeEach(() => {
      stopped = deferred();
    });

    async function stopIn(slot: (stop: () => Promise<void>) => unknown): Promise<FakeMessage> {
      const Stop = defineMessage('stop');
      harness().signals.connect(Stop, () => slot(() => worker.stop().then(() => stopped.resolve())));
      const reservation = harness().deliver({ type: 'stop' });
      worker = harness().worker({ grace: '1h' });
      await worker.run();
      return reservation;
    }

    it('resolves at once: the slot does not wait for itself', async () => {
      const reservation = await stopIn((stop) => stop());
      await stopped.promise;
      expect(reservation.settlement).to.deep.equal(['ack']);
      expect(harness().driver.log.filter((entry) => entry === 'reserve')).to.have.length(1);
    });

    it('resolves at once also behind awaits and calls of its own, beside other slots', async () => {
      harness().signals.connect('messageReceived', () => {});
      const step = async (stop: () => Promise<void>): Promise<void> => {
        await new Promise((resolve) => setImmediate(resolve));
        await Promise.all([stop()]);
      };
      const reservation = await stopIn(async (stop) => {
        await Promise.resolve();
        await step(stop);
      });
      expect(reservation.settlement).to.deep.equal(['ack']);
    });

    it('resolves at once in an asynchronous schema as well', async () => {
      const validate = async () => {
        await Promise.resolve();
        await worker.stop();
        return { value: 1 };
      };
      const Checked = defineMessage('checked', { '~standard': { version: 1, vendor: 'test', validate } });
      harness().signals.connect(Checked, () => {});
      const reservation = harness().deliver({ type: 'checked' });
      worker = harness().worker({ grace: '1h' });
      await worker.run();
      expect(reservation.settlement).to.deep.equal(['ack']);
    });

    it('resolves for others only when the slot has ended', async () => {
      harness().deliver();
      const other = harness().start();
      await started.promise;
      const waiting = other.stop();
      expect(await isPending(waiting)).to.equal(true);
      work.resolve();
      await waiting;
    });
  });

  it('does not reject when `run` does', async () => {
    harness().driver.consumeError = new UnsupportedError('not on this engine');
    const worker = harness().worker();
    const run = rejection(worker.run(), UnsupportedError);
    await worker.stop();
    await run;
  });

  it('refuses what is no option', async () => {
    const worker = harness().worker();
    const error = await rejection(worker.stop({ timeout: 5 } as object), InvalidOptionError);
    expect(error.message).to.equal('an option of stop must be grace, got "timeout"');
  });

  describe('by the signal of run', () => {
    it('refuses what is no AbortSignal, and has not begun then', async () => {
      const worker = harness().worker();
      for (const signal of [{ aborted: false, addEventListener: () => {} }, new EventTarget(), null]) {
        await rejection(worker.run({ signal: signal as AbortSignal }), InvalidOptionError);
      }
      await rejection(worker.run(new AbortController().signal as object), InvalidOptionError);
      expect(harness().emitted).to.deep.equal([]);
    });

    it('puts one listener on it for any number of workers', async () => {
      const controller = new AbortController();
      const runs = Array.from({ length: 30 }, () => harness().worker().run({ signal: controller.signal }));
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(1);
      controller.abort();
      await Promise.all(runs);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });

    it('is stopping with the grace of the worker', async () => {
      const controller = new AbortController();
      const reservation = harness().deliver();
      const run = harness().worker({ grace: '1s' }).run({ signal: controller.signal });
      await started.promise;
      controller.abort();
      expect(harness().events('workerStopping')).to.deep.equal([{ queues: ['mail'], reason: 'signal' }]);
      await clock.tickAsync(1000);
      await run;
      expect(reservation.settlement).to.deep.equal(['release', { delayMs: 0 }]);
    });

    it('takes nothing when it has aborted before', async () => {
      harness().deliver();
      await harness().worker().run({ signal: AbortSignal.abort() });
      expect([harness().driver.log, harness().driver.calls]).to.deep.equal([[], []]);
      expect(harness().emitted).to.deep.equal(['workerStopping', 'workerStopped']);
    });
  });
});
