import { expect } from 'chai';
import { EngineError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import type { Backoff } from '../../src/worker/retry.js';
import { failureOf } from '../support/failures.js';
import type { FakeMessage } from '../support/fake-driver.js';
import { useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');
const NO = new Error('no');

describe('A message whose slot fails', () => {
  const harness = useWorkerHarness();

  /** A message that fails for the nth time. */
  function failing(attempt: number): FakeMessage {
    return harness().deliver({}, { attempt });
  }

  beforeEach(() => {
    harness().signals.connect(SendMail, () => {
      throw NO;
    });
  });

  it('is released, to be delivered again', async () => {
    const reservation = failing(1);
    harness().start({ backoff: 70 });
    const { message, durationMs, ...event } = await harness().next('messageReleased');
    const about = { queue: 'mail', jobId: reservation.jobId, attempt: 1 };
    expect(event).to.deep.equal({ ...about, delayMs: 70, counted: true, error: NO });
    expect(durationMs).to.be.at.least(0);
    expect(message.id).to.equal('m1');
    expect(reservation.settlement).to.deep.equal(['release', { delayMs: 70 }]);
    expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted', 'messageReleased']);
  });

  async function delaysOf(backoff: Backoff | undefined, attempts: readonly number[]): Promise<number[]> {
    const reservations = attempts.map((attempt) => failing(attempt));
    harness().start({ backoff, attempts: 1000, maxMessages: attempts.length });
    await harness().next('workerStopped');
    expect(reservations.map(({ settlement }) => settlement?.[0])).to.deep.equal(attempts.map(() => 'release'));
    return harness()
      .events('messageReleased')
      .map(({ delayMs }) => delayMs);
  }

  it('waits as long each time with a fixed backoff', async () => {
    expect(await delaysOf('2s', [1, 2, 9])).to.deep.equal([2000, 2000, 2000]);
  });

  it('waits longer each time with an exponential backoff', async () => {
    expect(await delaysOf({ initial: 10, factor: 3, max: 1000, jitter: 'none' }, [1, 2, 3, 9])).to.deep.equal([
      10, 30, 90, 1000,
    ]);
  });

  it('waits for a random part of the default backoff', async () => {
    const delays = await delaysOf(undefined, [1, 2, 3, 4, 99]);
    for (const [index, longest] of [1000, 2000, 4000, 8000, 300_000].entries()) {
      expect(delays[index]).to.be.within(0, longest);
    }
  });

  it('waits as long as a function says', async () => {
    expect(await delaysOf((attempt, error) => (error === NO ? attempt * 100 : 0), [1, 4])).to.deep.equal([100, 400]);
  });

  it('waits a second when that function fails, which workerError tells', async () => {
    const broken = new Error('a broken backoff');
    const delays = await delaysOf(() => {
      throw broken;
    }, [1, 2]);
    expect(delays).to.deep.equal([1000, 1000]);
    expect(harness().events('workerError')).to.deep.equal([{ error: broken }, { error: broken }]);
  });

  it('waits a second when that function says no duration', async () => {
    expect(await delaysOf(() => -1, [1])).to.deep.equal([1000]);
    expect(harness().events('workerError')[0]?.error).to.include({ code: 'INVALID_OPTION' });
  });

  it('is buried when it has been tried as often as allowed', async () => {
    const reservation = failing(3);
    harness().start({ attempts: 3 });
    const { message, body, durationMs, ...event } = await harness().next('messageFailed');
    expect(durationMs).to.be.at.least(0);
    expect(event).to.deep.equal({ queue: 'mail', jobId: reservation.jobId, attempt: 3, reason: 'attempts', error: NO });
    expect(message?.id).to.equal('m1');
    expect(body).to.equal(reservation.body);
    expect(failureOf(reservation)).to.include({ reason: 'attempts', message: 'no', attempt: 3 });
    expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted', 'messageFailed']);
  });

  it('is buried without its failure where the engine could not keep that, and workerError tells why', async () => {
    const reservation = failing(3);
    const failureError = new EngineError('the server is draining');
    reservation.failureError = failureError;
    harness().start({ attempts: 3 });
    await harness().next('messageFailed');
    expect(reservation.settlement?.[0]).to.equal('bury');
    expect(harness().events('workerError')).to.deep.equal([{ error: failureError }]);
  });

  it('is tried five times unless something else is said', async () => {
    const reservations = [failing(4), failing(5)];
    harness().start({ maxMessages: 2, backoff: 0 });
    await harness().next('workerStopped');
    expect(reservations.map(({ settlement }) => settlement?.[0])).to.deep.equal(['release', 'bury']);
  });

  it('is buried after one try where one is allowed', async () => {
    const reservation = failing(1);
    harness().start({ attempts: 1 });
    await harness().next('messageFailed');
    expect(reservation.settlement?.[0]).to.equal('bury');
  });

  it('keeps what was thrown, whatever it is', async () => {
    const thrown = [undefined, 'text', { code: 5 }];
    let next = 0;
    const Odd = defineMessage('odd');
    harness().signals.connect(Odd, () => Promise.reject(thrown[next++]));
    const reservations = thrown.map(() => harness().deliver({ type: 'odd' }));
    harness().start({ attempts: 1, maxMessages: 3 });
    await harness().next('workerStopped');
    expect(
      harness()
        .events('messageFailed')
        .map(({ error }) => error),
    ).to.deep.equal(thrown);
    const messages = reservations.map((reservation) => failureOf(reservation)?.message);
    expect(messages).to.deep.equal(['undefined', 'text', '{"code":5}']);
  });
});

describe('A message that was delivered to workers that crashed', () => {
  const harness = useWorkerHarness();
  let attempts: (number | undefined)[];

  beforeEach(() => {
    attempts = [];
    harness().signals.connect(SendMail, (_message, { attempt }) => {
      attempts.push(attempt);
      throw NO;
    });
  });

  it('is buried without a slot being called when that was as often as allowed', async () => {
    const reservation = harness().deliver({}, { attempt: 4 });
    harness().start({ attempts: 3 });
    const { attempt, reason, error } = await harness().next('messageFailed');
    expect([attempt, reason]).to.deep.equal([4, 'attempts']);
    expect((error as Error).message).to.equal('cannot try the message again: this is delivery 4, and 3 are allowed');
    expect(reservation.settlement?.[0]).to.equal('bury');
    expect(attempts).to.deep.equal([]);
  });

  it('is worked on the last time that is allowed', async () => {
    harness().deliver({}, { attempt: 3 });
    harness().start({ attempts: 3 });
    await harness().next('messageFailed');
    expect(attempts).to.deep.equal([3]);
  });
});
