import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Consumer, Driver, PutOptions, Reservation } from '../src/queue/driver.js';
import { UnsupportedError } from '../src/queue/errors.js';
import { countsOf } from '../test/support/counts.js';
import { onSharedQueues } from './support/queues.js';
import { rejects } from './support/rejects.js';

const OPTIONS: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };
const AT_ONCE = { timeoutMs: 0 };

describe('The beanstalkd driver', () => {
  const queues = onSharedQueues();
  let driver: Driver;
  let queue: string;
  let consumer: Consumer;

  beforeEach(async () => {
    driver = queues.open();
    queue = queues.name();
    consumer = await driver.consume([queue], 1);
  });

  function put(body: string | Uint8Array, options: Partial<PutOptions> = {}): Promise<string> {
    return driver.put(queue, Buffer.from(body), { ...OPTIONS, ...options });
  }

  /** The next message, which must be there already. */
  async function reserve(from = consumer): Promise<Reservation> {
    const reservation = await from.reserve(AT_ONCE);
    if (reservation === null) throw new Error('no message');
    return reservation;
  }

  it('delivers what was put, with all there is to know', async () => {
    const id = await put('hello', { ttrMs: 90_000 });
    const reservation = await reserve();
    expect(reservation).to.deep.include({ id, queue, body: Buffer.from('hello'), attempt: 1, ttrMs: 90_000 });
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

  it('removes a message that is acknowledged', async () => {
    await put('a');
    await (await reserve()).ack();
    expect(countsOf(await driver.stats(queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
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
    const items = Array.from({ length: 1000 }, (_, n) => ({ body: Buffer.from(String(n)), options: OPTIONS }));
    const ids = await driver.putMany(queue, items);
    expect(new Set(ids).size).to.equal(1000);
    for (let n = 0; n < 1000; n++) {
      const reservation = await reserve();
      expect([reservation.id, reservation.body.toString()]).to.deep.equal([ids[n], String(n)]);
      await reservation.ack();
    }
  });

  it('delivers a delayed message no earlier, though the delay is no whole number of seconds', async () => {
    const start = performance.now();
    await put('later', { delayMs: 1 });
    expect(countsOf(await driver.stats(queue)).delayed).to.equal(1);
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
    const heir = await driver.consume([queue], 1);
    expect(await heir.reserve({ timeoutMs: 60_000 })).to.include({ attempt: 3 });
  });

  it('grants a message that is kicked a fresh budget, however often', async () => {
    await put('a');
    await (await reserve()).bury();
    expect(await driver.kick(queue, 1)).to.equal(1);
    const second = await reserve();
    expect(second.attempt).to.equal(1);
    await second.release();
    const third = await reserve();
    expect(third.attempt).to.equal(2);
    await third.bury();
    await driver.kick(queue, 1);
    expect((await reserve()).attempt).to.equal(1);
  });

  it('keeps the priority of a message that is released or buried, unless another is given', async () => {
    await put('a', { priority: 3 });
    await put('b', { priority: 5 });
    await (await reserve()).release();
    expect((await driver.peek(queue, 'ready', 1))[0]?.body.toString()).to.equal('a');
    const first = await reserve();
    await first.bury();
    await driver.kick(queue, 1);
    expect((await driver.peek(queue, 'ready', 1))[0]?.body.toString()).to.equal('a');
    await (await reserve()).release({ priority: 9 });
    expect((await driver.peek(queue, 'ready', 1))[0]?.body.toString()).to.equal('b');
  });

  it('holds a message back that is released with a delay', async () => {
    await put('a');
    await (await reserve()).release({ delayMs: 1 });
    const start = performance.now();
    expect(countsOf(await driver.stats(queue))).to.include({ ready: 0, delayed: 1 });
    expect(await consumer.reserve()).to.include({ attempt: 2 });
    expect(performance.now() - start).to.be.at.least(900);
  });

  it('puts a message aside that is buried, until it is kicked', async () => {
    await put('a');
    await (await reserve()).bury();
    expect(countsOf(await driver.stats(queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 1 });
    expect(await consumer.reserve(AT_ONCE)).to.equal(null);
    expect(await driver.kick(queue, 10)).to.equal(1);
    expect((await reserve()).body.toString()).to.equal('a');
  });

  it('kicks as many as it is told, buried ones first, or else delayed ones', async () => {
    await put('delayed', { delayMs: 60_000 });
    for (const body of ['a', 'b', 'c']) await put(body);
    for (let n = 0; n < 3; n++) await (await reserve()).bury();
    expect([await driver.kick(queue, 2), await driver.kick(queue, 2), await driver.kick(queue, 2)]).to.deep.equal([
      2, 1, 1,
    ]);
    expect(await driver.kick(queue, 0)).to.equal(0);
    expect(countsOf(await driver.stats(queue)).ready).to.equal(4);
  });

  it('shows the first message of each state without delivering it', async () => {
    await put('buried');
    await (await reserve()).bury();
    const ids = [await put('ready'), await put('ready too'), await put('delayed', { delayMs: 60_000 })];
    expect(await driver.peek(queue, 'ready', 1)).to.deep.equal([
      { id: ids[0], state: 'ready', body: Buffer.from('ready') },
    ]);
    expect((await driver.peek(queue, 'delayed', 1)).map(({ id }) => id)).to.deep.equal([ids[2]]);
    expect((await driver.peek(queue, 'buried', 1)).map(({ body }) => body.toString())).to.deep.equal(['buried']);
    expect(countsOf(await driver.stats(queue))).to.deep.equal({ ready: 2, delayed: 1, reserved: 0, buried: 1 });
    expect(await driver.peek(queues.name(), 'ready', 1)).to.deep.equal([]);
  });

  it('cannot show more than one, and says so', async () => {
    await rejects(driver.peek(queue, 'ready', 2), UnsupportedError);
  });

  it('deletes a message that nobody holds, by its id, out of its own queue', async () => {
    const ids = [await put('ready'), await put('delayed', { delayMs: 60_000 }), await put('buried', { priority: 0 })];
    await (await reserve()).bury();
    for (const id of ids) expect(await driver.delete(queues.name(), id)).to.equal(false);
    for (const id of ids) expect(await driver.delete(queue, id)).to.equal(true);
    for (const id of ids) expect(await driver.delete(queue, id)).to.equal(false);
    const held = await put('held');
    await reserve();
    expect(await driver.delete(queue, held)).to.equal(false);
  });

  it('removes all that nobody holds when it flushes, and says how much that was', async () => {
    await put('held', { priority: 0 });
    await put('buried', { priority: 1 });
    const held = await reserve();
    await (await reserve()).bury();
    for (let n = 0; n < 5; n++) await put(String(n), { delayMs: n % 2 === 0 ? 0 : 60_000 });
    expect(await driver.flush(queue)).to.equal(6);
    expect(countsOf(await driver.stats(queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 1, buried: 0 });
    await held.ack();
    expect(await driver.flush(queue)).to.equal(0);
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
    expect(countsOf(await driver.stats(nowhere))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    expect(await driver.flush(nowhere)).to.equal(0);
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
      await staging.put(name, Buffer.from('a'), OPTIONS);
      expect(countsOf(await whole.stats(tube)).ready).to.equal(1);
      expect(countsOf(await whole.stats(name)).ready).to.equal(0);
      expect(await staging.queues())
        .to.include(name)
        .and.not.include(tube)
        .and.not.include('default');
      const reservation = await (await staging.consume([name], 1)).reserve(AT_ONCE);
      expect(reservation?.queue).to.equal(name);
      await reservation?.ack();
      expect(await staging.flush(name)).to.equal(0);
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
          expect(again?.id, `message ${round}`).to.equal(id);
          await again?.ack();
        }
      }
      expect(delivered + givenUp).to.equal(60);
      expect(givenUp).to.be.above(0);
      expect(countsOf(await driver.stats(queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    });
  });
});
