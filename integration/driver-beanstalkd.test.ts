import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { MessageState } from '../src/queue/capabilities.js';
import type { Driver, PutOptions } from '../src/queue/driver.js';
import { countsOf } from '../test/support/counts.js';
import { consume, type Held, type OneByOne, putOne, statsOf } from '../test/support/one-message.js';
import { onSharedQueues } from './support/queues.js';
import { rejects } from './support/rejects.js';

const OPTIONS: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };
const AT_ONCE = { timeoutMs: 0 };

const ALL = ['ready', 'delayed', 'buried'] as const;

describe('The beanstalkd driver', () => {
  const queues = onSharedQueues();
  let driver: Driver;
  let queue: string;
  let consumer: OneByOne;

  beforeEach(async () => {
    driver = queues.open();
    queue = queues.name();
    consumer = await consume(driver, [queue]);
  });

  function put(body: string | Uint8Array, options: Partial<PutOptions> = {}): Promise<string> {
    return putOne(driver, queue, Buffer.from(body), { ...OPTIONS, ...options });
  }

  /** The next message, which must be there already. */
  async function reserve(from = consumer): Promise<Held> {
    const reservation = await from.reserve(AT_ONCE);
    if (reservation === null) throw new Error('no message');
    return reservation;
  }

  it('delivers what was put, with all there is to know', async () => {
    const id = await put('hello', { ttrMs: 90_000 });
    const reservation = await reserve();
    expect(reservation).to.deep.include({ jobId: id, queue, body: Buffer.from('hello'), attempt: 1, ttrMs: 90_000 });
    expect(reservation.lost.aborted).to.equal(false);
  });

  it('delivers bodies as they are, to the byte', async () => {
    const bodies = ['', '\r\n', 'RESERVED 1 5\r\n', Buffer.from([...Array(256).keys()]), Buffer.alloc(65_000, 7)];
    for (const body of bodies) await put(body);
    for (const body of bodies) {
      const reservation = await reserve();
      expect(reservation.body.equals(Buffer.from(body))).to.equal(true);
      await reservation.ack();
    }
  });

  /** Of the messages that are shown. */
  async function bodies(state: MessageState): Promise<string[]> {
    return (await driver.list(queue, { state, limit: 1 })).messages.map(({ body }) => body.toString());
  }

  it('removes a message that is acknowledged', async () => {
    await put('a');
    await (await reserve()).ack();
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
  });

  it('delivers the lowest priority first, and among equals the oldest', async () => {
    for (const [body, priority] of [
      ['d', 4_294_967_295],
      ['b', 5],
      ['c', 5],
      ['a', 0],
    ] as const) {
      await put(body, { priority });
    }
    const order: string[] = [];
    for (let n = 0; n < 4; n++) {
      const reservation = await reserve();
      order.push(reservation.body.toString());
      await reservation.ack();
    }
    expect(order).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('keeps messages that are put together in order, and answers their ids in order', async () => {
    const items = Array.from({ length: 1000 }, (_, n) => ({ queue, body: Buffer.from(String(n)), options: OPTIONS }));
    const ids = (await driver.put(items)).stored.map(({ jobId }) => jobId);
    expect(new Set(ids).size).to.equal(1000);
    for (let n = 0; n < 1000; n++) {
      const reservation = await reserve();
      expect([reservation.jobId, reservation.body.toString()]).to.deep.equal([ids[n], String(n)]);
      await reservation.ack();
    }
  });

  it('delivers a delayed message no earlier, though the delay is no whole number of seconds', async () => {
    const start = performance.now();
    await put('later', { delayMs: 1 });
    expect(countsOf(await statsOf(driver, queue)).delayed).to.equal(1);
    expect((await consumer.reserve())?.body.toString()).to.equal('later');
    expect(performance.now() - start).to.be.at.least(990);
  });

  it('waits for a message as long as it is told, rounded up to a second', async () => {
    const start = performance.now();
    expect(await consumer.reserve({ timeoutMs: 1 })).to.equal(null);
    expect(performance.now() - start).to.be.at.least(990);
  });

  it('delivers to several reserves at once', async () => {
    const reserving = [consumer.reserve(), consumer.reserve(), consumer.reserve()];
    for (const body of ['a', 'b', 'c']) await put(body);
    const bodies = (await Promise.all(reserving)).map((reservation) => reservation?.body.toString());
    expect(bodies.sort()).to.deep.equal(['a', 'b', 'c']);
  });

  it('counts every delivery: after a release, and after the holder was cut off', async () => {
    await put('a');
    const first = await reserve();
    expect(first.attempt).to.equal(1);
    await first.release();
    expect((await reserve()).attempt).to.equal(2);
    await consumer.close();
    const heir = await consume(driver, [queue]);
    expect(await heir.reserve({ timeoutMs: 60_000 })).to.include({ attempt: 3 });
  });

  it('grants a message that is retried a fresh budget, however often', async () => {
    await put('a');
    await (await reserve()).bury();
    expect(await driver.retry(queue, { limit: 1 })).to.equal(1);
    const second = await reserve();
    expect(second.attempt).to.equal(1);
    await second.release();
    const third = await reserve();
    expect(third.attempt).to.equal(2);
    await third.bury();
    await driver.retry(queue, { limit: 1 });
    expect((await reserve()).attempt).to.equal(1);
  });

  it('keeps the priority of a message that is released or buried, unless another is given', async () => {
    await put('a', { priority: 3 });
    await put('b', { priority: 5 });
    await (await reserve()).release();
    expect(await bodies('ready')).to.deep.equal(['a']);
    const first = await reserve();
    await first.bury();
    await driver.retry(queue, { limit: 1 });
    expect(await bodies('ready')).to.deep.equal(['a']);
    await (await reserve()).release({ priority: 9 });
    expect(await bodies('ready')).to.deep.equal(['b']);
  });

  it('holds a message back that is released with a delay', async () => {
    await put('a');
    await (await reserve()).release({ delayMs: 1 });
    const start = performance.now();
    expect(countsOf(await statsOf(driver, queue))).to.include({ ready: 0, delayed: 1 });
    expect(await consumer.reserve()).to.include({ attempt: 2 });
    expect(performance.now() - start).to.be.at.least(900);
  });

  it('puts a message aside that is buried, until it is retried', async () => {
    await put('a');
    await (await reserve()).bury();
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 1 });
    expect(await consumer.reserve(AT_ONCE)).to.equal(null);
    expect(await driver.retry(queue, { limit: 10 })).to.equal(1);
    expect((await reserve()).body.toString()).to.equal('a');
  });

  it('retries as many as it is told, those buried first first, and never what is delayed', async () => {
    await put('delayed', { delayMs: 60_000 });
    for (const body of ['a', 'b', 'c']) await put(body);
    for (let n = 0; n < 3; n++) await (await reserve()).bury();
    expect(await driver.retry(queue, { limit: 2 })).to.equal(2);
    expect([(await reserve()).body.toString(), (await reserve()).body.toString()]).to.deep.equal(['a', 'b']);
    expect([await driver.retry(queue, { limit: 2 }), await driver.retry(queue, { limit: 2 })]).to.deep.equal([1, 0]);
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 1, delayed: 1, reserved: 2, buried: 0 });
  });

  it('promotes as many as it is told, the next due first, and never what is buried', async () => {
    await put('buried');
    await (await reserve()).bury();
    const ids: string[] = [];
    for (const delayMs of [3, 1, 2]) ids.push(await put(`${delayMs}`, { delayMs: delayMs * 100_000 }));
    expect(await driver.promote(queue, { limit: 2 })).to.equal(2);
    expect([(await reserve()).body.toString(), (await reserve()).body.toString()]).to.deep.equal(['1', '2']);
    expect(await driver.promote(queue, { ids: [ids[0] ?? '', ids[0] ?? '', '999999'] })).to.equal(1);
    expect(await driver.promote(queue, { limit: 5 })).to.equal(0);
    expect((await driver.list(queue, { state: 'buried', limit: 1 })).messages).to.have.length(1);
  });

  it('shows the first message that is ready or delayed, with all there is to know, and delivers it to nobody', async () => {
    const before = Date.now();
    const ids = [await put('ready', { priority: 3 }), await put('ready too'), await put('late', { delayMs: 60_000 })];
    const [ready, ...others] = (await driver.list(queue, { state: 'ready', limit: 1 })).messages;
    expect(others).to.deep.equal([]);
    expect(ready).to.deep.include({ jobId: ids[0], queue, state: 'ready', body: Buffer.from('ready') });
    expect(ready).to.include({ priority: 3, ttrMs: 60_000, attempts: 0, dueAt: undefined, failure: undefined });
    expect(ready?.createdAt?.getTime()).to.be.within(before, Date.now());
    const [delayed] = (await driver.list(queue, { state: 'delayed', limit: 1 })).messages;
    expect(delayed).to.include({ jobId: ids[2], state: 'delayed' });
    expect(delayed?.dueAt?.getTime()).to.be.within(before + 60_000, Date.now() + 61_000);
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 2, delayed: 1, reserved: 0, buried: 0 });
    expect(await driver.list(queues.name(), { state: 'ready', limit: 1 })).to.deep.equal({ messages: [] });
  });

  it('finds one message by its id, whatever its state, in its own queue', async () => {
    await put('held');
    const held = await reserve();
    const ids = { ready: await put('ready'), delayed: await put('delayed', { delayMs: 60_000 }), reserved: held.jobId };
    for (const [state, jobId] of Object.entries(ids)) {
      expect(await driver.find(queue, jobId)).to.include({ jobId, queue, state });
      expect(await driver.find(queues.name(), jobId)).to.equal(null);
    }
    expect(await driver.find(queue, held.jobId)).to.include({ attempts: 1 });
    expect(await driver.find(queue, '999999')).to.equal(null);
  });

  it('deletes a message that nobody holds, by its id, out of its own queue', async () => {
    const ids = [await put('ready'), await put('delayed', { delayMs: 60_000 }), await put('buried', { priority: 0 })];
    await (await reserve()).bury();
    expect(await driver.delete(queues.name(), ids)).to.equal(0);
    expect(await driver.delete(queue, [...ids, '999999'])).to.equal(3);
    expect(await driver.delete(queue, ids)).to.equal(0);
    const held = await put('held');
    await reserve();
    expect(await driver.delete(queue, [held])).to.equal(0);
  });

  it('removes only what is in the states that are named when it flushes', async () => {
    for (const body of ['a', 'b']) await put(body);
    await (await reserve()).bury();
    await put('c', { delayMs: 60_000 });
    expect(await driver.flush(queue, ['buried'])).to.equal(1);
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 1, delayed: 1, reserved: 0, buried: 0 });
    expect(await driver.flush(queue, ['delayed', 'ready'])).to.equal(2);
  });

  it('removes all that nobody holds when it flushes, and says how much that was', async () => {
    await put('held', { priority: 0 });
    await put('buried', { priority: 1 });
    const held = await reserve();
    await (await reserve()).bury();
    for (let n = 0; n < 5; n++) await put(String(n), { delayMs: n % 2 === 0 ? 0 : 60_000 });
    expect(await driver.flush(queue, ALL)).to.equal(6);
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 1, buried: 0 });
    await held.ack();
    expect(await driver.flush(queue, ALL)).to.equal(0);
  });

  it('delivers nothing from a queue that is paused, until it is resumed', async () => {
    await driver.pause(queue, 60_000);
    await put('a');
    expect(await consumer.reserve(AT_ONCE)).to.equal(null);
    const reserving = consumer.reserve();
    await driver.pause(queue, 0);
    expect((await reserving)?.body.toString()).to.equal('a');
  });

  it('delivers again when a pause is over', async () => {
    const start = performance.now();
    await driver.pause(queue, 1);
    await put('a');
    expect((await consumer.reserve())?.body.toString()).to.equal('a');
    expect(performance.now() - start).to.be.at.least(900);
  });

  it('knows nothing of a queue that does not exist', async () => {
    const nowhere = queues.name();
    expect(countsOf(await statsOf(driver, nowhere))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    expect(await driver.flush(nowhere, ALL)).to.equal(0);
    expect(await driver.queues())
      .to.include('default')
      .and.not.include(queues.name());
  });

  it('prepares a queue, again and again', async () => {
    const fresh = queues.name();
    await driver.setUp(fresh);
    await driver.setUp(fresh);
    expect(await driver.queues()).to.include(fresh);
  });

  describe('with a prefix', () => {
    it('keeps installations apart on one server', async () => {
      const tube = queues.name();
      const [, prefix = '', name = ''] = /^(haricot-test-)(.*)$/.exec(tube) ?? [];
      const [staging, whole] = [queues.open({ prefix }), driver];
      await putOne(staging, name, Buffer.from('a'), OPTIONS);
      expect(countsOf(await statsOf(whole, tube)).ready).to.equal(1);
      expect(countsOf(await statsOf(whole, name)).ready).to.equal(0);
      expect(await staging.queues())
        .to.include(name)
        .and.not.include(tube)
        .and.not.include('default');
      const reservation = await (await consume(staging, [name])).reserve(AT_ONCE);
      expect(reservation?.queue).to.equal(name);
      await reservation?.ack();
      expect(await staging.flush(name, ALL)).to.equal(0);
    });
  });

  describe('a reserve that waits', () => {
    it('can be given up: it rejects with the reason, and the next one works', async () => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const given = rejects(consumer.reserve({ signal: controller.signal }), Error);
      await queues.untilWaited(queue);
      controller.abort(reason);
      expect(await given).to.equal(reason);
      await put('a');
      expect((await consumer.reserve({ timeoutMs: 60_000 }))?.body.toString()).to.equal('a');
    });

    it('answers null when the consumer is closed', async () => {
      const reserving = [consumer.reserve(), consumer.reserve({ timeoutMs: 60_000 })];
      await queues.untilWaited(queue);
      await consumer.close();
      expect(await Promise.all(reserving)).to.deep.equal([null, null]);
    });

    it('loses no message, at whatever moment it is given up', async () => {
      let [delivered, givenUp] = [0, 0];
      for (let round = 0; round < 60; round++) {
        const controller = new AbortController();
        const reserving = consumer.reserve({ signal: controller.signal });
        reserving.catch(() => {});
        if (round % 3 === 0) await sleep(2);
        const id = await put(String(round));
        // From before the message is sent on its way to after it has come.
        for (let turn = 0; turn < round % 10; turn++) await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        const outcome = await reserving.then(
          (reservation) => reservation?.ack().then(() => 'delivered'),
          () => 'given up',
        );
        if (outcome === 'delivered') delivered++;
        else {
          givenUp++;
          const again = await consumer.reserve({ timeoutMs: 60_000 });
          expect(again?.jobId, `message ${round}`).to.equal(id);
          await again?.ack();
        }
      }
      expect(delivered + givenUp).to.equal(60);
      expect(givenUp).to.be.above(0);
      expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    });
  });
});
