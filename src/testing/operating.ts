import assert from 'node:assert/strict';
import { texts } from './checks.js';
import type { Declaration } from './declaration.js';
import { STATES } from './trial.js';

/** What an operator does to messages. */
export function operating(declaration: Declaration): void {
  declaration.describe('kick', () => {
    declaration.it('makes as many buried messages ready as it is told, and says how many', async (trial) => {
      const consumer = await trial.consume();
      await trial.putMany(['a', 'b', 'c']);
      for (let n = 0; n < 3; n++) await (await trial.next(consumer)).bury();
      const counts = [];
      for (const limit of [0, 2, 2, 2]) counts.push(await trial.driver.kick(trial.queue, limit));
      assert.deepEqual(counts, [0, 2, 1, 0]);
      await trial.counts({ ready: 3 }, 'after all were kicked');
    });

    declaration.it('makes delayed messages ready where none is buried, those due next first', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('buried');
      await (await trial.next(consumer)).bury();
      await trial.put('late', { delayMs: 90_000 });
      await trial.put('soon', { delayMs: 70_000 });
      const kicked = [];
      for (let n = 0; n < 2; n++) {
        assert.equal(await trial.driver.kick(trial.queue, 1), 1);
        kicked.push(...(await trial.drain(consumer, 1)));
      }
      assert.deepEqual(kicked, ['buried', 'soon']);
      await trial.counts({ delayed: 1 }, 'after a buried message and one of two delayed ones were kicked');
    });

    declaration.it('makes those ready first that were buried first, as peek shows them', async (trial) => {
      const consumer = await trial.consume({ slots: 3 });
      for (const [body, priority] of [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ] as const)
        await trial.put(body, { priority });
      const [a, b, c] = [await trial.next(consumer), await trial.next(consumer), await trial.next(consumer)];
      for (const held of [b, c, a]) await held.bury();
      const shown: string[] = [];
      const kicked: string[] = [];
      for (let n = 0; n < 3; n++) {
        shown.push(...texts(await trial.driver.peek(trial.queue, 'buried', 1)));
        await trial.driver.kick(trial.queue, 1);
        kicked.push(...(await trial.drain(consumer, 1)));
      }
      assert.deepEqual({ shown, kicked }, { shown: ['b', 'c', 'a'], kicked: ['b', 'c', 'a'] });
    });

    declaration.it('leaves delayed messages alone as long as one is buried', async (trial) => {
      await trial.oneOfEach();
      assert.equal(await trial.driver.kick(trial.queue, 10), 1);
      await trial.counts({ ready: 2, delayed: 1 }, 'after a kick');
    });
  });

  declaration.describe('delete', () => {
    declaration.it('removes a message that nobody holds, and says whether there was one', async (trial) => {
      const ids = await trial.oneOfEach();
      for (const state of STATES) {
        assert.equal(await trial.driver.delete(trial.queue, ids[state]), true, `deleting a ${state} message`);
        assert.equal(await trial.driver.delete(trial.queue, ids[state]), false, 'deleting it again');
      }
      await trial.counts({}, 'after all were deleted');
    });

    declaration.it('leaves a held message to its holder', async (trial) => {
      const id = await trial.put('a');
      const reservation = await trial.next(await trial.consume());
      assert.equal(await trial.driver.delete(trial.queue, id), false);
      await reservation.ack();
    });

    declaration.it('leaves messages of other queues alone', async (trial) => {
      const ids = await trial.oneOfEach();
      for (const state of STATES) assert.equal(await trial.driver.delete(trial.newQueue(), ids[state]), false);
      await trial.counts({ ready: 1, delayed: 1, buried: 1 }, 'after deleting in another queue');
    });
  });

  declaration.describe('flush', () => {
    declaration.it('removes all that nobody holds, and says how many messages that were', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('held', { priority: 0 });
      const held = await trial.next(consumer);
      await trial.oneOfEach();
      for (let n = 0; n < 7; n++) await trial.put('a', { delayMs: n % 2 === 0 ? 0 : 60_000 });
      assert.equal(await trial.driver.flush(trial.queue), 10);
      await trial.counts({ reserved: 1 }, 'after a flush');
      await trial.nothing(consumer);
      await held.ack();
      assert.equal(await trial.driver.flush(trial.queue), 0, 'what a flush of an empty queue removes');
    });

    declaration.it('leaves other queues alone', async (trial) => {
      await trial.put('a');
      await trial.driver.flush(trial.newQueue());
      await trial.counts({ ready: 1 }, 'after a flush of another queue');
    });
  });
}
