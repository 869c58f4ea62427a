import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

const RACES = 50;

/** A reserve that is given up. */
export function aborting(declaration: Declaration): void {
  declaration.describe('a reserve whose signal aborts', () => {
    declaration.it('rejects with the reason, and the next one gets the message', async (trial) => {
      const consumer = await trial.consume();
      const controller = new AbortController();
      const reason = new Error('enough');
      const reserving = trial.reserving(consumer, { signal: controller.signal });
      await trial.pass(0.1);
      controller.abort(reason);
      await rejectsWith(trial, reason, reserving);
      await trial.put('a');
      const reservation = await trial.next(consumer, 'the next reserve of the consumer gets the message');
      assert.equal(reservation.attempt, 1, 'nobody was given the message before');
    });

    declaration.it('rejects with the reason when it was aborted before, and takes no message', async (trial) => {
      await trial.put('a');
      const reason = new Error('enough');
      await rejectsWith(trial, reason, (await trial.consume()).reserve({ signal: AbortSignal.abort(reason) }));
      await trial.counts({ ready: 1 }, 'after a reserve that was aborted before');
    });

    declaration.it('does so alone: the others of its consumer go on waiting', async (trial) => {
      const consumer = await trial.consume({ slots: 2 });
      const controller = new AbortController();
      const reason = new Error('enough');
      const [first, second] = [trial.reserving(consumer, { signal: controller.signal }), trial.reserving(consumer)];
      await trial.pass(0.1);
      controller.abort(reason);
      await rejectsWith(trial, reason, first);
      await trial.put('a');
      const reservation = await trial.answer('the other reserve answers', second);
      assert.equal(reservation?.body.toString(), 'a', 'the message of the other reserve');
    });

    declaration.it('leaves alone what it had delivered before', async (trial) => {
      await trial.put('a');
      const controller = new AbortController();
      const reservation = await (await trial.consume()).reserve({ signal: controller.signal });
      controller.abort();
      await trial.counts({ reserved: 1 }, 'after the signal aborted behind a delivery');
      assert.equal(reservation?.lost.aborted, false, 'the lease is not lost');
      await reservation?.ack();
    });

    declaration.it(`loses no message, in ${RACES} races between the two`, async (trial) => {
      const consumer = await trial.consume();
      const ids: string[] = [];
      const delivered: string[] = [];
      for (let race = 0; race < RACES; race++) {
        const controller = new AbortController();
        const reserving = trial.reserving(consumer, { signal: controller.signal });
        if (race % 3 === 0) await sleep(2);
        const putting = trial.put(String(race));
        // From before the message is on its way to after it has come.
        const isWaited = race % 2 === 0;
        if (isWaited) await putting;
        for (let turn = isWaited ? 0 : 1; turn < race % 10; turn++)
          await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        ids.push(await putting);
        const reservation = await trial.answer('a reserve that was aborted answers', reserving).catch((error) => {
          assert.equal(error, controller.signal.reason, 'what the reserve rejects with');
        });
        if (reservation) delivered.push(reservation.id);
        await reservation?.ack();
      }
      const heir = await trial.consume({ driver: await trial.anotherDriver() });
      while (delivered.length < RACES) {
        const reservation = await trial.next(heir, `message ${delivered.length + 1} of ${RACES} is delivered`);
        delivered.push(reservation.id);
        await reservation.ack();
      }
      assert.deepEqual(delivered.toSorted(), ids.toSorted(), 'each message was delivered once');
      await trial.counts({}, 'after all were acknowledged');
    });
  });
}

async function rejectsWith(trial: Trial, reason: Error, reserving: Promise<unknown>): Promise<void> {
  const outcome = await trial.answer('the reserve answers', reserving).catch((error: unknown) => error);
  assert.equal(outcome, reason, `the reserve must reject with the reason of its signal, and not ${String(outcome)}`);
}
