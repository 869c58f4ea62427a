import { expect } from 'chai';
import { openBeanstalkd } from '../../../src/drivers/beanstalkd/driver.js';
import { InvalidArgumentError } from '../../../src/protocol/errors.js';
import type { Driver, PutItem, PutOptions, StoredItem } from '../../../src/queue/driver.js';
import { DriverClosedError, EngineError, InvalidOptionError } from '../../../src/queue/errors.js';
import { rejection, thrown } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { jobStats, useWireServer } from '../../support/wire-server.js';

const OPTIONS: PutOptions = { priority: 5, delayMs: 1500, ttrMs: 90_000 };
const BODY = Buffer.from('hi');
const item = (queue: string): PutItem => ({ queue, body: BODY, options: OPTIONS });
const stored = (jobId: string): StoredItem => ({ jobId, isNew: true });

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

  async function put(queue: string): Promise<string | undefined> {
    const { stored } = await driver.put([item(queue)]);
    return stored[0]?.jobId;
  }

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
    expect(driver).to.include({ system: 'beanstalkd' });
    expect(driver.capabilities.list).to.include({ ready: 'first', buried: 'any', reserved: 'none' });
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
    const putting = put('mail');
    const peer = await server().peer();
    await peer.takes('use p-mail\r\nput 5 2 90 2\r\nhi\r\n');
    peer.sends('USING p-mail\r\nINSERTED 7\r\n');
    expect(await putting).to.equal('7');
  });

  it('changes the tube only when it must, and in one write with what needs it', async () => {
    const peer = await ready();
    for (const queue of ['mail', 'mail', 'sms', 'mail']) void put(queue).catch(() => {});
    await peer.takes('put 5 2 90 2\r\nhi\r\n');
    expect(peer.unread).to.equal(
      'put 5 2 90 2\r\nhi\r\nuse p-sms\r\nput 5 2 90 2\r\nhi\r\nuse p-mail\r\nput 5 2 90 2\r\nhi\r\n',
    );
  });

  it('makes one connection, however much is asked at once', async () => {
    const puts = Promise.all([put('mail'), driver.put([item('mail'), item('mail')])]);
    const peer = await server().peer();
    await peer.takes('use p-mail\r\nput 5 2 90 2\r\nhi\r\n'.concat('put 5 2 90 2\r\nhi\r\n'.repeat(2)));
    peer.sends('USING p-mail\r\nINSERTED 1\r\nINSERTED 2\r\nINSERTED 3\r\n');
    expect(await puts).to.deep.equal(['1', { atomic: false, stored: [stored('2'), stored('3')] }]);
    expect(server().connections).to.equal(1);
  });

  it('sends nothing for a queue that can have no tube: it would go into the one in use', async () => {
    const peer = await ready();
    for (const name of ['', '-mail', 'mail box', 'mail\r\ndelete 7', 'x'.repeat(199)]) {
      for (const call of [
        put(name),
        driver.consume([name]),
        driver.stats(['mail', name]),
        driver.retry(name, { limit: 1 }),
        driver.promote(name, { ids: ['7'] }),
        driver.delete(name, ['7']),
        driver.pause(name, 0),
        driver.flush(name, ['ready']),
        driver.setUp(name),
        driver.list(name, { state: 'ready', limit: 1 }),
        driver.find(name, '7'),
      ]) {
        await rejection(call, InvalidOptionError);
      }
    }
    const put7 = put('mail');
    await peer.takes('put 5 2 90 2\r\nhi\r\n');
    peer.sends('INSERTED 7\r\n');
    expect(await put7).to.equal('7');
  });

  it('consumes a queue once, though it is named twice', async () => {
    const consumer = await driver.consume(['mail', 'mail']);
    void consumer.reserve();
    await (await server().peer()).takes('watch p-mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    await consumer.close();
  });

  it('takes no reserve of a consumer once it is closed', async () => {
    const consumer = await driver.consume(['mail']);
    await driver.close();
    await rejection(consumer.reserve(), DriverClosedError);
    expect(server().connections).to.equal(0);
  });

  it('refuses an id that the server cannot have given, and sends nothing', async () => {
    const peer = await ready();
    for (const jobId of ['abc', '-1', '1.5', '0', '18446744073709551616', '7\r\ndelete 8']) {
      for (const call of [
        driver.find('mail', jobId),
        driver.delete('mail', ['7', jobId]),
        driver.retry('mail', { ids: [jobId] }),
        driver.retry('mail', { ids: [jobId], body: BODY }),
        driver.promote('mail', { ids: [jobId] }),
      ]) {
        await rejection(call, InvalidOptionError);
      }
    }
    expect(peer.unread).to.equal('');
  });

  it('touches a message only in its own queue', async () => {
    const peer = await ready();
    const calls: (() => Promise<number | null | object>)[] = [
      () => driver.delete('mail', ['7']),
      () => driver.retry('mail', { ids: ['7'] }),
      () => driver.promote('mail', { ids: ['7'] }),
    ];
    for (const call of calls) {
      const result = call();
      await peer.takes('stats-job 7\r\n');
      peer.sends(jobStats({ tube: 'p-sms' }));
      expect(await result).to.equal(0);
    }
    expect(peer.unread).to.equal('');
  });

  it('asks about many messages, and acts on them, in one write each', async () => {
    const peer = await ready();
    const deleted = driver.delete('mail', ['7', '8', '9']);
    await peer.takes('stats-job 7\r\nstats-job 8\r\nstats-job 9\r\n');
    peer.sends(`${jobStats({ tube: 'p-mail' })}NOT_FOUND\r\n${jobStats({ tube: 'p-mail' })}`);
    await peer.takes('delete 7\r\ndelete 9\r\n');
    peer.sends('DELETED\r\nNOT_FOUND\r\n');
    expect(await deleted).to.equal(1);
  });

  it('counts the messages of several queues in one write', async () => {
    const peer = await ready();
    const stats = driver.stats(['mail', 'sms']);
    await peer.takes('stats-tube p-mail\r\nstats-tube p-sms\r\n');
    const text =
      '---\ncurrent-jobs-ready: 1\ncurrent-jobs-delayed: 2\ncurrent-jobs-reserved: 3\ncurrent-jobs-buried: 4\npause: 0\n';
    peer.sends(`OK ${text.length}\r\n${text}\r\nNOT_FOUND\r\n`);
    expect(await stats).to.deep.equal([{ ready: 1, delayed: 2, reserved: 3, buried: 4, pausedUntil: null }, null]);
  });

  it('comes back after the connection was lost: what was in flight has rejected, what is called meanwhile waits', async () => {
    const first = await ready();
    const lost = rejection(put('mail'), EngineError);
    await first.takes('put 5 2 90 2\r\nhi\r\n');
    first.ends();
    expect(await lost).to.include({ retryable: true, outcome: 'unknown' });
    expect((await lost).cause).to.include({ code: 'CONNECTION_LOST', sent: true });
    const putting = put('sms');
    const second = await server().peer('p-mail');
    await second.takes('use p-sms\r\nput 5 2 90 2\r\nhi\r\n');
    second.sends('USING p-sms\r\nINSERTED 7\r\n');
    expect(await putting).to.equal('7');
  });

  it('tries to connect anew after it could not', async () => {
    await server().close();
    for (let n = 0; n < 2; n++) {
      const error = await rejection(driver.stats(['mail']), EngineError);
      expect(error).to.include({ retryable: true, outcome: 'nothing' });
      expect(error.cause).to.include({ code: 'CONNECTION_LOST', sent: false });
    }
  });

  it('closes its connection in order, and its consumers with it', async () => {
    const peer = await ready();
    const consumer = await driver.consume(['mail']);
    const reserving = consumer.reserve();
    await (await server().peer()).takes('watch p-mail\r\nignore default\r\nreserve-with-timeout 30\r\n');
    const putting = put('mail');
    const closed = driver.close();
    expect(await reserving).to.deep.equal([]);
    await peer.takes('put 5 2 90 2\r\nhi\r\n');
    peer.sends('INSERTED 7\r\n');
    expect(await putting).to.equal('7');
    await peer.takes('quit\r\n');
    peer.ends();
    await closed;
    for (const call of [put('mail'), driver.consume(['mail']), driver.stats(['mail'])]) {
      await rejection(call, DriverClosedError);
    }
    expect(server().connections).to.equal(2);
  });

  it('can be closed before it has connected', async () => {
    await driver.close();
    await rejection(put('mail'), DriverClosedError);
    expect(server().connections).to.equal(0);
  });
});
