import { expect } from 'chai';
import type { Client } from '../src/client/client.js';
import type { Driver, PutOptions } from '../src/queue/driver.js';
import { EngineError } from '../src/queue/errors.js';
import { consume, putOne, statsOf } from '../test/support/one-message.js';
import { onOwnQueues } from './support/queues.js';
import { rejects } from './support/rejects.js';
import { until } from './support/until.js';

const OPTIONS: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };
/** One that publishes, one that polls, and eight that each hold a message which was waited for. */
const MOST_CONNECTIONS = 10;

const ALL = ['ready', 'delayed', 'buried'] as const;

describe('The beanstalkd driver', () => {
  const queues = onOwnQueues();
  let driver: Driver;
  let queue: string;
  let control: Client;

  beforeEach(async () => {
    driver = queues.open();
    queue = queues.name();
    control = await queues.fixture.connect();
  });

  const put = (body: string, options: Partial<PutOptions> = {}, name = queue): Promise<string> =>
    putOne(driver, name, Buffer.from(body), { ...OPTIONS, ...options });

  /** Without the one that asks. */
  async function connections(): Promise<number> {
    return (await control.stats()).currentConnections - 1;
  }

  it('opens few connections for a consumer that is made for each of 2000 requests, and never closed', async () => {
    const before = (await control.stats()).totalConnections;
    for (let n = 0; n < 2000; n++) {
      expect(await (await consume(driver, [queue])).reserve({ timeoutMs: 0 })).to.equal(null);
    }
    expect((await control.stats()).totalConnections - before).to.be.at.most(MOST_CONNECTIONS);
  });

  it('opens few connections for 200 reserves at once, whose messages come one after another', async () => {
    const own = await consume(driver, [queue]);
    const reserving = Array.from({ length: 200 }, () => own.reserve());
    for (let n = 0; n < 200; n++) await put(String(n));
    const held = await Promise.all(reserving);
    expect(new Set(held.map((each) => each?.jobId)).size).to.equal(200);
    expect(await connections()).to.be.at.most(MOST_CONNECTIONS);
    for (const each of held) await each?.ack();
  });

  it('closes connections that nobody uses', async () => {
    await put('a');
    const own = await consume(driver, [queue]);
    await (await own.reserve())?.ack();
    await until('only the one that publishes is left', async () => (await connections()) === 1);
  });

  it('flushes what was there when it began, though somebody goes on publishing', async () => {
    for (let n = 0; n < 300; n++) await put('old', { priority: n % 3, delayMs: n % 5 === 0 ? 60_000 : 0 });
    let isFlushing = true;
    const younger: string[] = [];
    const publishing = (async () => {
      // More urgent than all the others: they stand before what is to be removed.
      while (isFlushing) younger.push(await putOne(driver, queue, Buffer.from('young'), { ...OPTIONS, priority: 0 }));
    })();
    const flushed = await driver.flush(queue, ALL);
    isFlushing = false;
    await publishing;
    expect(flushed).to.be.within(300, 300 + younger.length);
    const stats = await statsOf(driver, queue);
    expect(stats).to.include({ delayed: 0, ready: 300 + younger.length - flushed });
    expect((await driver.queues()).filter((name) => name.startsWith('haricot.'))).to.deep.equal([]);
  });

  it('keeps the pause of a queue that is empty and unused', async () => {
    await driver.pause(queue, 60_000);
    await putOne(queues.open(), queue, Buffer.from('a'), OPTIONS);
    const consumer = await consume(driver, [queue]);
    expect(await consumer.reserve({ timeoutMs: 0 })).to.equal(null);
    await driver.pause(queue, 0);
    expect((await consumer.reserve({ timeoutMs: 60_000 }))?.body.toString()).to.equal('a');
  });

  it('says before the first byte that a message is too large, and stores none of the others', async () => {
    const items = ['a', 'x'.repeat(100_000), 'c'].map((body) => ({ queue, body: Buffer.from(body), options: OPTIONS }));
    const error = await rejects(driver.put(items), EngineError);
    expect(error).to.include({ retryable: false, outcome: 'nothing' });
    expect(error.message).to.match(/100000 bytes.*max-job-size is 65535/);
    expect(await statsOf(driver, queue)).to.equal(null);
  });

  for (const order of ['fair', 'strict'] as const) {
    it(`takes every message of 60 queues once, in ${order} order, down few connections`, async () => {
      const names = Array.from({ length: 60 }, () => queues.name());
      for (const name of names) for (let n = 0; n < 5; n++) await put(name, {}, name);
      const consumer = await consume(driver, names, { order });
      const came: string[] = [];
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let next = await consumer.reserve({ timeoutMs: 0 }); next; ) {
            expect(next.body.toString()).to.equal(next.queue);
            came.push(next.queue);
            await next.ack();
            next = await consumer.reserve({ timeoutMs: 0 });
          }
        }),
      );
      expect(came).to.have.length(300);
      for (const name of names) expect(came.filter((each) => each === name)).to.have.length(5);
      expect(await connections()).to.be.at.most(MOST_CONNECTIONS);
    });
  }
});

describe('The beanstalkd driver on a server with a log', () => {
  const queues = onOwnQueues({ binlog: true });

  it('stores no message that a restart would lose, with all that were stored behind it', async () => {
    const driver = queues.open();
    const queue = queues.name();
    for (const size of [65_535, 65_534]) {
      const error = await rejects(putOne(driver, queue, Buffer.alloc(size), OPTIONS), EngineError);
      expect(error).to.include({ retryable: false, outcome: 'nothing' });
    }
    const ids = [await putOne(driver, queue, Buffer.alloc(65_533), OPTIONS)];
    ids.push(await putOne(driver, queue, Buffer.from('behind'), OPTIONS));
    await queues.close();
    await queues.fixture.server.restart();
    const consumer = await consume(queues.open(), [queue]);
    for (const id of ids) expect((await consumer.reserve({ timeoutMs: 0 }))?.jobId).to.equal(id);
  });
});
