import { expect } from 'chai';
import { defineMessage } from '../../src/queue/message.js';
import { useFakeClock } from '../support/clock.js';
import { useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('A worker whose engine fails', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();

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
    driver.failReserve(new Error('connection lost'));
    for (const longest of [200, 400, 800, 1600, 3200, 5000, 5000]) {
      driver.failReserve(new Error('connection lost'));
      const before = driver.log.length;
      let waitedMs = 0;
      for (; driver.log.length === before && waitedMs < 10_000; waitedMs += 10) await clock.tickAsync(10);
      expect(waitedMs).to.be.within(longest / 2, longest + 10);
    }
    expect(harness().events('workerError')).to.have.length(8);
    expect(harness().events('workerRecovered')).to.deep.equal([]);
  });

  it('tells when the engine is back, once and also while no message comes', async () => {
    const { driver } = harness();
    harness().start({ concurrency: 3 });
    await driver.untilWaiting(3);
    driver.failReserve(new Error('connection lost'));
    driver.failReserve(new Error('connection refused'));
    await clock.tickAsync(1000);
    await driver.untilWaiting(3);
    const recoveries = harness().events('workerRecovered');
    expect(recoveries).to.have.length(1);
    expect(recoveries[0]?.queues).to.deep.equal(['mail']);
    expect(recoveries[0]?.downMs).to.be.within(100, 1000);
    expect(harness().emitted).to.deep.equal(['workerStarted', 'workerError', 'workerError', 'workerRecovered']);
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
