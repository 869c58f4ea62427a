import { toFailure } from '../../../src/queue/failure.js';
import '../../support/unheeded-rejections.js';
import { expect } from 'chai';
import { MemoryConsumer } from '../../../src/drivers/memory/consumer.js';
import { openMemory } from '../../../src/drivers/memory/driver.js';
import { MemoryEngine } from '../../../src/drivers/memory/engine.js';
import type { MemoryQueue } from '../../../src/drivers/memory/queue.js';
import type { Driver } from '../../../src/queue/driver.js';
import { DriverClosedError, InvalidOptionError } from '../../../src/queue/errors.js';
import { countsOf } from '../../support/counts.js';
import { rejection, thrown } from '../../support/failures.js';

const PLAIN = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

const open = (url: string, prefix = ''): Driver => openMemory(url, { prefix });
const put = (driver: Driver, body: string, queue = 'mail'): Promise<string> =>
  driver.put(queue, Buffer.from(body), PLAIN);
const ready = async (driver: Driver, queue = 'mail'): Promise<number> => countsOf(await driver.stats(queue)).ready;

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

  it('refuses a name that could be no queue on every engine, whatever is to be done', async () => {
    const driver = open('memory:');
    for (const call of [
      () => put(driver, 'a', '-x'),
      () => driver.stats(''),
      () => driver.consume(['mail', 'a b'], 1),
      () => driver.pause('ä', 1000),
    ]) {
      expect((await rejection(call(), InvalidOptionError)).message).to.match(/^a queue name must be/);
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
    await put(whole, 'b', 'other');
    expect(await staging.queues()).to.deep.equal(['mail']);
    const reservation = await (await staging.consume(['mail'], 1)).reserve({ timeoutMs: 0 });
    expect(reservation?.queue).to.equal('mail');
    await Promise.all([staging.close(), whole.close()]);
  });

  it('says of what is closed that it is', async () => {
    const driver = open('memory:');
    const consumer = await driver.consume(['mail'], 1);
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
    const driver = open('memory:');
    await driver.setUp('a');
    await driver.consume(['b'], 1);
    await driver.pause('c', 60_000);
    expect(await driver.queues()).to.deep.equal(['c']);
    await driver.pause('c', 0);
    expect(await driver.queues()).to.deep.equal([]);
  });

  it('begins the attempts of a message anew when it is kicked', async () => {
    const driver = open('memory:');
    const consumer = await driver.consume(['mail'], 1);
    await put(driver, 'a');
    await (await consumer.reserve())?.release();
    await (await consumer.reserve())?.bury({ failure: toFailure('unfit', { reason: 'attempts', attempt: 1 }) });
    await driver.kick('mail', 1);
    expect((await driver.peek('mail', 'ready', 1))[0]?.failure).to.equal(undefined);
    expect((await consumer.reserve())?.attempt).to.equal(1);
  });

  it('shows buried messages in the order of their burial, and kicks the first buried first', async () => {
    const driver = open('memory:');
    const consumer = await driver.consume(['mail'], 3);
    for (const body of ['a', 'b', 'c']) await put(driver, body);
    const [a, b, c] = [await consumer.reserve(), await consumer.reserve(), await consumer.reserve()];
    for (const reservation of [c, a, b]) await reservation?.bury();
    const bodies = async (): Promise<string[]> =>
      (await driver.peek('mail', 'buried', 2)).map(({ body }) => body.toString());
    expect(await bodies()).to.deep.equal(['c', 'a']);
    await driver.kick('mail', 1);
    expect(await bodies()).to.deep.equal(['a', 'b']);
  });

  it('delivers the most urgent of messages that are put together to the reserve that waits', async () => {
    const driver = open('memory:');
    const reserving = (await driver.consume(['mail'], 1)).reserve();
    const item = (priority: number) => ({ body: Buffer.from('a'), options: { ...PLAIN, priority } });
    const ids = await driver.putMany('mail', [item(5), item(1), item(3)]);
    expect((await reserving)?.id).to.equal(ids[1]);
  });

  it('takes one message for a reserve that waits for several queues', async () => {
    const driver = open('memory:');
    const both = await driver.consume(['mail', 'other'], 1);
    const reserving = both.reserve();
    await put(driver, 'a', 'other');
    await put(driver, 'b');
    expect(await reserving).to.include({ queue: 'other' });
    expect(countsOf(await driver.stats('mail'))).to.include({ ready: 1, reserved: 0 });
  });

  it('shows delayed messages that are due in the same moment in order of publication', async () => {
    const driver = open('memory:');
    const body = Buffer.from('a');
    const items = Array.from({ length: 20 }, () => ({ body, options: { ...PLAIN, delayMs: 60_000 } }));
    const ids = await driver.putMany('mail', items);
    expect((await driver.peek('mail', 'delayed', 20)).map(({ id }) => id)).to.deep.equal(ids);
  });

  it('refuses a priority that there is not, and the message is still held', async () => {
    const driver = open('memory:');
    await put(driver, 'a');
    const consumer = await driver.consume(['mail'], 1);
    const reservation = await consumer.reserve();
    await rejection(reservation?.release({ priority: -1 }) ?? Promise.resolve(), InvalidOptionError);
    await rejection(reservation?.bury({ priority: 0.5 }) ?? Promise.resolve(), InvalidOptionError);
    expect(countsOf(await driver.stats('mail'))).to.include({ ready: 0, reserved: 1 });
    await consumer.close();
    expect(countsOf(await driver.stats('mail'))).to.include({ ready: 1, reserved: 0 });
  });

  it('forgets queues that nobody uses any more', async () => {
    const engine = new MemoryEngine();
    const [used, paused, full] = ['used', 'paused', 'full'].map((name) => engine.queue(name));
    const names = new Map([used, engine.queue('left')].map((queue) => [queue as MemoryQueue, '']));
    await new MemoryConsumer(names, 'fair', engine.eventLoop, () => {}).close();
    new MemoryConsumer(new Map([[used as MemoryQueue, '']]), 'fair', engine.eventLoop, () => {});
    paused?.pause(60_000);
    full?.put([{ body: Buffer.alloc(0), options: PLAIN }], 1);
    for (let n = 0; n < 2000; n++) engine.queue(`reply-${n}`);
    expect([engine.find('reply-0'), engine.find('left')]).to.deep.equal([undefined, undefined]);
    expect(engine.find('reply-1999')).not.to.equal(undefined);
    expect(['used', 'paused', 'full'].map((name) => engine.find(name))).to.deep.equal([used, paused, full]);
    engine.stop();
  });
});
