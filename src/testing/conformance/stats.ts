import assert from 'node:assert/strict';
import { LONG_MS } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** How much an engine that knows whole seconds may be off, and clocks that are not the same, in milliseconds. */
const COARSE_MS = 1500;

/** What is told of queues. */
export function stats(builder: SuiteBuilder): void {
  builder.describe('stats', () => {
    builder.it('tell at each step where a message is', async (fixture) => {
      const { driver, queue } = fixture;
      await fixture.put('a', { delayMs: LONG_MS });
      await fixture.counts({ delayed: 1 }, 'after a put with a delay');
      await driver.promote(queue, { limit: 1 });
      await fixture.counts({ ready: 1 }, 'after the delayed message was promoted');
      const consumer = await fixture.consume();
      const first = await fixture.next(consumer);
      await fixture.counts({ reserved: 1 }, 'after the message was reserved');
      await first.touch();
      await fixture.counts({ reserved: 1 }, 'after a touch');
      await first.release({ delayMs: LONG_MS });
      await fixture.counts({ delayed: 1 }, 'after a release with a delay');
      await driver.promote(queue, { limit: 1 });
      await (await fixture.next(consumer)).release();
      await fixture.counts({ ready: 1 }, 'after a release without one');
      await (await fixture.next(consumer)).bury();
      await fixture.counts({ buried: 1 }, 'after a burial');
      await driver.retry(queue, { limit: 1 });
      await fixture.counts({ ready: 1 }, 'after the buried message was retried');
      await (await fixture.next(consumer)).ack();
      await fixture.counts({}, 'after the ack');
    });

    builder.it('tell of the messages of many states at once, to every driver', async (fixture) => {
      await fixture.oneOfEach();
      await fixture.putMany(['a', 'b', 'c']);
      await fixture.next(await fixture.consume());
      const counts = await fixture.countsOf(fixture.queue, await fixture.anotherDriver());
      assert.deepEqual(counts, { ready: 3, delayed: 1, reserved: 1, buried: 1 }, 'stats of messages of all states');
    });

    builder.it(
      'tell of several queues in the order in which they are asked for, and know none that nobody has used',
      async (fixture) => {
        const [two, unknown, one] = [fixture.queue, fixture.newQueue(), fixture.newQueue()];
        await fixture.putMany(['a', 'b'], { queue: two });
        await fixture.put('a', { queue: one });
        const ready = async (queues: readonly string[]) =>
          (await fixture.driver.stats(queues)).map((found) => (found ? found.ready : null));
        assert.deepEqual(await ready([two, unknown, one]), [2, null, 1], 'the ready messages of each queue');
        assert.deepEqual(await ready([one, two]), [1, 2]);
        assert.deepEqual(await ready([]), []);
      },
    );

    builder.it('tell until when a queue is paused, to every driver', async (fixture) => {
      await fixture.put('a');
      const other = await fixture.anotherDriver();
      const pausedUntil = async () => (await other.stats([fixture.queue]))[0]?.pausedUntil;
      assert.equal(await pausedUntil(), null, 'of a queue that is not paused');
      const before = Date.now();
      await fixture.driver.pause(fixture.queue, LONG_MS);
      const until = await pausedUntil();
      const after = Date.now();
      assert.ok(until instanceof Date, `pausedUntil of a paused queue must be a Date, got ${String(until)}`);
      const told = `the pause of ${LONG_MS} ms is told to end ${until.getTime() - before} ms after it began`;
      const [earliest, latest] = [before + LONG_MS - COARSE_MS, after + LONG_MS + COARSE_MS];
      assert.ok(until.getTime() >= earliest && until.getTime() <= latest, told);
      await fixture.driver.pause(fixture.queue, 0);
      assert.equal(await pausedUntil(), null, 'behind a pause that was ended');
      await fixture.driver.pause(fixture.queue, fixture.secondMs);
      await fixture.next(await fixture.consume());
      assert.equal(await pausedUntil(), null, 'behind a pause that has ended by itself');
    });

    builder.it('tell for how long the oldest ready message has been there, or that they cannot', async (fixture) => {
      const oldest = async () => (await fixture.driver.stats([fixture.queue]))[0]?.oldestReadyMs;
      await fixture.put('delayed', { delayMs: LONG_MS });
      if ((await oldest()) === undefined) return;
      assert.equal(await oldest(), null, 'of a queue without ready messages');
      const start = performance.now();
      await fixture.put('a');
      const put = performance.now();
      await fixture.pass(0.3);
      await fixture.put('b');
      const least = performance.now() - put;
      const ms = await oldest();
      const most = performance.now() - start;
      const isRight = typeof ms === 'number' && ms >= least - COARSE_MS && ms <= most + COARSE_MS;
      assert.ok(isRight, `oldestReadyMs is ${ms}, and must be ${least.toFixed(0)} to ${most.toFixed(0)}`);
      await fixture.drain(await fixture.consume(), 2);
      assert.equal(await oldest(), null, 'after all was taken');
    });
  });

  builder.describe('queues', () => {
    builder.it('list a queue that is paused, though it has no messages', async (fixture) => {
      // It stays in use, for engines that forget others.
      await fixture.driver.setUp(fixture.queue);
      await fixture.driver.pause(fixture.queue, LONG_MS);
      assert.ok((await fixture.driver.queues()).includes(fixture.queue), 'queues() lists a queue that is paused');
    });

    builder.it('list those that have messages, in whatever state', async (fixture) => {
      const [delayed, buried, reserved] = [fixture.newQueue(), fixture.newQueue(), fixture.newQueue()];
      await fixture.put('a');
      await fixture.put('a', { queue: delayed, delayMs: LONG_MS });
      await fixture.putBuried('a', { queue: buried });
      await fixture.put('a', { queue: reserved });
      await fixture.next(await fixture.consume({ queues: [reserved] }));
      const listed = await (await fixture.anotherDriver()).queues();
      for (const queue of [fixture.queue, delayed, buried, reserved]) {
        assert.equal(listed.filter((name) => name === queue).length, 1, `queues() lists ${queue} once`);
      }
    });
  });
}
