import { expect } from 'chai';
import { EngineError, InvalidOptionError, RetryLaterError, UnrecoverableError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { nameErrors } from '../../src/shared/error-names.js';
import type { FailureAnswer, MessageFailure, WorkerOptions } from '../../src/worker/options.js';
import type { Worker } from '../../src/worker/worker.js';
import { useFakeClock } from '../support/clock.js';
import { failureOf, thrown } from '../support/failures.js';
import type { FakeMessage } from '../support/fake-driver.js';
import { type Deferred, deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');
const NO = new Error('no');

describe('A slot that throws an UnrecoverableError', () => {
  const harness = useWorkerHarness();

  it('has its message buried now, with that reason, and its cause kept', async () => {
    const error = new UnrecoverableError('the mailbox is gone', { cause: '410 Gone' });
    harness().signals.connect(SendMail, () => Promise.reject(error));
    const reservation = harness().deliver({}, { attempt: 1 });
    harness().start({ onFailure: () => expect.fail('it is decided') });
    expect(await harness().next('messageFailed')).to.include({ attempt: 1, reason: 'unrecoverable', error });
    expect(failureOf(reservation)).to.deep.include({
      ...{ reason: 'unrecoverable', name: 'UnrecoverableError', message: 'the mailbox is gone', attempt: 1 },
      causes: [{ name: 'string', message: '410 Gone' }],
    });
  });

  it('is known also where it comes from another copy of the package', async () => {
    class OtherUnrecoverableError extends Error {
      readonly code = 'UNRECOVERABLE';
    }
    nameErrors({ UnrecoverableError: OtherUnrecoverableError });
    harness().signals.connect(SendMail, () => Promise.reject(new OtherUnrecoverableError('gone')));
    harness().deliver();
    harness().start();
    expect(await harness().next('messageFailed')).to.include({ reason: 'unrecoverable' });
  });

  it('may do so in a schema and in a middleware as well', async () => {
    const error = new UnrecoverableError('gone');
    const validate = (): never => {
      throw error;
    };
    const Checked = defineMessage('checked', { '~standard': { version: 1, vendor: 'test', validate } });
    harness().signals.connect(Checked, () => {});
    harness().signals.connect(SendMail, () => {});
    harness().signals.use(() => Promise.reject(error));
    const reservations = [harness().deliver({ type: 'checked' }), harness().deliver()];
    await harness().worker({ maxMessages: 2 }).run();
    expect(reservations.map((each) => failureOf(each)?.reason)).to.deep.equal(['unrecoverable', 'unrecoverable']);
  });
});

for (const uncountedRelease of [false, true]) {
  describe(`A slot that throws a RetryLaterError, where a release can${uncountedRelease ? '' : 'not'} be uncounted`, () => {
    const harness = useWorkerHarness({ uncountedRelease });
    const uncounted = uncountedRelease ? { counted: false } : {};

    for (const attempt of [1, 5]) {
      it(`has its message released for its delay, at attempt ${attempt} of 5`, async () => {
        const error = new RetryLaterError('rate limited', { delay: '1m' });
        harness().signals.connect(SendMail, () => Promise.reject(error));
        const reservation = harness().deliver({}, { attempt });
        harness().start({ attempts: 5, onFailure: () => expect.fail('it is decided') });
        const event = await harness().next('messageReleased');
        expect(event).to.include({ attempt, delayMs: 60_000, error, counted: !uncountedRelease });
        expect(reservation.settlement).to.deep.equal(['release', { delayMs: 60_000, ...uncounted }]);
        expect(harness().driver.calls.map(([method]) => method)).to.deep.equal(['consume']);
      });
    }
  });
}

describe('A RetryLaterError with pauseQueue', () => {
  const harness = useWorkerHarness();

  function pauses(): unknown[] {
    return harness().driver.calls.filter(([method]) => method === 'pause');
  }

  async function deliverAll(...delays: (number | string)[]): Promise<void> {
    const next = delays.values();
    harness().signals.connect(SendMail, () => {
      throw new RetryLaterError('rate limited', { delay: next.next().value ?? 0, pauseQueue: true });
    });
    for (const _ of delays) harness().deliver();
    await harness().worker({ maxMessages: delays.length }).run();
  }

  it('pauses the queue of its message for as long', async () => {
    await deliverAll('1m');
    expect(pauses()).to.deep.equal([['pause', 'mail', 60_000]]);
    expect(harness().events('messageReleased')).to.have.length(1);
  });

  it('does not shorten the pause that another has asked for, nor end one', async () => {
    await deliverAll('1h', '1m', 0, '2h');
    expect(pauses()).to.deep.equal([
      ['pause', 'mail', 3_600_000],
      ['pause', 'mail', 7_200_000],
    ]);
  });

  it('has its message released also where the engine cannot pause, which workerError tells', async () => {
    harness().driver.pause = () => Promise.reject(NO);
    await deliverAll('1m');
    expect(harness().events('messageReleased')).to.have.length(1);
    expect(harness().events('workerError')).to.deep.equal([{ error: NO }]);
  });
});

describe('The errors by which a slot says what is to become of its message', () => {
  it('check their options', () => {
    for (const [make, message] of [
      [() => new RetryLaterError('later', { delay: 'soon' }), /^delay must be /],
      [() => new RetryLaterError('later', { delay: -1 }), /^delay must be /],
      [() => new RetryLaterError('later', undefined as never), /^the options of RetryLaterError must be an object/],
      [() => new RetryLaterError('later', { pauseQueue: true } as never), /^delay must be /],
      [() => new RetryLaterError('later', { delay: 0, pauseQueue: 1 as never }), /^pauseQueue must be true or false/],
      [() => new RetryLaterError('later', { delay: 0, after: 1 } as never), /^an option of RetryLaterError must be /],
      [() => new UnrecoverableError('gone', { reason: 1 } as never), /^an option of UnrecoverableError must be cause/],
      [() => new UnrecoverableError('gone', 'gone' as never), /^the options of UnrecoverableError must be an object/],
    ] as const) {
      expect(thrown(make, InvalidOptionError).message).to.match(message);
    }
  });

  it('have a cause where one is given', () => {
    expect(new RetryLaterError('later', { delay: 0, cause: NO })).to.include({ cause: NO, delayMs: 0 });
    expect(new UnrecoverableError('gone')).not.to.have.property('cause');
  });
});

describe('onFailure', () => {
  const harness = useWorkerHarness();
  let asked: MessageFailure[];

  beforeEach(() => {
    asked = [];
    harness().signals.connect(SendMail, () => Promise.reject(NO));
  });

  async function settled(attempt: number, answer: () => unknown, options: WorkerOptions = {}): Promise<FakeMessage> {
    const message = harness().deliver({}, { attempt });
    const onFailure = (failure: MessageFailure): FailureAnswer => {
      asked.push(failure);
      return answer() as FailureAnswer;
    };
    await harness()
      .worker({ attempts: 5, backoff: 70, maxMessages: 1, ...options, onFailure })
      .run();
    return message;
  }

  it('is told the error, the attempt and the message', async () => {
    await settled(2, () => undefined);
    expect(asked).to.have.length(1);
    expect(asked[0]).to.include({ error: NO, attempt: 2 });
    expect(asked[0]?.message.id).to.equal('m1');
  });

  for (const wait of [false, true]) {
    const kind = wait ? 'a promise of ' : '';
    const given = (answer: unknown) => () => (wait ? Promise.resolve(answer) : answer);

    for (const answer of [undefined, 'retry'] as const) {
      it(`retries with ${kind}${answer}, within the attempts`, async () => {
        const settle = async (attempt: number) => (await settled(attempt, given(answer))).settlement;
        expect(await settle(4)).to.deep.equal(['release', { delayMs: 70 }]);
      });

      it(`buries with ${kind}${answer} at the last attempt`, async () => {
        expect(failureOf(await settled(5, given(answer)))).to.include({ reason: 'attempts' });
      });
    }

    it(`buries at once with ${kind}'bury'`, async () => {
      expect(failureOf(await settled(1, given('bury')))).to.include({ reason: 'unrecoverable', message: 'no' });
      expect(harness().events('messageFailed')[0]).to.include({ reason: 'unrecoverable', error: NO });
    });

    it(`releases with ${kind}a delay for that long`, async () => {
      const message = await settled(1, given({ delay: '1h' }));
      expect(message.settlement).to.deep.equal(['release', { delayMs: 3_600_000 }]);
    });

    it(`buries with ${kind}a delay at the last attempt`, async () => {
      expect(failureOf(await settled(5, given({ delay: '1h' })))).to.include({ reason: 'attempts' });
    });

    for (const wrong of [null, 'later', 5, {}, { delay: 'soon' }]) {
      it(`is as good as left out with ${kind}${JSON.stringify(wrong)}, which workerError tells`, async () => {
        const message = await settled(1, given(wrong));
        expect(message.settlement).to.deep.equal(['release', { delayMs: 70 }]);
        expect(harness().events('workerError')[0]?.error).to.be.instanceOf(InvalidOptionError);
      });
    }
  }

  for (const [how, answer] of [
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ] as const) {
    it(`is as good as left out when it ${how}, which workerError tells`, async () => {
      expect((await settled(1, answer)).settlement).to.deep.equal(['release', { delayMs: 70 }]);
      expect(failureOf(await settled(5, answer))).to.include({ reason: 'attempts', message: 'no' });
      expect(
        harness()
          .events('workerError')
          .map(({ error }) => (error as Error).message),
      ).to.deep.equal(['broken', 'broken']);
    });
  }

  it('is asked about a slot that took too long', async () => {
    harness().signals.connect(defineMessage('slow'), () => new Promise(() => {}));
    const message = harness().deliver({ type: 'slow' });
    await harness()
      .worker({ slotTimeout: 10, maxMessages: 1, onFailure: () => 'bury' })
      .run();
    expect(failureOf(message)).to.include({ reason: 'unrecoverable', name: 'SlotTimeoutError' });
  });

  it('is not asked about what no slot has failed', async () => {
    harness().deliver({ type: 'unknown' });
    harness().driver.deliver({ body: Buffer.from('no JSON') });
    const onFailure = (): never => expect.fail('asked');
    await harness().worker({ unhandled: 'release', maxMessages: 2, onFailure }).run();
    expect(harness().events('messageReleased')).to.have.length(1);
    expect(harness().events('workerError')).to.deep.equal([]);
  });
});

describe('The failure of a message that is released', () => {
  const harness = useWorkerHarness({ failures: 'kept', uncountedRelease: true });

  it('is kept where the engine keeps it', async () => {
    harness().signals.connect(SendMail, () => Promise.reject(new TypeError('broken')));
    const message = harness().deliver({}, { attempt: 2 });
    await harness().worker({ backoff: 70, maxMessages: 1 }).run();
    expect(message.settlement?.[1]).to.include({ delayMs: 70 });
    expect(failureOf(message)).to.include({ reason: 'attempts', name: 'TypeError', message: 'broken', attempt: 2 });
  });

  it('is not there when a stop has interrupted it, which counts as no attempt', async () => {
    const started = deferred();
    harness().signals.connect(SendMail, () => {
      started.resolve();
      return new Promise(() => {});
    });
    const message = harness().deliver({}, { attempt: 5 });
    const worker = harness().start({ attempts: 5 });
    await started.promise;
    await worker.stop({ grace: 0 });
    expect(message.settlement).to.deep.equal(['release', { delayMs: 0, counted: false }]);
    expect(harness().events('messageReleased')[0]).to.include({ attempt: 5, counted: false });
  });

  it('that arrives too late for a worker that stops counts as no attempt either', async () => {
    harness().driver.heedsAbort = false;
    const worker = harness().start();
    await harness().driver.untilWaiting(1);
    const stopped = worker.stop({ grace: 0 });
    const message = harness().deliver();
    await stopped;
    expect(message.settlement).to.deep.equal(['release', { delayMs: 0, counted: false }]);
  });

  it('that could not be kept is told to workerError', async () => {
    harness().signals.connect(SendMail, () => Promise.reject(NO));
    const message = harness().deliver();
    message.failureError = new EngineError('the disk is full');
    await harness().worker({ maxMessages: 1 }).run();
    expect(harness().events('workerError')).to.deep.equal([{ error: message.failureError }]);
  });
});

describe('onFailure that takes its time', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();
  let answer: Deferred<FailureAnswer>;
  let asked: Deferred<void>;
  let message: FakeMessage;
  let worker: Worker;

  beforeEach(async () => {
    answer = deferred();
    asked = deferred();
    harness().signals.connect(SendMail, () => Promise.reject(NO));
    message = harness().deliver({}, { ttrMs: 10_000 });
    worker = harness().start({
      onFailure: () => {
        asked.resolve();
        return answer.promise;
      },
    });
    await asked.promise;
  });

  it('keeps the lease of its message meanwhile, and no longer', async () => {
    await clock.tickAsync(20_000);
    expect([message.touches, message.settlement]).to.deep.equal([5, undefined]);
    const failed = harness().next('messageFailed');
    answer.resolve('bury');
    await failed;
    await clock.tickAsync(20_000);
    expect(message.touches).to.equal(5);
  });

  it('is heeded no longer when the lease was lost meanwhile', async () => {
    await clock.tickAsync(1000);
    message.loseLease({ tell: false });
    const lost = harness().next('leaseLost');
    answer.resolve('bury');
    await lost;
    expect(harness().events('messageFailed')).to.deep.equal([]);
  });

  it('does not keep a worker from stopping', async () => {
    const stopped = worker.stop({ grace: 0 });
    await clock.tickAsync(5000);
    await stopped;
    expect(message.settlement).to.equal(undefined);
    expect(harness().emitted.at(-1)).to.equal('workerStopped');
  });
});
