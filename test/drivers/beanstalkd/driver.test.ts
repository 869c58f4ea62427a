import { expect } from 'chai';
import { openBeanstalkd } from '../../../src/drivers/beanstalkd/driver.js';
import { InvalidArgumentError } from '../../../src/protocol/errors.js';
import type { Driver, PutOptions } from '../../../src/queue/driver.js';
import { DriverClosedError, EngineError, InvalidOptionError, UnsupportedError } from '../../../src/queue/errors.js';
import { rejection, thrown } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';

const OPTIONS: PutOptions = { priority: 5, delayMs: 1500, ttrMs: 90_000 };
const BODY = Buffer.from('hi');

describe('The beanstalkd driver', () => {
  const server = useWireServer();
  let driver: Driver;

  beforeEach(() => {
    driver = openBeanstalkd(server().url, { prefix: 'p-' });
  });

  afterEach(() => {
    // Not awaited: these servers do not answer quit.
    void driver.close();
  });

  /** A driver whose connection is made and uses `p-mail`. */
  async function ready(): Promise<Peer> {
    const prepared = driver.setUp('mail');
    const peer = await server().peer();
    await peer.takes('use p-mail\r\n');
    peer.sends('USING p-mail\r\n');
    await prepared;
    return peer;
  }

  it('is opened without a connection', async () => {
    expect(driver.capabilities).to.deep.equal({ peekMany: false, failures: 'buried', shared: true });
    await driver.close();
    expect(server().connections).to.equal(0);
  });

  it('is not opened for an address that cannot be one', () => {
    for (const address of ['', 'a:b', 'a:0', 'a/b', 'a?ttl=5']) {
      const error = thrown(() => openBeanstalkd(`beanstalkd://${address}`, { prefix: '' }), InvalidOptionError);
      expect(error.cause).to.be.instanceOf(InvalidArgumentError);
    }
  });

  it('puts into the tube of the queue, with whole seconds, rounded up', async () => {
    const put = driver.put('mail', BODY, OPTIONS);
    const peer = await server().peer();
    await peer.takes('use p-mail\r\nput 5 2 90 2\r\nhi\r\n');
    peer.sends('USING p-mail\r\nINSERTED 7\r\n');
    expect(await put).to.equal('7');
  });

  it('changes the tube only when it must, and in one write with what needs it', async () => {
    const peer = await ready();
    for (const queue of ['mail', 'mail', 'sms', 'mail']) void driver.put(queue, BODY, OPTIONS).catch(() => {});
    await peer.takes('put 5 2 90 2\r\nhi\r\n');
    expect(peer.unread).to.equal(
      'put 5 2 90 2\r\nhi\r\nuse p-sms\r\nput 5 2 90 2\r\nhi\r\nuse p-mail\r\nput 5 2 90 2\r\nhi\r\n',
    );
  });

  it('makes one connection, however much is asked at once', async () => {
    const puts = Promise.all([
      driver.put('mail', BODY, OPTIONS),
      driver.putMany('mail', [{ body: BODY, options: OPTIONS }]),
    ]);
    const peer = await server().peer();
    await peer.takes('use p-mail\r\nput 5 2 90 2\r\nhi\r\nput 5 2 90 2\r\nhi\r\n');
    peer.sends('USING p-mail\r\nINSERTED 1\r\nINSERTED 2\r\n');
    expect(await puts).to.deep.equal(['1', ['2']]);
    expect(server().connections).to.equal(1);
  });

  it('sends nothing for a queue that can have no tube: it would go into the one in use', async () => {
    const peer = await ready();
    for (const name of ['', '-mail', 'mail box', 'mail\r\ndelete 7', 'x'.repeat(199)]) {
      for (const call of [
        driver.put(name, BODY, OPTIONS),
        driver.putMany(name, [{ body: BODY, options: OPTIONS }]),
        driver.consume([name], 1),
        driver.stats(name),
        driver.kick(name, 1),
        driver.delete(name, '7'),
        driver.pause(name, 0),
        driver.flush(name),
        driver.setUp(name),
        driver.peek(name, 'ready', 1),
      ]) {
        await rejection(call, InvalidOptionError);
      }
    }
    const kicked = driver.kick('mail', 3);
    await peer.takes('kick 3\r\n');
    peer.sends('KICKED 1\r\n');
    expect(await kicked).to.equal(1);
  });

  it('consumes at least one queue', async () => {
    expect((await rejection(driver.consume([], 1), InvalidOptionError)).message).to.equal(
      'the queues to consume must be an array of at least one name, got an empty array',
    );
  });

  it('consumes a queue once, though it is named twice', async () => {
    const consumer = await driver.consume(['mail', 'mail'], 1);
    void consumer.reserve();
    await (await server().peer()).takes('watch p-mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    await consumer.close();
  });

  it('takes no reserve of a consumer once it is closed', async () => {
    const consumer = await driver.consume(['mail'], 1);
    await driver.close();
    await rejection(consumer.reserve(), DriverClosedError);
    expect(server().connections).to.equal(0);
  });

  it('shows one message of a state at most, and says so', async () => {
    expect((await rejection(driver.peek('mail', 'ready', 2), UnsupportedError)).message).to.equal(
      'beanstalkd shows only the first message of a state, not 2: ask for one',
    );
    expect(await driver.peek('mail', 'ready', 0)).to.deep.equal([]);
    expect(server().connections).to.equal(0);
  });

  it('deletes a message only out of its own queue', async () => {
    const peer = await ready();
    const deleted = driver.delete('mail', '7');
    await peer.takes('stats-job 7\r\n');
    peer.sends(jobStats({ tube: 'p-sms' }));
    expect(await deleted).to.equal(false);
    expect(peer.unread).to.equal('');
  });

  it('comes back after the connection was lost: what was in flight has rejected, what is called meanwhile waits', async () => {
    const first = await ready();
    const lost = rejection(driver.put('mail', BODY, OPTIONS), EngineError);
    await first.takes('put 5 2 90 2\r\nhi\r\n');
    first.ends();
    expect(await lost).to.include({ retryable: true, outcome: 'unknown' });
    expect((await lost).cause).to.include({ code: 'CONNECTION_LOST', sent: true });
    const put = driver.put('sms', BODY, OPTIONS);
    const second = await server().peer('p-mail');
    await second.takes('use p-sms\r\nput 5 2 90 2\r\nhi\r\n');
    second.sends('USING p-sms\r\nINSERTED 7\r\n');
    expect(await put).to.equal('7');
  });

  it('tries to connect anew after it could not', async () => {
    await server().close();
    for (let n = 0; n < 2; n++) {
      const error = await rejection(driver.stats('mail'), EngineError);
      expect(error).to.include({ retryable: true, outcome: 'nothing' });
      expect(error.cause).to.include({ code: 'CONNECTION_LOST', sent: false });
    }
  });

  it('closes its connection in order, and its consumers with it', async () => {
    const peer = await ready();
    const consumer = await driver.consume(['mail'], 1);
    const reserving = consumer.reserve();
    await (await server().peer()).takes('watch p-mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    const put = driver.put('mail', BODY, OPTIONS);
    const closed = driver.close();
    expect(await reserving).to.equal(null);
    await peer.takes('put 5 2 90 2\r\nhi\r\n');
    peer.sends('INSERTED 7\r\n');
    expect(await put).to.equal('7');
    await peer.takes('quit\r\n');
    peer.ends();
    await closed;
    for (const call of [driver.put('mail', BODY, OPTIONS), driver.consume(['mail'], 1), driver.stats('mail')]) {
      await rejection(call, DriverClosedError);
    }
    expect(server().connections).to.equal(2);
  });

  it('can be closed before it has connected', async () => {
    await driver.close();
    await rejection(driver.put('mail', BODY, OPTIONS), DriverClosedError);
    expect(server().connections).to.equal(0);
  });
});
