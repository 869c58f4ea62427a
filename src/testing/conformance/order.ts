import assert from 'node:assert/strict';
import { strings } from './assertions.js';
import { LATE, NORMAL, URGENT } from './fixture.js';
import type { HeldMessage } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

/** Lower priority first, then oldest first. */
export function order(builder: SuiteBuilder): void {
  builder.describe('order', () => {
    builder.it('delivers the lowest priority first', async (fixture) => {
      for (const [body, priority] of [
        ['c', LATE],
        ['b', NORMAL],
        ['a', URGENT],
      ] as const) {
        await fixture.put(body, { priority });
      }
      assert.deepEqual(await fixture.drain(await fixture.consume(), 3), ['a', 'b', 'c']);
    });

    builder.it(
      'tells every priority from the next one',
      async (fixture) => {
        for (const priority of [LATE, 5, 1024, LATE - 1, 4, 1025, 0]) await fixture.put(String(priority), { priority });
        const expected = [0, 4, 5, 1024, 1025, LATE - 1, LATE].map(String);
        assert.deepEqual(await fixture.drain(await fixture.consume(), expected.length), expected);
      },
      { priorities: 'exact' },
    );

    builder.it('delivers the oldest first among equal priorities', async (fixture) => {
      const bodies = Array.from({ length: 50 }, (_, n) => String(n));
      for (const body of bodies) await fixture.put(body, { priority: NORMAL });
      assert.deepEqual(await fixture.drain(await fixture.consume(), 50), bodies);
    });

    builder.it('lets a more urgent message overtake those that were there before', async (fixture) => {
      const consumer = await fixture.consume();
      for (const body of ['b', 'd']) await fixture.put(body);
      const taken = await fixture.drain(consumer, 1);
      await fixture.put('c', { priority: URGENT });
      assert.deepEqual([...taken, ...(await fixture.drain(consumer, 2))], ['b', 'c', 'd']);
    });

    builder.it('puts a released message before younger ones of its priority', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.put('old');
      const held = await fixture.next(consumer);
      await fixture.put('young');
      await held.release();
      assert.deepEqual(await fixture.drain(consumer, 2), ['old', 'young']);
    });

    builder.it(
      'puts a retried message before younger ones of its priority',
      async (fixture) => {
        await fixture.putBuried('old');
        await fixture.put('young');
        await fixture.driver.retry(fixture.queue, { limit: 1 });
        assert.deepEqual(await fixture.drain(await fixture.consume(), 2), ['old', 'young']);
      },
      { retryKeepsPlace: true },
    );

    builder.it('puts a message whose delay is over before younger ones of its priority', async (fixture) => {
      await fixture.put('old', { delayMs: fixture.secondMs });
      await fixture.put('young');
      await fixture.untilCounts({ ready: 2 }, 'the delay is over');
      assert.deepEqual(await fixture.drain(await fixture.consume(), 2), ['old', 'young']);
    });

    builder.it('keeps messages that are put together in order, and answers their ids in order', async (fixture) => {
      const consumer = await fixture.consume();
      const bodies = Array.from({ length: 500 }, (_, n) => String(n));
      const ids = await fixture.putMany(bodies);
      assert.equal(new Set(ids).size, 500, 'every message has an id of its own');
      const found: HeldMessage[] = [];
      for (let n = 0; n < 500; n++) {
        const held = await fixture.next(consumer);
        found.push(held);
        await held.ack();
      }
      assert.deepEqual(strings(found), bodies);
      assert.deepEqual(
        found.map(({ jobId }) => jobId),
        ids,
      );
    });
  });
}
