import assert from 'node:assert/strict';
import { texts } from './checks.js';
import type { Declaration } from './declaration.js';

/** Lower priority first, then oldest first. */
export function order(declaration: Declaration): void {
  declaration.describe('order', () => {
    declaration.it('delivers the lowest priority first', async (trial) => {
      for (const [body, priority] of [
        ['d', 4_294_967_295],
        ['b', 5],
        ['c', 1024],
        ['a', 0],
      ] as const) {
        await trial.put(body, { priority });
      }
      assert.deepEqual(await trial.drain(await trial.consume(), 4), ['a', 'b', 'c', 'd']);
    });

    declaration.it('delivers the oldest first among equal priorities', async (trial) => {
      const bodies = Array.from({ length: 50 }, (_, n) => String(n));
      for (const body of bodies) await trial.put(body, { priority: 7 });
      assert.deepEqual(await trial.drain(await trial.consume(), 50), bodies);
    });

    declaration.it('lets a more urgent message overtake those that were there before', async (trial) => {
      const consumer = await trial.consume();
      for (const body of ['b', 'd']) await trial.put(body, { priority: 5 });
      const taken = await trial.drain(consumer, 1);
      await trial.put('c', { priority: 1 });
      assert.deepEqual([...taken, ...(await trial.drain(consumer, 2))], ['b', 'c', 'd']);
    });

    declaration.it('puts a released message before younger ones of its priority', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('old');
      const held = await trial.next(consumer);
      await trial.put('young');
      await held.release();
      assert.deepEqual(await trial.drain(consumer, 2), ['old', 'young']);
    });

    declaration.it('puts a kicked message before younger ones of its priority', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('old', { priority: 9 });
      await (await trial.next(consumer)).bury();
      await trial.put('young', { priority: 9 });
      await trial.driver.kick(trial.queue, 1);
      assert.deepEqual(await trial.drain(consumer, 2), ['old', 'young']);
    });

    declaration.it('puts a message whose delay is over before younger ones of its priority', async (trial) => {
      await trial.put('old', { delayMs: trial.secondMs });
      await trial.put('young');
      await trial.untilCounts({ ready: 2 }, 'the delay is over');
      assert.deepEqual(await trial.drain(await trial.consume(), 2), ['old', 'young']);
    });

    declaration.it('keeps messages that are put together in order, and answers their ids in order', async (trial) => {
      const consumer = await trial.consume();
      const bodies = Array.from({ length: 500 }, (_, n) => String(n));
      const ids = await trial.putMany(bodies);
      assert.equal(new Set(ids).size, 500, 'every message has an id of its own');
      const found: { id: string; body: Buffer }[] = [];
      for (let n = 0; n < 500; n++) {
        const reservation = await trial.next(consumer);
        found.push(reservation);
        await reservation.ack();
      }
      assert.deepEqual(texts(found), bodies);
      assert.deepEqual(
        found.map(({ id }) => id),
        ids,
      );
    });
  });
}
