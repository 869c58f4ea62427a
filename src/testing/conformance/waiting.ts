import assert from 'node:assert/strict';
import { strings, TimingError } from './assertions.js';
import { type Fixture, LONG_MS } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

const WAKE_UPS = 9;

/** For the one in the middle of them. A driver that asks its engine every second fails; a busy machine seldom does. */
export const WAKE_UP_MS = 100;

/** A reserve that waits. */
export function waiting(builder: SuiteBuilder): void {
  builder.describe('a reserve that waits', () => {
    builder.overlapping(() => {
      builder.it(`gets a message of the same driver within ${WAKE_UP_MS} ms`, (fixture) => {
        return wakesSoon(fixture, async () => () => fixture.put('a'));
      });

      builder.it(`gets a message of another driver within ${WAKE_UP_MS} ms`, async (fixture) => {
        const driver = await fixture.anotherDriver();
        await wakesSoon(fixture, async () => () => fixture.put('a', { driver }));
      });

      builder.it(`gets a message that is released within ${WAKE_UP_MS} ms`, async (fixture) => {
        const holder = await fixture.consume({ driver: await fixture.anotherDriver() });
        await wakesSoon(fixture, async () => {
          await fixture.put('a');
          const held = await fixture.next(holder);
          return () => held.release();
        });
      });

      builder.it(`gets a message that is retried within ${WAKE_UP_MS} ms`, async (fixture) => {
        const driver = await fixture.anotherDriver();
        const holder = await fixture.consume({ driver });
        await wakesSoon(fixture, async () => {
          await fixture.put('a');
          await (await fixture.next(holder)).bury();
          return () => driver.retry(fixture.queue, { limit: 1 });
        });
      });
    });

    builder.it('gets a message that is promoted, long before its delay ends', async (fixture) => {
      const consumer = await fixture.consume();
      const id = await fixture.put('a', { delayMs: LONG_MS });
      const reserving = fixture.reserving(consumer);
      await fixture.pass(0.05);
      await fixture.driver.promote(fixture.queue, { ids: [id] });
      const held = await fixture.answer('the reserve that waits answers', reserving);
      assert.equal(held?.jobId, id, 'the message that was promoted');
    });

    builder.it('is woken with all others by messages that are put together', async (fixture) => {
      const consumers = await Promise.all(Array.from({ length: 4 }, () => fixture.consume()));
      const reserving = consumers.map((consumer) => fixture.reserving(consumer));
      await fixture.pass(0.1);
      await fixture.putMany(['a', 'b', 'c', 'd']);
      const found = await fixture.answer('all reserves answer', Promise.all(reserving));
      assert.deepEqual(strings(found.flatMap((held) => held ?? [])).sort(), ['a', 'b', 'c', 'd']);
    });

    builder.it('may be one of several of a consumer, and each gets a message of its own', async (fixture) => {
      const consumer = await fixture.consume({ concurrency: 3 });
      const reserving = [0, 1, 2].map(() => fixture.reserving(consumer));
      await fixture.pass(0.1);
      for (const body of ['a', 'b', 'c']) await fixture.put(body);
      const found = await fixture.answer('all reserves answer', Promise.all(reserving));
      assert.deepEqual(strings(found.flatMap((held) => held ?? [])).sort(), ['a', 'b', 'c']);
      await Promise.all(found.map((held) => held?.ack()));
      await fixture.counts({}, 'after all three were acknowledged');
    });
  });
}

/**
 * Checks how soon a waiting reserve gets its message.
 * @param prepare does what must be done before the reserve waits, and returns what is to wake it
 */
export async function wakesSoon(fixture: Fixture, prepare: () => Promise<() => Promise<unknown>>): Promise<void> {
  const consumer = await fixture.consume();
  const latencies: number[] = [];
  while (latencies.length < WAKE_UPS) {
    const wake = await prepare();
    const arrival = fixture.reserving(consumer).then((held) => ({ held, at: performance.now() }));
    arrival.catch(() => {});
    // At no fixed point of the intervals at which a driver may ask, and behind the first and shortest of them.
    await fixture.pass(0.05 + 0.15 * Math.random());
    await wake();
    const start = performance.now();
    const { held, at } = await fixture.answer('the reserve that waits answers', arrival);
    assert.ok(held, `not within ${fixture.patienceMs} ms: the reserve that waits gets its message`);
    latencies.push(at - start);
    await held.ack();
  }
  const [median = 0] = latencies.toSorted((a, b) => a - b).slice(WAKE_UPS >> 1);
  const all = latencies.map((ms) => ms.toFixed(0)).join(', ');
  if (median > WAKE_UP_MS) {
    throw new TimingError({ message: `half of the messages came later than ${median.toFixed(0)} ms: ${all} ms` });
  }
}
