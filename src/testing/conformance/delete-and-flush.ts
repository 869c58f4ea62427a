import assert from 'node:assert/strict';
import { codeOf, refuses } from './assertions.js';
import { LONG_MS, STATES, URGENT } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** Messages are removed by whoever does not hold them. */
export function deleteAndFlush(builder: SuiteBuilder): void {
  builder.describe('delete', () => {
    builder.it('removes messages that nobody holds, and says how many there were', async (fixture) => {
      const ids = await fixture.oneOfEach();
      const others = await fixture.putMany(['b', 'c', 'd']);
      for (const state of STATES) {
        assert.equal(await fixture.driver.delete(fixture.queue, [ids[state]]), 1, `deleting a ${state} message`);
        assert.equal(await fixture.driver.delete(fixture.queue, [ids[state]]), 0, 'deleting it again');
      }
      const [b = '', , d = ''] = others;
      assert.equal(await fixture.driver.delete(fixture.queue, [d, ids.ready, b, d]), 2, 'deleting several');
      assert.equal(await fixture.driver.delete(fixture.queue, []), 0, 'deleting none');
      assert.deepEqual(await fixture.drain(await fixture.consume(), 1), ['c'], 'what is left');
      await fixture.counts({}, 'after all were deleted');
    });

    builder.it('leaves messages of other queues alone', async (fixture) => {
      const ids = await fixture.oneOfEach();
      for (const state of STATES) {
        const count = await fixture.driver.delete(fixture.newQueue(), [ids[state]]);
        assert.equal(count, 0, `deleting a ${state} message in another queue`);
      }
      await fixture.counts({ ready: 1, delayed: 1, buried: 1 }, 'after deleting in another queue');
    });

    builder.it(
      'removes a held message, and its holder loses its lease',
      async (fixture) => {
        const id = await fixture.put('a');
        const held = await fixture.next(await fixture.consume());
        const deleter = await fixture.anotherDriver();
        assert.equal(await deleter.delete(fixture.queue, [id]), 1, 'how many were deleted');
        await fixture.counts({}, 'after the held message was deleted');
        await refuses('LEASE_LOST', 'touch() of a message that was deleted', held.touch());
        assert.equal(held.lost.aborted, true, 'the signal `lost` is aborted');
        assert.equal(codeOf(held.lost.reason), 'LEASE_LOST', 'the code of the reason of `lost`');
        await refuses('LEASE_LOST', 'release() of a message that was deleted', held.release());
        await fixture.counts({}, 'after its holder has tried to give it back');
      },
      { deleteReserved: true },
    );

    builder.it(
      'leaves a held message to its holder',
      async (fixture) => {
        const id = await fixture.put('a');
        const held = await fixture.next(await fixture.consume());
        assert.equal(await fixture.driver.delete(fixture.queue, [id]), 0, 'how many were deleted');
        await fixture.counts({ reserved: 1 }, 'after a delete of what is held');
        await held.ack();
      },
      { deleteReserved: false },
    );
  });

  builder.describe('flush', () => {
    builder.it('removes all that nobody holds, and says how many messages that were', async (fixture) => {
      await fixture.put('held', { priority: URGENT });
      const consumer = await fixture.consume();
      const held = await fixture.next(consumer);
      await fixture.oneOfEach();
      for (let n = 0; n < 7; n++) await fixture.put('a', { delayMs: n % 2 === 0 ? 0 : LONG_MS });
      assert.equal(await fixture.driver.flush(fixture.queue, STATES), 10, 'how many a flush removes');
      await fixture.counts({ reserved: 1 }, 'after a flush');
      await fixture.nothing(consumer);
      await held.ack();
      assert.equal(await fixture.driver.flush(fixture.queue, STATES), 0, 'what a flush of an empty queue removes');
    });

    for (const state of STATES) {
      builder.it(`removes the ${state} messages alone, where no more is asked for`, async (fixture) => {
        await fixture.oneOfEach();
        assert.equal(
          await fixture.driver.flush(fixture.queue, [state]),
          1,
          `how many ${state} messages a flush removes`,
        );
        await fixture.counts({ ready: 1, delayed: 1, buried: 1, [state]: 0 }, `after a flush of the ${state} ones`);
      });
    }

    builder.it('leaves other queues alone', async (fixture) => {
      await fixture.put('a');
      await fixture.driver.flush(fixture.newQueue(), STATES);
      await fixture.counts({ ready: 1 }, 'after a flush of another queue');
    });
  });
}
