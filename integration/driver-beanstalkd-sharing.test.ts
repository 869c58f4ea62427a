import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Driver } from '../src/queue/driver.js';
import { LeaseLostError } from '../src/queue/errors.js';
import { countsOf } from '../test/support/counts.js';
import { consume, type Held, type OneByOne, statsOf } from '../test/support/one-message.js';
import { onSharedQueues } from './support/queues.js';
import { seededRandom } from './support/random.js';
import { rejects } from './support/rejects.js';
import { until } from './support/until.js';

const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };
const SLOTS = 20;

describe('The slots of a consumer of beanstalkd with a backlog', () => {
  const queues = onSharedQueues();
  let driver: Driver;
  let queue: string;

  beforeEach(() => {
    driver = queues.open();
    queue = queues.name();
  });

  async function put(count: number, ttrMs = 60_000, to = queue): Promise<string[]> {
    const options = { priority: 1024, delayMs: 0, ttrMs };
    const items = Array.from({ length: count }, (_, n) => ({ queue: to, body: Buffer.from(String(n)), options }));
    return (await driver.put(items)).stored.map(({ jobId }) => jobId);
  }

  /** As many loops as there are slots, until so many messages have come. @returns their ids */
  async function take(
    count: number,
    consumer: OneByOne,
    work: (reservation: Held) => Promise<void>,
  ): Promise<string[]> {
    const came: string[] = [];
    const enough = new AbortController();
    const loop = async (): Promise<void> => {
      while (!enough.signal.aborted) {
        const reservation = await consumer.reserve({ signal: enough.signal }).catch(() => null);
        if (reservation === null) return;
        if (came.push(reservation.jobId) === count) enough.abort();
        await work(reservation);
      }
    };
    await Promise.all(Array.from({ length: SLOTS }, loop));
    return came;
  }

  /** Takes so many, which are there. */
  async function held(count: number, consumer: OneByOne): Promise<Held[]> {
    const reservations: Held[] = [];
    for (let n = 0; n < count; n++) {
      const reservation = await consumer.reserve({ timeoutMs: 0 });
      if (reservation !== null) reservations.push(reservation);
    }
    return reservations;
  }

  for (const trackAttempts of [true, false]) {
    it(`are given each message once, in whatever order they settle them, tracking ${trackAttempts}`, async () => {
      const ids = await put(1000);
      const random = seededRandom(5);
      const client = await queues.fixture.connect();
      const before = (await client.stats()).cmdReserveWithTimeout;
      const consumer = await consume(driver, [queue], { trackAttempts });
      const came = await take(1000, consumer, async (reservation) => {
        expect(reservation.attempt).to.equal(trackAttempts ? 1 : undefined);
        for (let turns = random() * 5; turns > 1; turns--) await new Promise((resolve) => setImmediate(resolve));
        // Some are released or put aside instead, and come no more to this consumer.
        const lot = random();
        if (lot < 0.02) await reservation.release({ delayMs: 60_000 });
        else if (lot < 0.04) await reservation.bury();
        else await reservation.ack();
      });
      expect(came.sort()).to.deep.equal(ids.sort());
      expect(countsOf(await statsOf(driver, queue))).to.deep.include({ ready: 0, reserved: 0 });
      // Who waits asks without a timeout.
      expect((await client.stats()).cmdReserveWithTimeout - before).to.be.greaterThan(800);
    });
  }

  it('lose no lease that they renew, though others are answered DEADLINE_SOON for it', async () => {
    const ids = await put(60, 1000);
    const consumer = await consume(driver, [queue]);
    const came = await take(60, consumer, async (reservation) => {
      for (let renewals = 0; renewals < 4; renewals++) {
        await sleep(300);
        await reservation.touch();
      }
      await reservation.ack();
    });
    expect(came.sort()).to.deep.equal(ids.sort());
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal(NOTHING);
  });

  it('lose one lease alone that they let go by, and the message goes to somebody else', async () => {
    await put(2);
    const consumer = await consume(driver, [queue]);
    const others = await held(2, consumer);
    await put(3, 1000);
    const [late, ...touched] = await held(3, consumer);
    const heir = await consume(driver, [queue]);
    const renewing = setInterval(() => {
      for (const reservation of touched) void reservation.touch();
    }, 300);
    const again = await heir.reserve({ timeoutMs: 60_000 }).finally(() => clearInterval(renewing));
    expect(again?.jobId).to.equal(late?.jobId);
    await rejects(late?.ack() ?? Promise.resolve(), LeaseLostError);
    for (const reservation of [again, ...others, ...touched]) await reservation?.ack();
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal(NOTHING);
  });

  for (const trackAttempts of [true, false]) {
    it(`are refused what another of them has been given since, tracking ${trackAttempts}`, async () => {
      const consumer = await consume(driver, [queue], { trackAttempts });
      await put(30);
      for (const reservation of await held(30, consumer)) await reservation.ack();
      const [id] = await put(1, 1000);
      const [stale] = await held(1, consumer);
      await until('the lease has ended', async () => countsOf(await statsOf(driver, queue)).ready === 1);
      const [current] = await held(1, consumer);
      expect([stale?.jobId, current?.jobId]).to.deep.equal([id, id]);
      for (const settle of ['touch', 'release', 'bury', 'ack'] as const) {
        await rejects(stale?.[settle]() ?? Promise.resolve(), LeaseLostError);
      }
      expect(countsOf(await statsOf(driver, queue))).to.deep.include({ reserved: 1 });
      await current?.ack();
      expect(countsOf(await statsOf(driver, queue))).to.deep.equal(NOTHING);
    });
  }

  it('are given the messages of several queues in turns', async () => {
    const other = queues.name();
    await put(100);
    await put(100, undefined, other);
    const consumer = await consume(driver, [queue, other]);
    const order: string[] = [];
    await take(200, consumer, async (reservation) => {
      order.push(reservation.queue);
      await reservation.ack();
    });
    const firstHalf = order.slice(0, 100).filter((name) => name === queue).length;
    expect(order).to.have.length(200);
    expect(firstHalf).to.be.within(35, 65);
  });

  it('lose no message, at whatever moment their reserves are given up', async () => {
    const consumer = await consume(driver, [queue], { trackAttempts: false });
    const random = seededRandom(7);
    const ids = new Set(await put(300));
    let givenUp = 0;
    while (ids.size > 0) {
      const controller = new AbortController();
      const reserving = [1, 2, 3].map(() => consumer.reserve({ timeoutMs: 1, signal: controller.signal }));
      for (let turn = random() * 8; turn > 1; turn--) await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      for (const result of await Promise.allSettled(reserving)) {
        if (result.status === 'rejected') givenUp++;
        const reservation = result.status === 'fulfilled' ? result.value : null;
        if (reservation === null) continue;
        expect(ids.delete(reservation.jobId), 'delivered twice').to.equal(true);
        await reservation.ack();
      }
    }
    expect(givenUp).to.be.greaterThan(10);
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal(NOTHING);
  });
});
