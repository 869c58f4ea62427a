import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ConsumeOptions, Driver, PutOptions } from '../src/queue/driver.js';
import { countsOf } from '../test/support/counts.js';
import { consume, type Held, type OneByOne, putOne, statsOf } from '../test/support/one-message.js';
import { onSharedQueues } from './support/queues.js';

const OPTIONS: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };
const AT_ONCE = { timeoutMs: 0 };
const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

describe('The options of a consumer of beanstalkd', () => {
  const queues = onSharedQueues();
  let driver: Driver;
  let names: [string, string];

  beforeEach(() => {
    driver = queues.open();
    names = [queues.name(), queues.name()];
  });

  function put(queue: string, body: string, options: Partial<PutOptions> = {}): Promise<string> {
    return putOne(driver, queue, Buffer.from(body), { ...OPTIONS, ...options });
  }

  /** The next message, which must be there already. */
  async function reserve(from: OneByOne): Promise<Held> {
    const reservation = await from.reserve(AT_ONCE);
    if (reservation === null) throw new Error('no message');
    return reservation;
  }

  /** How often the server was asked about a job. */
  async function questions(): Promise<number> {
    return (await (await queues.fixture.connect()).stats()).cmdStatsJob;
  }

  describe('without tracking', () => {
    let queue: string;
    let consumer: OneByOne;

    beforeEach(async () => {
      [queue] = names;
      consumer = await consume(driver, [queue], { trackAttempts: false });
    });

    it('it asks about no message that is acknowledged', async () => {
      for (let n = 0; n < 20; n++) await put(queue, String(n));
      const before = await questions();
      for (let n = 0; n < 20; n++) {
        const reservation = await reserve(consumer);
        expect([reservation.queue, reservation.body.toString(), reservation.attempt]).to.deep.equal([
          queue,
          `${n}`,
          undefined,
        ]);
        await reservation.ack();
      }
      expect(await questions()).to.equal(before);
      expect(countsOf(await statsOf(driver, queue))).to.deep.equal(NOTHING);
    });

    it('it finds out the attempt and the TTR when it is told to', async () => {
      await put(queue, 'a', { ttrMs: 90_000 });
      await (await reserve(consumer)).release();
      await (await reserve(consumer)).bury();
      await driver.retry(queue, { limit: 1 });
      const reservation = await reserve(consumer);
      expect(reservation).to.include({ attempt: undefined, ttrMs: 1000 });
      await reservation.track?.();
      expect(reservation).to.include({ attempt: 1, ttrMs: 90_000 });
    });

    it('it keeps the priority of what is released or buried', async () => {
      const id = await put(queue, 'a', { priority: 3 });
      const witness = await queues.fixture.connect();
      await (await reserve(consumer)).release();
      expect(await witness.statsJob(id)).to.include({ pri: 3, state: 'ready' });
      await (await reserve(consumer)).bury();
      expect(await witness.statsJob(id)).to.include({ pri: 3, state: 'buried' });
    });
  });

  describe('of several queues', () => {
    async function drain(options: ConsumeOptions, from = names): Promise<string> {
      const consumer = await consume(driver, from, options);
      let bodies = '';
      for (let next = await consumer.reserve(AT_ONCE); next; next = await consumer.reserve(AT_ONCE)) {
        expect(next.queue).to.equal(names[next.body.toString() === 'a' ? 0 : 1]);
        bodies += next.body.toString();
        await next.ack();
      }
      return bodies;
    }

    beforeEach(async () => {
      for (let n = 0; n < 6; n++) await put(names[0], 'a');
      for (let n = 0; n < 3; n++) await put(names[1], 'b', { priority: 0 });
    });

    for (const trackAttempts of [true, false]) {
      it(`take turns unless told otherwise, tracking ${trackAttempts}`, async () => {
        expect(await drain({ trackAttempts })).to.match(/^(ab|ba){3}aaa$/);
      });

      it(`come one after another in strict order, tracking ${trackAttempts}`, async () => {
        expect(await drain({ order: 'strict', trackAttempts })).to.equal('aaaaaabbb');
        for (const body of ['a', 'b', 'a']) await put(names[body === 'a' ? 0 : 1], body);
        expect(await drain({ order: 'strict', trackAttempts }, [names[1], names[0]])).to.equal('baa');
      });
    }

    it('let the others through when the first is paused', async () => {
      await driver.pause(names[0], 60_000);
      expect(await drain({ order: 'strict' })).to.equal('bbb');
      await driver.pause(names[0], 0);
      expect(await drain({ order: 'strict' })).to.equal('aaaaaa');
    });

    it('are all waited for at once: a message of any of them comes at once, whatever is paused', async () => {
      await drain({});
      const consumer = await consume(driver, names, { order: 'strict', trackAttempts: false });
      for (const index of [1, 0, 1] as const) {
        const reserving = consumer.reserve();
        await queues.untilWaited(names[index]);
        await put(names[index], 'late');
        const reservation = await reserving;
        expect(reservation).to.include({ queue: names[index] });
        await reservation?.ack();
      }
    });

    it('lose no message, at whatever moment a reserve is given up', async () => {
      await drain({});
      const consumer = await consume(driver, names, { trackAttempts: false });
      let givenUp = 0;
      for (let round = 0; round < 100; round++) {
        const controller = new AbortController();
        const reserving = consumer.reserve({ signal: controller.signal });
        reserving.catch(() => {});
        if (round % 3 === 0) await sleep(3);
        const id = await put(names[round % 2 === 0 ? 0 : 1], String(round));
        // From before any queue was asked to after the message has come.
        for (let turn = 0; turn < round % 20; turn++) await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        const delivered = await reserving.catch(() => undefined);
        const reservation = delivered ?? (await consumer.reserve({ timeoutMs: 60_000 }));
        if (delivered === undefined) givenUp++;
        expect(reservation?.jobId, `message ${round}`).to.equal(id);
        await reservation?.ack();
      }
      expect(givenUp).to.be.within(1, 99);
      for (const name of names) expect(countsOf(await statsOf(driver, name))).to.deep.equal(NOTHING);
    });

    it('lose no message when the consumer is closed while they are asked', async () => {
      await drain({});
      const ids = [await put(names[0], 'a'), await put(names[1], 'b')];
      for (let turns = 0; turns < 20; turns++) {
        const consumer = await consume(driver, names);
        const reserving = consumer.reserve();
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        await consumer.close();
        await reserving;
      }
      const heir = await consume(driver, names);
      const left = [await heir.reserve({ timeoutMs: 60_000 }), await heir.reserve({ timeoutMs: 60_000 })];
      expect(left.map((reservation) => reservation?.jobId).sort()).to.deep.equal(ids.sort());
    });
  });
});
