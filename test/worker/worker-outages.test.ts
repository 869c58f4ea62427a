import { expect } from 'chai';
import { defineMessage } from '../../src/queue/message.js';
import { useFakeClock } from '../support/clock.js';
import { useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('A worker whose engine fails', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();

  function reserves(): number {
    return harness().driver.log.filter((entry) => entry === 'reserve').length;
  }

  it('reports it once, however many reserves fail, and tries all of them again', async () => {
    const { driver } = harness();
    harness().start({ concurrency: 5 });
    await driver.untilWaiting(5);
    const error = new Error('connection lost');
    driver.failReserve(error);
    await clock.tickAsync(99);
    expect(harness().events('workerError')).to.deep.equal([{ error }]);
    expect(driver.waiting).to.equal(0);
    await clock.tickAsync(101);
    expect(driver.waiting).to.equal(5);
  });

  it('reports it once a round while it lasts, and waits longer from round to round, up to five seconds', async () => {
    const { driver } = harness();
    harness().start();
    await driver.untilWaiting(1);
    for (const longest of [200, 400, 800, 1600, 3200, 5000, 5000]) {
      const before = reserves();
      driver.failReserve(new Error('connection lost'));
      await clock.tickAsync(longest / 2 - 1);
      expect(reserves()).to.equal(before);
      await clock.tickAsync(longest / 2 + 1);
      expect(reserves()).to.equal(before + 1);
    }
    expect(harness().events('workerError')).to.have.length(7);
  });

  it('works on when the engine is back, and begins anew with its patience', async () => {
    const { driver, signals } = harness();
    signals.connect(SendMail, () => {});
    harness().start();
    await driver.untilWaiting(1);
    for (let n = 0; n < 5; n++) {
      driver.failReserve(new Error('connection lost'));
      await clock.tickAsync(5000);
    }
    const reservation = harness().deliver();
    await harness().next('messageFinished');
    expect(reservation.settlement).to.deep.equal(['ack']);
    await driver.untilWaiting(1);
    driver.failReserve(new Error('and again'));
    await clock.tickAsync(200);
    expect(driver.waiting).to.equal(1);
  });

  it('goes on with messages that it holds', async () => {
    const { driver, signals } = harness();
    signals.connect(SendMail, () => {});
    harness().start({ concurrency: 2 });
    await driver.untilWaiting(2);
    harness().deliver();
    driver.failReserve(new Error('connection lost'));
    await harness().next('messageFinished');
  });

  it('waits for an engine that cannot be reached when it starts', async () => {
    const { driver, signals } = harness();
    signals.connect(SendMail, () => {});
    const error = new Error('connection refused');
    driver.consumeError = error;
    harness().start();
    await clock.tickAsync(600);
    expect(harness().events('workerError')).to.deep.include({ error });
    expect(harness().events('workerStarted')).to.deep.equal([]);
    driver.consumeError = undefined;
    harness().deliver();
    const finished = harness().next('messageFinished');
    await clock.tickAsync(5000);
    await finished;
    expect(harness().events('workerStarted')).to.have.length(1);
  });

  it('can be stopped while it waits for that', async () => {
    harness().driver.consumeError = new Error('connection refused');
    const worker = harness().start();
    await clock.tickAsync(0);
    await worker.stop();
    expect(harness().emitted).to.deep.equal(['workerError', 'workerStopping', 'workerStopped']);
    expect(harness().driver.calls).to.have.length(1);
    expect(clock.pending).to.equal(0);
  });

  it('can be stopped while it waits for the engine', async () => {
    const { driver } = harness();
    const worker = harness().start();
    await driver.untilWaiting(1);
    driver.failReserve(new Error('connection lost'));
    await clock.tickAsync(0);
    await worker.stop();
    expect(clock.pending).to.equal(0);
    expect(harness().emitted.at(-1)).to.equal('workerStopped');
  });
});
