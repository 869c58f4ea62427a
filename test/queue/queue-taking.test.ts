import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'chai';
import sinon from 'sinon';
import { DecodeError, DriverClosedError, InvalidOptionError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { failureOf, rejection } from '../support/failures.js';
import { FakeDriver } from '../support/fake-driver.js';
import { encoded } from '../support/worker-harness.js';

describe('Queue.reserve', () => {
  let driver: FakeDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new FakeDriver();
    queue = new Queue(driver, 'mail');
  });

  it('hands over the reservation as it is, to be settled by hand', async () => {
    const delivered = driver.deliver({ body: encoded({ data: 5 }) });
    const reservation = await queue.reserve();
    expect(reservation).to.equal(delivered);
    expect(delivered.settlement).to.equal(undefined);
    expect(queue.decode(delivered).data).to.equal(5);
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

  it('passes the timeout in milliseconds, and waits for ever without one', async () => {
    driver.deliver({});
    driver.deliver({});
    await queue.reserve({ timeout: '1.5s' });
    await queue.reserve();
    expect(driver.log).to.deep.equal(['reserve 1500', 'reserve']);
    await rejection(queue.reserve({ timeout: 'soon' }), InvalidOptionError);
  });

  it('gives up waiting when its signal aborts', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const reserved = rejection(queue.reserve({ signal: controller.signal }), Error);
    await driver.untilWaiting(1);
    controller.abort(reason);
    expect(await reserved).to.equal(reason);
    expect(driver.waiting).to.equal(0);
  });

  it('opens one consumer, however often it is called', async () => {
    for (let n = 0; n < 3; n++) driver.deliver({});
    await Promise.all([queue.reserve(), queue.reserve(), queue.reserve()]);
    expect(driver.calls.map((call) => call.slice(0, 3))).to.deep.equal([['consume', ['mail'], 1]]);
  });
});

describe('Queue.take', () => {
  let driver: FakeDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new FakeDriver();
    queue = new Queue(driver, 'mail');
  });

  it('acknowledges the message and hands it over', async () => {
    const delivered = driver.deliver({ body: encoded({ type: 'mail.send', data: 5 }) });
    expect(await queue.take()).to.deep.include({ type: 'mail.send', data: 5 });
    expect(delivered.settlement).to.deep.equal(['ack']);
  });

  it('answers null when none came in time', async () => {
    expect(await queue.take({ timeout: 0 })).to.equal(null);
  });

  it('buries a message that cannot be read, and says which', async () => {
    const delivered = driver.deliver({ id: '7', body: Buffer.from('no JSON') });
    const error = await rejection(queue.take(), DecodeError);
    expect(error).to.include({ message: 'the body must be JSON, got 7 bytes that are not', jobId: '7', queue: 'mail' });
    expect(error.body?.toString()).to.equal('no JSON');
    expect(failureOf(delivered)).to.include({ reason: 'undecodable', message: error.message });
  });

  it('buries it without a failure where the engine keeps none', async () => {
    driver.capabilities = { ...driver.capabilities, failures: 'none' };
    const delivered = driver.deliver({ body: Buffer.from('no JSON') });
    await rejection(queue.take(), DecodeError);
    expect(delivered.settlement).to.deep.equal(['bury', {}]);
  });

  it('hands nothing over that it could not acknowledge', async () => {
    const error = new Error('gone');
    const delivered = driver.deliver({ body: encoded() });
    delivered.answer = () => Promise.reject(error);
    expect(await rejection(queue.take(), Error)).to.equal(error);
  });

  it('asks the engine for a consumer again when it could give none', async () => {
    const consume = sinon.stub(driver, 'consume').rejects(new Error('not now'));
    await rejection(queue.take({ timeout: 0 }), Error);
    consume.restore();
    expect(await queue.take({ timeout: 0 })).to.equal(null);
  });
});

describe('Queue.close', () => {
  let driver: FakeDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new FakeDriver();
    queue = new Queue(driver, 'mail');
  });

  function called(): string[] {
    return driver.calls.map(([method]) => method);
  }

  it('ends what reserve has begun, and nothing else', async () => {
    const waiting = queue.reserve();
    await driver.untilWaiting(1);
    await queue.close();
    expect(await waiting).to.equal(null);
    expect(called()).to.deep.equal(['consume', 'closeConsumer']);
    expect(await queue.publish(defineMessage('mail.send'), 5)).to.equal('1');
  });

  it('has reserve and take begin anew', async () => {
    await queue.take({ timeout: 0 });
    await queue.close();
    driver.deliver({ body: encoded({ data: 5 }) });
    expect((await queue.take())?.data).to.equal(5);
    expect(called()).to.deep.equal(['consume', 'closeConsumer', 'consume']);
  });

  it('does nothing where nothing was begun, where it was done before, and where the engine gave no consumer', async () => {
    await queue.close();
    await queue.take({ timeout: 0 });
    await queue.close();
    await queue.close();
    const consume = sinon.stub(driver, 'consume').rejects(new Error('not now'));
    const taking = rejection(queue.take(), Error);
    await queue.close();
    await taking;
    consume.restore();
    expect(called()).to.deep.equal(['consume', 'closeConsumer']);
  });

  it('is done by `await using`', async () => {
    {
      await using used = new Queue(driver, 'mail');
      await used.take({ timeout: 0 });
    }
    expect(called()).to.deep.equal(['consume', 'closeConsumer']);
  });
});

describe('A queue whose driver was closed', () => {
  it('says so when a message is reserved or taken', async () => {
    const driver = new FakeDriver();
    const queue = new Queue(driver, 'mail');
    sinon.stub(driver, 'consume').rejects(new DriverClosedError('the driver was closed'));
    for (const call of [queue.reserve(), queue.take()]) {
      expect((await rejection(call, DriverClosedError)).code).to.equal('CLOSED');
    }
  });
});
