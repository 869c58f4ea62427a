import { expect } from 'chai';
import { MemoryConsumer } from '../../../src/drivers/memory/consumer.js';
import { openMemory } from '../../../src/drivers/memory/driver.js';
import { MemoryEngine } from '../../../src/drivers/memory/engine.js';
import { createMessage } from '../../../src/drivers/memory/message.js';
import type { MemoryQueue } from '../../../src/drivers/memory/queue.js';
import type { Driver, PutItem } from '../../../src/queue/driver.js';
import { DriverClosedError, InvalidOptionError } from '../../../src/queue/errors.js';
import { countsOf } from '../../support/counts.js';
import { rejection, thrown } from '../../support/failures.js';
import { counts, failure, first, hold, PLAIN, put, reserve, settle } from './messages.js';

const open = (url = 'memory:', prefix = ''): Driver => openMemory(url, { prefix });

const ready = async (driver: Driver, queue?: string): Promise<number> => (await counts(driver, queue)).ready;

describe('The memory driver', () => {
  it('opens an engine for each driver that names none', async () => {
    const [one, other] = [open('memory:'), open('memory:')];
    await put(one, 'a');
    expect([await ready(one), await ready(other)]).to.deep.equal([1, 0]);
  });

  it('opens one engine for all drivers that name it, and another for another name', async () => {
    const [one, same, other] = [open('memory:one'), open('memory://one'), open('memory:two')];
    await put(one, 'a');
    expect([await ready(same), await ready(other)]).to.deep.equal([1, 0]);
    await Promise.all([one, same, other].map((driver) => driver.close()));
  });

  it('keeps an engine that has a name until the last of its drivers is closed', async () => {
    const [one, same] = [open('memory:one'), open('memory:one')];
    await put(one, 'a');
    await one.close();
    await one.close();
    const third = open('memory:one');
    expect(await ready(third)).to.equal(1);
    await Promise.all([same.close(), third.close()]);
    const later = open('memory:one');
    expect(await ready(later)).to.equal(0);
    await later.close();
  });

  it('refuses what names no memory engine', () => {
    for (const url of ['memory', 'memory:a b', 'memory:one?size=3', 'sqlite:one', 'memory:a/b']) {
      expect(thrown(() => open(url), InvalidOptionError).message).to.equal(
        `the URL of a memory engine must be memory: or memory:name, a name of A-Z a-z 0-9 _ . -, with no option but prefix, got ${JSON.stringify(url)}`,
      );
    }
  });

  it('refuses a name that is too long behind its prefix, whatever is to be done', async () => {
    const driver = open('memory:', 'x'.repeat(100));
    const name = 'y'.repeat(101);
    for (const call of [
      () => put(driver, 'a', {}, name),
      () => driver.stats([name]),
      () => driver.consume(['mail', name]),
      () => driver.list(name, { state: 'ready', limit: 1 }),
      () => driver.move?.('mail', name, ['1']) ?? Promise.resolve(),
      () => driver.pause(name, 1000),
    ]) {
      expect((await rejection(call(), InvalidOptionError)).message).to.match(/^a queue name must be at most 100/);
    }
  });

  it('refuses a prefix that could stand before no queue on every engine', () => {
    for (const prefix of ['-a', 'a b', 'a?b', 'ä', 'x'.repeat(200)]) {
      expect(thrown(() => open('memory:', prefix), InvalidOptionError).message).to.match(/^a prefix must be /);
    }
  });

  it('keeps installations with a prefix apart', async () => {
    const [staging, whole] = [open('memory:one', 'staging-'), open('memory:one')];
    await put(staging, 'a');
    expect([await ready(whole), await ready(whole, 'staging-mail')]).to.deep.equal([0, 1]);
    await put(whole, 'b', {}, 'other');
    expect(await staging.queues()).to.deep.equal(['mail']);
    expect(await reserve(await staging.consume(['mail']))).to.include({ queue: 'mail' });
    await Promise.all([staging.close(), whole.close()]);
  });

  it('says of what is closed that it is', async () => {
    const driver = open();
    const consumer = await driver.consume(['mail']);
    await consumer.close();
    expect((await rejection(consumer.reserve(), DriverClosedError)).message).to.equal(
      'cannot reserve: the consumer is closed',
    );
    await driver.close();
    expect((await rejection(driver.queues(), DriverClosedError)).message).to.equal(
      'cannot use the driver: it is closed',
    );
  });

  it('lists no empty queue that is only prepared or consumed, and one that is paused', async () => {
    const driver = open();
    await driver.setUp('a');
    await driver.consume(['b']);
    await driver.pause('c', 60_000);
    expect(await driver.queues()).to.deep.equal(['c']);
    await driver.pause('c', 0);
    expect(await driver.queues()).to.deep.equal([]);
  });

  it('keeps the failure of a message that is released, while later releases and its retry tell of none', async () => {
    const driver = open();
    const consumer = await driver.consume(['mail']);
    const held = await hold(driver, consumer, 'a');
    await settle(consumer, 'release', held, {
      failure: failure('no luck'),
      delayMs: 60_000,
    });
    const stored = await driver.find('mail', held.jobId);
    expect([stored?.state, stored?.failure?.message, stored?.attempts]).to.deep.equal(['delayed', 'no luck', 1]);
    await driver.promote('mail', { limit: 1 });
    await settle(consumer, 'release', await reserve(consumer), { counted: false });
    expect((await driver.find('mail', held.jobId))?.failure?.message).to.equal('no luck');
    await settle(consumer, 'bury', await reserve(consumer));
    expect((await driver.find('mail', held.jobId))?.failure).to.equal(undefined);
  });

  it('takes back a delivery that is released uncounted, and those of a consumer that is closed', async () => {
    const driver = open();
    const consumer = await driver.consume(['mail']);
    const held = await hold(driver, consumer, 'a');
    await settle(consumer, 'release', held, { counted: false });
    expect((await reserve(consumer)).attempt).to.equal(1);
    await consumer.close();
    expect((await reserve(await driver.consume(['mail']))).attempt).to.equal(1);
  });

  it('settles many messages in one call, tells of each whether it did, and rejects for none', async () => {
    const driver = open();
    const consumer = await driver.consume(['mail']);
    const a = await hold(driver, consumer, 'a');
    const b = await hold(driver, consumer, 'b');
    const c = await hold(driver, consumer, 'c');
    const d = await hold(driver, consumer, 'd');
    const results = consumer.settle([
      { kind: 'ack', message: a },
      { kind: 'bury', message: b },
      { kind: 'ack', message: b },
      { kind: 'release', message: c, delayMs: 60_000 },
      { kind: 'ack', message: { ...d } },
    ]);
    expect(await counts(driver), 'before it is awaited').to.deep.equal({
      ready: 0,
      delayed: 1,
      reserved: 1,
      buried: 1,
    });
    const errors = (await results).map(({ error }) => error?.message);
    expect(errors).to.deep.equal([
      undefined,
      undefined,
      `cannot settle or renew message ${b.jobId} of queue "mail": it is no longer held: it was buried`,
      undefined,
      `cannot settle or renew message ${d.jobId} of queue "mail": it was not reserved from this engine`,
    ]);
    expect((await consumer.touch([a, d])).map(({ error }) => error?.name)).to.deep.equal(['LeaseLostError', undefined]);
  });

  it('reserves as many as are there, up to the number that is asked for, in turn from each queue', async () => {
    const driver = open();
    for (const body of ['a', 'b', 'c']) await put(driver, body);
    await put(driver, 'other', {}, 'other');
    const consumer = await driver.consume(['mail', 'other'], { concurrency: 3 });
    const take = async (): Promise<string[]> =>
      (await consumer.reserve({ max: 3, timeoutMs: 0 })).map(({ body }) => body.toString());
    expect(await take()).to.deep.equal(['a', 'other', 'b']);
    expect(await take()).to.deep.equal(['c']);
    expect(await take()).to.deep.equal([]);
  });

  it('counts each of several queues, in order', async () => {
    const driver = open();
    await put(driver, 'a');
    await put(driver, 'b', { delayMs: 60_000 }, 'other');
    const stats = await driver.stats(['other', 'none', 'mail']);
    expect(stats.map((counted) => counted && countsOf(counted))).to.deep.equal([
      { ready: 0, delayed: 1, reserved: 0, buried: 0 },
      null,
      { ready: 1, delayed: 0, reserved: 0, buried: 0 },
    ]);
  });

  it('delivers the most urgent of messages that are put together to the reserve that waits', async () => {
    const driver = open();
    const reserving = (await driver.consume(['mail'])).reserve();
    const item = (priority: number, queue = 'mail'): PutItem => {
      return { queue, body: Buffer.from('a'), options: { ...PLAIN, priority } };
    };
    const { atomic, stored } = await driver.put([item(5), item(0, 'other'), item(1), item(3)]);
    expect(first(await reserving).jobId).to.equal(stored[2]?.jobId);
    expect([atomic, stored.map(({ isNew }) => isNew)]).to.deep.equal([true, [true, true, true, true]]);
    expect([await ready(driver), await ready(driver, 'other')]).to.deep.equal([2, 1]);
  });

  it('stores none of the messages that are put together where one cannot be', async () => {
    const driver = open('memory:', 'x'.repeat(100));
    const item = (queue: string): PutItem => ({ queue, body: Buffer.from('a'), options: PLAIN });
    await rejection(driver.put([item('mail'), item('y'.repeat(101))]), InvalidOptionError);
    expect(await driver.queues()).to.deep.equal([]);
  });

  it('takes one message for a reserve that waits for several queues', async () => {
    const driver = open();
    const both = await driver.consume(['mail', 'other']);
    const reserving = both.reserve();
    await put(driver, 'a', {}, 'other');
    await put(driver, 'b');
    expect(first(await reserving)).to.include({ queue: 'other' });
    expect(await counts(driver)).to.include({ ready: 1, reserved: 0 });
  });

  it('forgets queues that nobody uses any more', async () => {
    const engine = new MemoryEngine();
    const [used, paused, full] = ['used', 'paused', 'full'].map((name) => engine.queue(name));
    const names = new Map([used, engine.queue('left')].map((queue) => [queue as MemoryQueue, '']));
    await new MemoryConsumer(names, 'fair', engine.eventLoop, () => {}).close();
    new MemoryConsumer(new Map([[used as MemoryQueue, '']]), 'fair', engine.eventLoop, () => {});
    paused?.pause(60_000);
    const item = { queue: 'full', body: Buffer.alloc(0), options: PLAIN };
    full?.put([createMessage(item, 1, Date.now(), performance.now())], performance.now());
    for (let n = 0; n < 2000; n++) {
      engine.queue(`reply-${n}`);
      await Promise.resolve();
    }
    expect([engine.find('reply-0'), engine.find('left')]).to.deep.equal([undefined, undefined]);
    expect(engine.find('reply-1999')).not.to.equal(undefined);
    expect(['used', 'paused', 'full'].map((name) => engine.find(name))).to.deep.equal([used, paused, full]);
    engine.stop();
  });

  it('forgets no queue that one call has asked for beside others', async () => {
    const driver = open();
    // Enough that idle queues are forgotten somewhere among these.
    const names = Array.from({ length: 5000 }, (_, n) => `reply-${n}`);
    await driver.put(names.map((queue) => ({ queue, body: Buffer.alloc(0), options: PLAIN })));
    expect(await driver.queues()).to.have.length(5000);
    const consumer = await driver.consume(names.map((name) => `later-${name}`));
    const reserving = consumer.reserve();
    await put(driver, 'a', {}, 'later-reply-1');
    expect(first(await reserving).queue).to.equal('later-reply-1');
  });
});
