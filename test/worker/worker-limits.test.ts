import { expect } from 'chai';
import { type SinonStub, stub } from 'sinon';
import { defineMessage } from '../../src/queue/message.js';
import { useFakeClock } from '../support/clock.js';
import { deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('A worker stops by itself', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();

  function reason(): unknown {
    return harness()
      .events('workerStopping')
      .map((event) => event.reason);
  }

  for (const concurrency of [1, 5]) {
    it(`after exactly maxMessages, ${concurrency} at once`, async () => {
      harness().signals.connect(SendMail, () => Promise.resolve());
      const reservations = Array.from({ length: 20 }, () => harness().deliver());
      await harness().worker({ concurrency, maxMessages: 7 }).run();
      expect(reservations.filter(({ settlement }) => settlement)).to.have.length(7);
      expect(harness().driver.log.filter((entry) => entry === 'reserve')).to.have.length(7);
      expect(reason()).to.deep.equal(['maxMessages']);
    });
  }

  it('after maxMessages, whatever became of them', async () => {
    harness().signals.connect(SendMail, () => Promise.reject(new Error('no')));
    harness().deliver({}, { attempt: 1 });
    harness().deliver({}, { attempt: 5 });
    harness().deliver({ type: 'unknown' });
    await harness().worker({ maxMessages: 3 }).run();
    expect(harness().events('workerStopped')[0]).to.include({ finished: 0, failed: 2 });
  });

  it('after maxMessages, not counting reserves that have failed or brought nothing', async () => {
    const { driver, signals } = harness();
    signals.connect(SendMail, () => {});
    driver.failReserve(new Error('no engine'));
    const stopped = harness().worker({ maxMessages: 2, concurrency: 3 }).run();
    await clock.tickAsync(1000);
    await driver.untilWaiting(2);
    harness().deliver();
    harness().deliver();
    await stopped;
    expect(harness().events('workerStopped')[0]).to.include({ finished: 2 });
  });

  it('when its time is over, and lets the slots that run finish', async () => {
    const work = deferred();
    harness().signals.connect(SendMail, () => work.promise);
    const reservation = harness().deliver();
    const stopped = harness().worker({ timeLimit: '1h', concurrency: 2 }).run();
    await clock.tickAsync(3_599_999);
    expect(reason()).to.deep.equal([]);
    await clock.tickAsync(1);
    expect(reason()).to.deep.equal(['timeLimit']);
    expect(harness().driver.waiting).to.equal(0);
    work.resolve();
    await stopped;
    expect(reservation.settlement).to.deep.equal(['ack']);
    expect(clock.pending).to.equal(0);
  });

  describe('when its process is too large', () => {
    let rss: SinonStub;

    beforeEach(() => {
      rss = stub(process.memoryUsage, 'rss').returns(100);
    });

    afterEach(() => rss.restore());

    it('which it sees before it begins the next message', async () => {
      harness().signals.connect(SendMail, () => {
        rss.returns(101);
      });
      const [first, second] = [harness().deliver(), harness().deliver()];
      await harness().worker({ memoryLimit: 100 }).run();
      expect(reason()).to.deep.equal(['memoryLimit']);
      expect([first.settlement, second.settlement]).to.deep.equal([['ack'], undefined]);
      expect(harness().driver.log.filter((entry) => entry === 'reserve')).to.have.length(1);
    });

    it('and gives back a message that arrives then', async () => {
      let calls = 0;
      harness().signals.connect(SendMail, () => calls++);
      const stopped = harness().worker({ memoryLimit: 100 }).run();
      await harness().driver.untilWaiting(1);
      rss.returns(101);
      const reservation = harness().deliver();
      await stopped;
      expect([calls, reservation.settlement]).to.deep.equal([0, ['release', { delayMs: 0 }]]);
    });

    it('also while no message comes', async () => {
      const stopped = harness().worker({ memoryLimit: 100, concurrency: 2 }).run();
      await harness().driver.untilWaiting(2);
      await clock.tickAsync(5000);
      expect(reason()).to.deep.equal([]);
      rss.returns(101);
      await clock.tickAsync(1000);
      await stopped;
      expect(reason()).to.deep.equal(['memoryLimit']);
      expect(clock.pending).to.equal(0);
    });
  });

  for (const failureLimit of [1, 3]) {
    it(`after exactly ${failureLimit} burials, one at a time: the next message is not even reserved`, async () => {
      const reservations = Array.from({ length: 5 }, () => harness().deliver({ type: 'unknown' }));
      await harness().worker({ failureLimit }).run();
      expect(reservations.filter(({ settlement }) => settlement?.[0] === 'bury')).to.have.length(failureLimit);
      expect(harness().driver.log.filter((entry) => entry === 'reserve')).to.have.length(failureLimit);
      expect(reason()).to.deep.equal(['failureLimit']);
    });
  }

  it('after failureLimit burials and at most those of the messages that are worked on meanwhile', async () => {
    let begun = 0;
    const work = deferred();
    harness().signals.connect(SendMail, () => {
      begun++;
      return work.promise;
    });
    const answer = deferred();
    for (let n = 0; n < 3; n++) harness().deliver({}, { attempt: 5 }).answer = () => answer.promise;
    const stopped = harness().worker({ failureLimit: 1, concurrency: 5 }).run();
    await harness().driver.untilWaiting(2);
    work.reject(new Error('no'));
    await clock.tickAsync(0);
    // While nobody knows whether the limit is reached.
    const late = [harness().deliver(), harness().deliver()];
    await clock.tickAsync(0);
    expect(late.map(({ settlement }) => settlement)).to.deep.equal([undefined, undefined]);
    answer.resolve();
    await stopped;
    expect(begun).to.equal(3);
    expect(late.map(({ settlement }) => settlement)).to.deep.equal([
      ['release', { delayMs: 0 }],
      ['release', { delayMs: 0 }],
    ]);
    expect(harness().events('workerStopped')[0]).to.include({ failed: 3 });
  });

  it('not after a burial that has failed: the next message is begun then', async () => {
    const reservation = harness().deliver({ type: 'unknown' });
    reservation.answer = () => Promise.reject(new Error('connection lost'));
    harness().deliver({ type: 'unknown' });
    await harness().worker({ failureLimit: 1 }).run();
    expect(harness().events('workerStopped')[0]).to.include({ failed: 1 });
    expect(harness().events('workerError')).to.have.length(1);
  });

  it('after failureLimit burials, not counting retries', async () => {
    harness().signals.connect(SendMail, () => Promise.reject(new Error('no')));
    for (const attempt of [1, 5, 1, 5, 1]) harness().deliver({}, { attempt });
    await harness().worker({ failureLimit: 2, backoff: 0 }).run();
    expect(reason()).to.deep.equal(['failureLimit']);
    expect(harness().events('workerStopped')[0]).to.include({ failed: 2 });
  });

  it('with one reason, though it reaches several limits', async () => {
    harness().deliver();
    await harness().worker({ failureLimit: 1, maxMessages: 1, timeLimit: '1s' }).run();
    expect(reason()).to.have.length(1);
    await clock.tickAsync(5000);
    expect(reason()).to.have.length(1);
  });
});
