import { expect } from 'chai';
import { EngineError, InvalidOptionError, LeaseLostError } from '../../src/queue/errors.js';
import { toFailure } from '../../src/queue/failure.js';
import { Reservation } from '../../src/queue/reservation.js';
import { rejection } from '../support/failures.js';
import { RecordingDriver, reservedMessage } from '../support/recording-driver.js';

describe('A reservation', () => {
  it('shows what is held, as it is now', () => {
    const message = { ...reservedMessage(), attempt: undefined as number | undefined, leaseEndsAt: 5 };
    const reservation = new Reservation(new RecordingDriver().consumer, message);
    const { jobId, queue, body, ttrMs, lost } = message;
    expect(reservation).to.include({ jobId, queue, body, ttrMs, lost, attempt: undefined, leaseEndsAt: 5 });
    Object.assign(message, { attempt: 2, leaseEndsAt: 6 });
    expect(reservation).to.include({ attempt: 2, leaseEndsAt: 6 });
  });

  it('makes known what the engine did not tell, where that is possible', async () => {
    const { consumer } = new RecordingDriver();
    const message = Object.assign(reservedMessage({ attempt: undefined }), {
      attempt: undefined as number | undefined,
    });
    await new Reservation(consumer, message).track();
    const track = async (): Promise<void> => {
      message.attempt = 3;
    };
    const reservation = new Reservation(consumer, Object.assign(message, { track }));
    await reservation.track();
    expect(reservation.attempt).to.equal(3);
  });

  it('is settled and renewed by its consumer', async () => {
    const { consumer, calls } = new RecordingDriver();
    const message = reservedMessage();
    const reservation = new Reservation(consumer, message);
    const failure = toFailure(new Error('no'), { reason: 'attempts', attempt: 1 });
    const transaction = {};
    await reservation.ack();
    await reservation.ack({ transaction });
    await reservation.release();
    await reservation.release({ priority: 7, delay: '1.5s', failure });
    await reservation.bury();
    await reservation.bury({ priority: 0, failure });
    await reservation.touch();
    const rest = { message, priority: undefined, failure: undefined };
    expect(calls).to.deep.equal([
      ['settle', { kind: 'ack', message, transaction: undefined }],
      ['settle', { kind: 'ack', message, transaction }],
      ['settle', { kind: 'release', delayMs: undefined, ...rest }],
      ['settle', { kind: 'release', message, priority: 7, delayMs: 1500, failure }],
      ['settle', { kind: 'bury', ...rest }],
      ['settle', { kind: 'bury', message, priority: 0, failure }],
      ['touch', message],
    ]);
    await rejection(reservation.release({ delay: 'soon' }), InvalidOptionError);
  });

  it('rejects with what the engine says of it', async () => {
    const { consumer } = new RecordingDriver();
    const reservation = new Reservation(consumer, reservedMessage());
    const lost = new LeaseLostError('it is over');
    consumer.results.push({ error: lost }, { error: lost }, { error: lost }, { error: lost });
    for (const call of [reservation.ack(), reservation.release(), reservation.bury(), reservation.touch()]) {
      expect(await rejection(call, LeaseLostError)).to.equal(lost);
    }
    // It is buried, though why could not be kept.
    consumer.results.push({ failureError: new EngineError('full') });
    await reservation.bury();
  });
});
