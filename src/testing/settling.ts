import assert from 'node:assert/strict';
import { toFailure } from '../queue/failure.js';
import { refuses, texts } from './checks.js';
import type { Declaration } from './declaration.js';

const FAILURE = toFailure(new Error('it is “unfit”\n\0', { cause: new Error('why') }), {
  reason: 'attempts',
  attempt: 1,
});

/** What a holder can do with a message. */
export function settling(declaration: Declaration): void {
  declaration.describe('settling', () => {
    declaration.it('removes a message that is acknowledged', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('a');
      await (await trial.next(consumer)).ack();
      await trial.counts({}, 'after the ack');
      await trial.nothing(consumer);
    });

    declaration.it('delivers a message again at once that is released, and counts that', async (trial) => {
      const consumer = await trial.consume();
      const id = await trial.put('a');
      await (await trial.next(consumer)).release();
      await trial.counts({ ready: 1 }, 'after the release');
      const again = await trial.next(consumer);
      assert.deepEqual([again.id, again.attempt], [id, 2]);
      await again.release();
      assert.equal((await trial.next(consumer)).attempt, 3);
    });

    declaration.it('keeps the priority of a message that is released, unless another is given', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('a', { priority: 3 });
      await trial.put('b', { priority: 5 });
      await (await trial.next(consumer)).release();
      const first = await trial.next(consumer);
      assert.equal(first.body.toString(), 'a', 'the first message after a release that gives no priority');
      await first.release({ priority: 9 });
      assert.deepEqual(await trial.drain(consumer, 2), ['b', 'a']);
    });

    declaration.it('puts a message aside that is buried, until it is kicked', async (trial) => {
      const consumer = await trial.consume();
      const id = await trial.put('a');
      await (await trial.next(consumer)).bury();
      await trial.counts({ buried: 1 }, 'after it was buried');
      await trial.nothing(consumer);
      assert.equal(await trial.driver.kick(trial.queue, 1), 1, 'kick() tells how many it kicked');
      assert.equal((await trial.next(consumer)).id, id);
    });

    declaration.it('keeps the priority of a message that is buried, unless another is given', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('a', { priority: 3 });
      await trial.put('b', { priority: 4 });
      await trial.put('c', { priority: 5 });
      await (await trial.next(consumer)).bury();
      await (await trial.next(consumer)).bury({ priority: 9 });
      await trial.driver.kick(trial.queue, 2);
      assert.deepEqual(await trial.drain(consumer, 3), ['a', 'c', 'b']);
    });

    declaration.it(
      'keeps the failure of a message that is buried',
      async (trial) => {
        const consumer = await trial.consume();
        await trial.put('a');
        await (await trial.next(consumer)).bury({ failure: FAILURE });
        const [buried] = await trial.driver.peek(trial.queue, 'buried', 1);
        assert.deepEqual(buried?.failure, FAILURE);
      },
      { needs: 'failures' },
    );

    declaration.it(
      'refuses to bury with a failure that it cannot keep, and the message is still held',
      async (trial) => {
        await trial.put('a');
        const reservation = await trial.next(await trial.consume());
        await refuses('UNSUPPORTED', 'bury() with a failure', reservation.bury({ failure: FAILURE }));
        await trial.counts({ reserved: 1 }, 'after a burial that was refused');
        await reservation.ack();
      },
      { lacks: 'failures' },
    );

    for (const first of ['ack', 'release', 'bury'] as const) {
      declaration.it(`is over with ${first}: the holder can do nothing more`, async (trial) => {
        const consumer = await trial.consume();
        await trial.put('a');
        const settled = await trial.next(consumer);
        await settled[first]();
        const before = await trial.countsOf(trial.queue);
        for (const command of ['ack', 'release', 'bury', 'touch'] as const) {
          await refuses('LEASE_LOST', `${command}() after ${first}()`, settled[command]());
        }
        await trial.counts(before, `after commands behind ${first}()`);
      });
    }

    declaration.it('leaves alone what others hold, and what is in other queues', async (trial) => {
      const elsewhere = trial.newQueue();
      await trial.putMany(['a', 'b', 'c']);
      await trial.putMany(['d', 'e'], { queue: elsewhere });
      const consumer = await trial.consume();
      const held = [await trial.next(consumer), await trial.next(consumer), await trial.next(consumer)];
      await held[1]?.ack();
      await held[0]?.bury();
      assert.deepEqual(texts(held), ['a', 'b', 'c']);
      await trial.counts({ buried: 1, reserved: 1 }, 'after one of three held messages was acknowledged, one buried');
      await trial.counts({ ready: 2 }, 'of the other queue', elsewhere);
    });
  });
}
