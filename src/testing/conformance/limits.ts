import assert from 'node:assert/strict';
import { MAX_DURATION_MS } from '../../queue/duration.js';
import { refuses } from './assertions.js';
import type { SuiteBuilder } from './suite-builder.js';

/** No engine can have given these. */
const WRONG_IDS = ['no id', ' 1', '1\n', '\u0000'];

/** What only the engine can check, and what it must take: the rest is checked above all engines. */
export function limits(builder: SuiteBuilder): void {
  builder.describe('ids', () => {
    builder.it('are refused that the engine cannot have given, and nothing is done', async (fixture) => {
      const { driver, queue } = fixture;
      const good = await fixture.putBuried('a');
      for (const id of WRONG_IDS) {
        const calls = {
          find: () => driver.find(queue, id),
          retry: () => driver.retry(queue, { ids: [good, id] }),
          'retry with a body': () => driver.retry(queue, { ids: [id], body: Buffer.from('b') }),
          promote: () => driver.promote(queue, { ids: [good, id] }),
          delete: () => driver.delete(queue, [good, id]),
          ...(driver.move && { move: async () => driver.move?.(queue, fixture.newQueue(), [good, id]) }),
        };
        for (const [name, call] of Object.entries(calls)) {
          await refuses('INVALID_OPTION', `${name} of the id ${JSON.stringify(id)}`, call());
        }
      }
      await fixture.counts({ buried: 1 }, 'after calls that were refused');
    });
  });

  builder.describe('durations', () => {
    builder.it('may be the longest that there are', async (fixture) => {
      const longest = { delayMs: MAX_DURATION_MS, ttrMs: MAX_DURATION_MS };
      await fixture.put('delayed', longest);
      await fixture.put('held', { ttrMs: MAX_DURATION_MS });
      const consumer = await fixture.consume();
      const held = await fixture.next(consumer);
      assert.deepEqual([held.body.toString(), held.ttrMs], ['held', MAX_DURATION_MS]);
      await fixture.pass(0.2);
      await fixture.counts({ delayed: 1, reserved: 1 }, 'with the longest delay and the longest lease');
      await held.release({ delayMs: MAX_DURATION_MS });
      await fixture.driver.pause(fixture.queue, MAX_DURATION_MS);
      await fixture.put('paused');
      await fixture.nothing(consumer, 'the queue is paused, and the other messages are delayed');
      await fixture.counts({ delayed: 2, ready: 1 }, 'with the longest delays and the longest pause');
    });

    builder.it('may be the least TTR, a second, which is a lease of a second and no less', async (fixture) => {
      await fixture.put('a', { ttrMs: 1000 });
      const start = performance.now();
      const { ttrMs, leaseEndsAt } = await fixture.next(await fixture.consume());
      assert.ok(ttrMs >= 1000 && ttrMs <= 2000, `the TTR of 1000 ms became ${ttrMs} ms`);
      assert.ok(leaseEndsAt >= start + 1000, 'the lease lasts a second from its delivery');
    });
  });
}
