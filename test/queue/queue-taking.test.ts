import { expect } from 'chai';
import sinon from 'sinon';
import { DecodeError, InvalidOptionError } from '../../src/queue/errors.js';
import { Queue } from '../../src/queue/queue.js';
import { rejection } from '../support/failures.js';
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
    expect(driver.calls).to.deep.equal([['consume', ['mail'], 1]]);
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

  it('buries a message that cannot be read, and says so', async () => {
    const delivered = driver.deliver({ body: Buffer.from('no JSON') });
    await rejection(queue.take(), DecodeError);
    expect(delivered.settlement?.[0]).to.equal('bury');
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
