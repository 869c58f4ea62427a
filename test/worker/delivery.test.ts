import { expect } from 'chai';
import { spy } from 'sinon';
import { z } from 'zod';
import { resolveCapabilities } from '../../src/queue/capabilities.js';
import { DecodeError, SchemaError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { DeadlineTimer } from '../../src/worker/deadline-timer.js';
import { Delivery } from '../../src/worker/delivery.js';
import { settingsOf } from '../../src/worker/options.js';
import { QueuePause } from '../../src/worker/queue-pause.js';
import { failureOf } from '../support/failures.js';
import { FakeDriver, FakeMessage } from '../support/fake-driver.js';
import { deferred, encoded, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage<{ to: string }>('mail.send');
const ANSWERED = { to: 'a@b.example' };

describe('A message that is delivered', () => {
  const harness = useWorkerHarness();

  it('is handed to its slot with all there is to know, then acknowledged', async () => {
    const { signals } = harness();
    const received: unknown[] = [];
    signals.connect(SendMail, (message, { queue, jobId, attempt, signal }) => {
      received.push([message.id, message.data, queue, jobId, attempt, signal.aborted]);
    });
    const reservation = harness().deliver({ id: 'm7' }, { jobId: '7', attempt: 3 });
    harness().start();
    const { durationMs, message, ...event } = await harness().next('messageFinished');
    expect(received).to.deep.equal([['m7', ANSWERED, 'mail', '7', 3, false]]);
    expect(reservation.settlement).to.deep.equal(['ack']);
    expect(event).to.deep.equal({ queue: 'mail', jobId: '7', attempt: 3 });
    expect(message.id).to.equal('m7');
    expect(durationMs).to.be.at.least(0);
  });

  it('is acknowledged only after every slot has resolved', async () => {
    const { signals, driver } = harness();
    const [first, second] = [deferred(), deferred()];
    const called = [deferred(), deferred()];
    for (const [index, { promise }] of [first, second].entries()) {
      signals.connect(SendMail, () => {
        called[index]?.resolve();
        return promise;
      });
    }
    const reservation = harness().deliver();
    harness().start();
    await called[0]?.promise;
    first.resolve();
    await called[1]?.promise;
    expect(driver.log).to.deep.equal(['reserve']);
    second.resolve();
    await harness().next('messageFinished');
    expect(reservation.settlement).to.deep.equal(['ack']);
  });

  it('is finished only when the engine has taken the acknowledgement', async () => {
    const { signals } = harness();
    signals.connect(SendMail, () => {});
    const answer = deferred();
    const acked = deferred();
    const reservation = harness().deliver();
    reservation.answer = () => {
      acked.resolve();
      return answer.promise;
    };
    harness().start();
    await acked.promise;
    expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted']);
    answer.resolve();
    await harness().next('messageFinished');
  });

  it('is reported to workerError when the engine fails, and the worker goes on', async () => {
    const { signals } = harness();
    signals.connect(SendMail, () => {});
    const error = new Error('the engine fails');
    harness().deliver().answer = () => Promise.reject(error);
    const next = harness().deliver();
    harness().start();
    await harness().next('messageFinished');
    expect(harness().events('workerError')).to.deep.equal([{ error }]);
    expect(next.settlement).to.deep.equal(['ack']);
  });

  it('can be kept by its slot: touch renews the lease', async () => {
    const { signals } = harness();
    signals.connect(SendMail, (_message, context) => context.touch());
    const reservation = harness().deliver();
    harness().start();
    await harness().next('messageFinished');
    expect(reservation.touches).to.equal(1);
  });
});

describe('A message that nobody can work on', () => {
  const harness = useWorkerHarness();

  it('is buried when no slot is connected for its type', async () => {
    harness().signals.connect(defineMessage('other'), () => expect.fail('not for this slot'));
    const reservation = harness().deliver();
    harness().start();
    const { message, error, body, durationMs, ...event } = await harness().next('messageFailed');
    expect(durationMs).to.be.at.least(0);
    expect(event).to.deep.equal({ queue: 'mail', jobId: reservation.jobId, attempt: 1, reason: 'unhandled' });
    expect((error as Error).message).to.equal(
      'cannot handle the message: no slot is connected for messages of type "mail.send"',
    );
    expect(message?.type).to.equal('mail.send');
    expect(body).to.equal(reservation.body);
    expect(failureOf(reservation)).to.include({ reason: 'unhandled', message: (error as Error).message, attempt: 1 });
  });

  it('is acknowledged with unhandled: ignore', async () => {
    const reservation = harness().deliver();
    harness().start({ unhandled: 'ignore' });
    expect(await harness().next('messageFinished')).to.include({ durationMs: 0 });
    expect(reservation.settlement).to.deep.equal(['ack']);
  });

  it('is left to others with unhandled: release, and buried when nobody wanted it', async () => {
    const first = harness().deliver({}, { attempt: 2 });
    const second = harness().deliver({}, { attempt: 3 });
    harness().start({ unhandled: 'release', attempts: 3, backoff: 70 });
    expect(await harness().next('messageReleased')).to.include({ attempt: 2, delayMs: 70 });
    expect(await harness().next('messageFailed')).to.include({ attempt: 3, reason: 'unhandled' });
    expect(first.settlement).to.deep.equal(['release', { delayMs: 70 }]);
    expect(second.settlement?.[0]).to.equal('bury');
  });

  it('is buried when it cannot be read, and the worker goes on', async () => {
    harness().signals.connect('messageReceived', () => {});
    const unreadable = harness().driver.deliver({ body: Buffer.from('no JSON') });
    const next = harness().deliver();
    harness().start();
    const { message, body, reason, error } = await harness().next('messageFailed');
    expect([message, reason]).to.deep.equal([undefined, 'undecodable']);
    expect(body.toString()).to.equal('no JSON');
    expect(error).to.be.instanceOf(DecodeError);
    expect(unreadable.settlement?.[0]).to.equal('bury');
    await harness().next('messageFinished');
    expect(next.settlement).to.deep.equal(['ack']);
  });

  it('is buried when its data does not fit the schema, and the worker goes on', async () => {
    harness().signals.connect(defineMessage('mail.send', z.object({ to: z.email() })), () => {});
    const invalid = harness().deliver({ data: { to: 'nobody' } });
    const next = harness().deliver();
    harness().start();
    const { message, reason, error } = await harness().next('messageFailed');
    expect(reason).to.equal('invalid');
    expect(error).to.be.instanceOf(SchemaError);
    expect(message?.data).to.deep.equal({ to: 'nobody' });
    expect(invalid.settlement?.[0]).to.equal('bury');
    await harness().next('messageFinished');
    expect(next.settlement).to.deep.equal(['ack']);
  });
});

describe('A message that is buried on an engine that keeps no failures', () => {
  const harness = useWorkerHarness({ failures: 'none' });

  it('is buried without its failure', async () => {
    const reservation = harness().deliver();
    harness().start();
    await harness().next('messageFailed');
    expect(reservation.settlement).to.deep.equal(['bury', {}]);
  });
});

describe('A delivery that is decided', () => {
  it('has cancelled every deadline that it had set', async () => {
    const signals = new SignalDispatcher();
    const timer = new DeadlineTimer();
    const [setting, cancelling] = [spy(timer, 'set'), spy(timer, 'cancel')];
    signals.connect(SendMail, () => new Promise((resolve) => setImmediate(resolve)));
    const driver = new FakeDriver();
    const notCalled = (): never => expect.fail('nothing is settled yet');
    const queue = new Queue(driver, 'mail');
    const delivery = new Delivery(new FakeMessage({ body: encoded() }), {
      ...{ queue, signals, timer, settings: settingsOf({ slotTimeout: '1h' }), pause: new QueuePause(queue) },
      ...{ capabilities: resolveCapabilities(driver.capabilities), canUncount: false, onError: notCalled },
      consumer: { settle: notCalled, touch: notCalled, isHeld: notCalled },
    });
    expect(await delivery.process()).to.include({ outcome: 'finished' });
    expect(setting.callCount).to.equal(2);
    expect(cancelling.returnValues).to.deep.equal([true, true]);
    timer.stop();
  });
});
