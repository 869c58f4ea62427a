import assert from 'node:assert/strict';
import type { Reservation } from '../queue/driver.js';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

/** How many deliveries a worker would allow. */
const BUDGET = 3;

/** How often a message has been delivered. */
export function attempts(declaration: Declaration): void {
  declaration.describe('attempts', () => {
    declaration.it(
      'begin anew for a message that was kicked: a worker allows it its whole budget again',
      async (trial) => {
        const consumer = await trial.consume();
        await trial.put('a');
        for (const round of ['', ' after a kick', ' after another kick']) {
          for (let attempt = 1; attempt < BUDGET; attempt++) {
            const reservation = await trial.next(consumer);
            assert.equal(reservation.attempt, attempt, `the attempt${round}`);
            await reservation.release();
          }
          const last = await trial.next(consumer);
          assert.equal(last.attempt, BUDGET, `the last attempt${round}`);
          await last.bury();
          await trial.driver.kick(trial.queue, 1);
        }
      },
    );

    declaration.it('count a delivery whose consumer was closed', async (trial) => {
      const first = await trial.consume();
      await trial.put('a');
      await trial.next(first);
      await first.close();
      assert.equal((await trial.next(await trial.consume())).attempt, 2);
    });

    declaration.it('may be left unknown where nobody needs them, and can be found out', async (trial) => {
      const consumer = await trial.consume({ trackAttempts: false });
      await trial.put('a');
      assert.equal(await foundOut(trial, await trial.next(consumer)), 1);
      await (await trial.next(consumer)).release();
      assert.equal(await foundOut(trial, await trial.next(consumer)), 3);
    });

    declaration.it('need not be known to settle a message', async (trial) => {
      const consumer = await trial.consume({ trackAttempts: false });
      await trial.put('a', { priority: 3 });
      await trial.put('b', { priority: 5 });
      const first = await trial.next(consumer);
      assert.deepEqual([first.queue, first.body.toString()], [trial.queue, 'a']);
      await first.touch();
      await first.release();
      await (await trial.next(consumer)).bury();
      await trial.counts({ ready: 1, buried: 1 }, 'after one message was released and buried');
      await trial.driver.kick(trial.queue, 1);
      assert.deepEqual(await trial.drain(consumer, 2), ['a', 'b'], 'the priority is kept');
    });
  });
}

/** Asks for the attempt where it is unknown, and releases the message. */
async function foundOut(trial: Trial, reservation: Reservation): Promise<number | undefined> {
  if (reservation.attempt === undefined) {
    assert.ok(reservation.track, 'a reservation whose attempt is undefined must have a method track()');
    await trial.answer('track() answers', reservation.track());
  }
  const { attempt } = reservation;
  await reservation.release();
  return attempt;
}
