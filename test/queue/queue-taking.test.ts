import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'chai';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import type { Settlement } from '../../src/queue/driver.js';
import { DecodeError, DriverClosedError, EngineError, InvalidOptionError } from '../../src/queue/errors.js';
import type { Failure } from '../../src/queue/failure.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { Reservation } from '../../src/queue/reservation.js';
import { rejection } from '../support/failures.js';
import { RecordingDriver, reservedMessage } from '../support/recording-driver.js';

function encoded(data: unknown): Buffer {
  const message = { id: 'm1', type: 'mail.send', data, time: new Date(0), headers: {}, source: '/test' };
  return Buffer.from(cloudEvents.encode(message));
}

describe('Queue.reserve', () => {
  let driver: RecordingDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new RecordingDriver();
    queue = new Queue(driver, 'mail');
  });

  it('hands over a reservation, to be settled by hand', async () => {
    const message = reservedMessage({ body: encoded(5) });
    driver.consumer.messages.push(message);
    const reservation = await queue.reserve();
    expect(reservation).to.be.instanceOf(Reservation);
    expect(reservation).to.include({ jobId: message.jobId, body: message.body });
    expect(reservation && queue.decode(reservation).data).to.equal(5);
    await reservation?.ack();
    expect(driver.calls.slice(1)).to.deep.equal([
      ['reserve', { timeoutMs: undefined, signal: undefined }],
      ['settle', { kind: 'ack', message, transaction: undefined }],
    ]);
  });

  it('consumes in the name of nobody, whoever happens to be the first', async () => {
    const requests = new AsyncLocalStorage<string>();
    const consume = driver.consume.bind(driver);
    const seen: unknown[] = [];
    driver.consume = (...args) => {
      seen.push(requests.getStore());
      return consume(...args);
    };
    await requests.run('a request', () => queue.reserve({ timeout: 0 }));
    expect(seen).to.deep.equal([undefined]);
  });

  it('answers null when none came in time', async () => {
    expect(await queue.reserve({ timeout: 0 })).to.equal(null);
  });

  it('passes on the timeout in milliseconds, and the signal', async () => {
    const { signal } = new AbortController();
    await queue.reserve({ timeout: '1.5s', signal });
    expect(driver.calls.at(-1)).to.deep.equal(['reserve', { timeoutMs: 1500, signal }]);
    await rejection(queue.reserve({ timeout: 'soon' }), InvalidOptionError);
    const reason = new Error('enough');
    expect(await rejection(queue.reserve({ signal: AbortSignal.abort(reason) }), Error)).to.equal(reason);
  });

  it('opens one consumer, however often it is called', async () => {
    await Promise.all([queue.reserve(), queue.reserve(), queue.reserve()]);
    expect(driver.calls.filter(([method]) => method === 'consume')).to.deep.equal([['consume', ['mail'], {}]]);
  });
});

describe('Queue.take', () => {
  let driver: RecordingDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new RecordingDriver();
    queue = new Queue(driver, 'mail');
  });

  function settlements(): Settlement[] {
    return driver.calls.filter(([method]) => method === 'settle').map(([, settlement]) => settlement as Settlement);
  }

  it('acknowledges the message and hands it over', async () => {
    driver.consumer.messages.push(reservedMessage({ body: encoded(5) }));
    expect(await queue.take()).to.deep.include({ type: 'mail.send', data: 5 });
    expect(settlements().map(({ kind }) => kind)).to.deep.equal(['ack']);
  });

  it('answers null when none came in time', async () => {
    expect(await queue.take({ timeout: 0 })).to.equal(null);
  });

  it('buries a message that cannot be read, and says which', async () => {
    driver.consumer.messages.push(reservedMessage({ jobId: '7', body: Buffer.from('no JSON') }));
    const error = await rejection(queue.take(), DecodeError);
    expect(error).to.include({ message: 'the body must be JSON, got 7 bytes that are not', jobId: '7', queue: 'mail' });
    expect(error.body?.toString()).to.equal('no JSON');
    const [settlement] = settlements() as { kind: string; failure?: Failure }[];
    expect(settlement?.kind).to.equal('bury');
    expect(settlement?.failure).to.include({ reason: 'undecodable', message: error.message });
  });

  it('buries it without a failure where the engine keeps none', async () => {
    const forgetful = new RecordingDriver({ failures: 'none' });
    forgetful.consumer.messages.push(reservedMessage({ body: Buffer.from('no JSON') }));
    await rejection(new Queue(forgetful, 'mail').take(), DecodeError);
    expect(forgetful.calls.at(-1)?.[1]).to.deep.include({ kind: 'bury', failure: undefined });
  });

  it('hands nothing over that it could not acknowledge', async () => {
    const error = new EngineError('gone');
    driver.consumer.messages.push(reservedMessage({ body: encoded(5) }));
    driver.consumer.results.push({ error });
    expect(await rejection(queue.take(), EngineError)).to.equal(error);
  });

  it('asks the engine for a consumer again when it could give none', async () => {
    driver.answers.consume = [() => Promise.reject(new Error('not now'))];
    await rejection(queue.take({ timeout: 0 }), Error);
    expect(await queue.take({ timeout: 0 })).to.equal(null);
  });
});

describe('Queue.close', () => {
  let driver: RecordingDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new RecordingDriver();
    queue = new Queue(driver, 'mail');
  });

  function called(): string[] {
    return driver.calls.map(([method]) => method);
  }

  it('ends what reserve has begun, and nothing else', async () => {
    await queue.reserve();
    await queue.close();
    expect(called()).to.deep.equal(['consume', 'reserve', 'closeConsumer']);
    expect(await queue.publish(defineMessage('mail.send'), 5)).to.equal('1');
  });

  it('has reserve and take begin anew', async () => {
    await queue.take({ timeout: 0 });
    await queue.close();
    driver.consumer.messages.push(reservedMessage({ body: encoded(5) }));
    expect((await queue.take())?.data).to.equal(5);
    expect(called()).to.deep.equal(['consume', 'reserve', 'closeConsumer', 'consume', 'reserve', 'settle']);
  });

  it('does nothing where nothing was begun, where it was done before, and where the engine gave no consumer', async () => {
    await queue.close();
    await queue.take({ timeout: 0 });
    await queue.close();
    await queue.close();
    driver.answers.consume = [() => Promise.reject(new Error('not now'))];
    const taking = rejection(queue.take(), Error);
    await queue.close();
    await taking;
    expect(called()).to.deep.equal(['consume', 'reserve', 'closeConsumer', 'consume']);
  });

  it('is done by `await using`', async () => {
    {
      await using used = new Queue(driver, 'mail');
      await used.take({ timeout: 0 });
    }
    expect(called()).to.deep.equal(['consume', 'reserve', 'closeConsumer']);
  });
});

describe('A queue whose driver was closed', () => {
  it('says so when a message is reserved or taken', async () => {
    const driver = new RecordingDriver();
    const queue = new Queue(driver, 'mail');
    driver.consume = () => Promise.reject(new DriverClosedError('the driver was closed'));
    for (const call of [queue.reserve(), queue.take()]) {
      expect((await rejection(call, DriverClosedError)).code).to.equal('CLOSED');
    }
  });
});
