import assert from 'node:assert/strict';
import { TimingError, texts } from './checks.js';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

const WAKE_UPS = 9;

/** For the one in the middle of them. A driver that asks its engine every second fails; a busy machine seldom does. */
export const WAKE_UP_MS = 100;

/** A reserve that waits. */
export function waiting(declaration: Declaration): void {
  declaration.describe('a reserve that waits', () => {
    declaration.overlapping(() => {
      declaration.it(`gets a message of the same driver within ${WAKE_UP_MS} ms`, (trial) => {
        return wakesSoon(trial, async () => () => trial.put('a'));
      });

      declaration.it(`gets a message of another driver within ${WAKE_UP_MS} ms`, async (trial) => {
        const driver = await trial.anotherDriver();
        await wakesSoon(trial, async () => () => trial.put('a', { driver }));
      });

      declaration.it(`gets a message that is released within ${WAKE_UP_MS} ms`, async (trial) => {
        const holder = await trial.consume({ driver: await trial.anotherDriver() });
        await wakesSoon(trial, async () => {
          await trial.put('a');
          const reservation = await trial.next(holder);
          return () => reservation.release();
        });
      });

      declaration.it(`gets a message that is kicked within ${WAKE_UP_MS} ms`, async (trial) => {
        const driver = await trial.anotherDriver();
        const holder = await trial.consume({ driver });
        await wakesSoon(trial, async () => {
          await trial.put('a');
          await (await trial.next(holder)).bury();
          return () => driver.kick(trial.queue, 1);
        });
      });
    });

    declaration.it('is woken with all others by messages that are put together', async (trial) => {
      const consumers = await Promise.all(Array.from({ length: 4 }, () => trial.consume()));
      const reserving = consumers.map((consumer) => trial.reserving(consumer));
      await trial.pass(0.1);
      await trial.putMany(['a', 'b', 'c', 'd']);
      const found = await trial.answer('all reserves answer', Promise.all(reserving));
      assert.deepEqual(texts(found.flatMap((reservation) => reservation ?? [])).sort(), ['a', 'b', 'c', 'd']);
    });

    declaration.it('may be one of several of a consumer, and each gets a message of its own', async (trial) => {
      const consumer = await trial.consume({ slots: 3 });
      const reserving = [0, 1, 2].map(() => trial.reserving(consumer));
      await trial.pass(0.1);
      for (const body of ['a', 'b', 'c']) await trial.put(body);
      const found = await trial.answer('all reserves answer', Promise.all(reserving));
      assert.deepEqual(texts(found.flatMap((reservation) => reservation ?? [])).sort(), ['a', 'b', 'c']);
      await Promise.all(found.map((reservation) => reservation?.ack()));
      await trial.counts({}, 'after all three were acknowledged');
    });
  });
}

/**
 * Checks how soon a waiting reserve gets its message.
 * @param prepare does what must be done before the reserve waits, and returns what is to wake it
 */
export async function wakesSoon(trial: Trial, prepare: () => Promise<() => Promise<unknown>>): Promise<void> {
  const consumer = await trial.consume();
  const latencies: number[] = [];
  while (latencies.length < WAKE_UPS) {
    const wake = await prepare();
    const arrival = trial.reserving(consumer).then((reservation) => ({ reservation, at: performance.now() }));
    arrival.catch(() => {});
    // At no fixed point of the intervals at which a driver may ask, and behind the first and shortest of them.
    await trial.pass(0.05 + 0.15 * Math.random());
    await wake();
    const start = performance.now();
    const { reservation, at } = await trial.answer('the reserve that waits answers', arrival);
    assert.ok(reservation, `not within ${trial.patienceMs} ms: the reserve that waits gets its message`);
    latencies.push(at - start);
    await reservation.ack();
  }
  const [median = 0] = latencies.toSorted((a, b) => a - b).slice(WAKE_UPS >> 1);
  const all = latencies.map((ms) => ms.toFixed(0)).join(', ');
  if (median > WAKE_UP_MS) {
    throw new TimingError({ message: `half of the messages came later than ${median.toFixed(0)} ms: ${all} ms` });
  }
}
