import { expect } from 'chai';
import { LeaseLostError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import type { FakeMessage } from '../support/fake-driver.js';
import { deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');
const NO = new Error('no');

describe('A message whose attempts are not tracked', () => {
  const harness = useWorkerHarness();
  let attempts: (number | undefined)[];

  beforeEach(() => {
    attempts = [];
  });

  function connectSlot(slot: () => unknown): void {
    harness().signals.connect(SendMail, (_message, { attempt }) => {
      attempts.push(attempt);
      return slot();
    });
  }

  /** A message that is delivered for the nth time. */
  function untracked(attempt: number, type = 'mail.send'): FakeMessage {
    return harness().deliver({ type }, { jobId: '7', attempt, untracked: true });
  }

  it('is finished without a question: its slot sees no attempt', async () => {
    connectSlot(() => {});
    untracked(3);
    harness().start({ trackAttempts: false });
    expect(await harness().next('messageFinished')).to.include({ attempt: undefined });
    expect(attempts).to.deep.equal([undefined]);
    expect(harness().driver.log.slice(0, 2)).to.deep.equal(['reserve', 'ack 7']);
  });

  it('is asked about when its slot has failed, so that the backoff grows', async () => {
    connectSlot(() => Promise.reject(NO));
    const reservation = untracked(3);
    const backoff = { initial: 10, factor: 10, jitter: 'none' } as const;
    harness().start({ trackAttempts: false, backoff });
    expect(await harness().next('messageReleased')).to.include({ attempt: 3, delayMs: 1000 });
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 1000 }]);
    expect(harness().driver.log.slice(0, 3)).to.deep.equal(['reserve', 'track 7', 'release 7']);
  });

  for (const [attempt, outcome] of [
    [4, 'release'],
    [5, 'bury'],
    [9, 'bury'],
  ] as const) {
    it(`ends in ${outcome} when it fails at delivery ${attempt}`, async () => {
      connectSlot(() => Promise.reject(NO));
      const reservation = untracked(attempt);
      harness().start({ trackAttempts: false, attempts: 5, maxMessages: 1 });
      await harness().next('workerStopped');
      expect(reservation.settlement?.[0]).to.equal(outcome);
      expect(attempts).to.deep.equal([undefined]);
    });
  }

  it('is asked about when it is given back because nobody handles it', async () => {
    const options = { trackAttempts: false, unhandled: 'release', attempts: 3, backoff: 0, maxMessages: 2 } as const;
    const reservations = [untracked(2, 'unknown'), untracked(3, 'unknown')];
    await harness().worker(options).run();
    expect(reservations.map(({ settlement }) => settlement?.[0])).to.deep.equal(['release', 'bury']);
  });

  it('tells its attempt with every signal of a failure', async () => {
    harness().driver.deliver({ body: Buffer.from('no JSON'), attempt: 2, untracked: true });
    harness().start({ trackAttempts: false });
    expect(await harness().next('messageFailed')).to.include({ attempt: 2, reason: 'undecodable' });
  });

  it('is released when the worker must stop', async () => {
    const called = deferred();
    connectSlot(() => {
      called.resolve();
      return new Promise(() => {});
    });
    const reservation = untracked(2);
    const worker = harness().start({ trackAttempts: false });
    await called.promise;
    await worker.stop({ grace: 0 });
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 0 }]);
    expect(harness().events('messageReleased')[0]).to.include({ attempt: 2 });
  });

  it('is reported as lost when the question shows that its lease is lost', async () => {
    connectSlot(() => Promise.reject(NO));
    const reservation = untracked(2);
    reservation.loseLease({ tell: false });
    harness().start({ trackAttempts: false });
    await harness().next('leaseLost');
    expect(reservation.lost.reason).to.be.instanceOf(LeaseLostError);
    expect(harness().driver.log.slice(0, 2)).to.deep.equal(['reserve', 'track 7']);
  });

  it('is released as after a first attempt when the question fails, which workerError tells', async () => {
    connectSlot(() => Promise.reject(NO));
    const reservation = untracked(2);
    const error = new Error('no answer');
    reservation.answer = () => {
      reservation.answer = async () => {};
      return Promise.reject(error);
    };
    harness().start({ trackAttempts: false, backoff: (attempt) => attempt * 100 });
    await harness().next('messageReleased');
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 100 }]);
    expect(harness().events('workerError')).to.deep.equal([{ error }]);
  });

  it('is not asked about where the engine tells the attempt all the same', async () => {
    connectSlot(() => Promise.reject(NO));
    harness().deliver({}, { jobId: '7', attempt: 2 });
    harness().start({ trackAttempts: false });
    await harness().next('messageReleased');
    expect(attempts).to.deep.equal([2]);
    expect(harness().driver.log.slice(0, 2)).to.deep.equal(['reserve', 'release 7']);
  });
});
