import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fixture } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

const RACES = 50;

/** A reserve that is given up. */
export function cancellation(builder: SuiteBuilder): void {
  builder.describe('a reserve whose signal aborts', () => {
    builder.it('rejects with the reason, and the next one gets the message', async (fixture) => {
      const consumer = await fixture.consume();
      const controller = new AbortController();
      const reason = new Error('enough');
      const reserving = fixture.reserving(consumer, { signal: controller.signal });
      await fixture.pass(0.1);
      controller.abort(reason);
      await rejectsWith(fixture, reason, reserving);
      await fixture.put('a');
      const held = await fixture.next(consumer, 'the next reserve of the consumer gets the message');
      assert.equal(held.attempt, 1, 'nobody was given the message before');
    });

    builder.it('rejects with the reason when it was aborted before, and takes no message', async (fixture) => {
      await fixture.put('a');
      const reason = new Error('enough');
      await rejectsWith(fixture, reason, (await fixture.consume()).reserve({ signal: AbortSignal.abort(reason) }));
      await fixture.counts({ ready: 1 }, 'after a reserve that was aborted before');
    });

    builder.it('does so alone: the others of its consumer go on waiting', async (fixture) => {
      const consumer = await fixture.consume({ concurrency: 2 });
      const controller = new AbortController();
      const reason = new Error('enough');
      const [first, second] = [fixture.reserving(consumer, { signal: controller.signal }), fixture.reserving(consumer)];
      await fixture.pass(0.1);
      controller.abort(reason);
      await rejectsWith(fixture, reason, first);
      await fixture.put('a');
      const held = await fixture.answer('the other reserve answers', second);
      assert.equal(held?.body.toString(), 'a', 'the message of the other reserve');
    });

    builder.it('leaves alone what it had delivered before', async (fixture) => {
      await fixture.put('a');
      const controller = new AbortController();
      const held = await fixture.reserving(await fixture.consume(), { signal: controller.signal });
      controller.abort();
      await fixture.counts({ reserved: 1 }, 'after the signal aborted behind a delivery');
      assert.equal(held?.lost.aborted, false, 'the lease is not lost');
      await held?.ack();
    });

    builder.it(`loses no message, in ${RACES} races between the two`, async (fixture) => {
      const consumer = await fixture.consume();
      const ids: string[] = [];
      const delivered: string[] = [];
      for (let race = 0; race < RACES; race++) {
        const controller = new AbortController();
        const reserving = fixture.reserving(consumer, { signal: controller.signal });
        if (race % 3 === 0) await sleep(2);
        const putting = fixture.put(String(race));
        // From before the message is on its way to after it has come.
        const isWaited = race % 2 === 0;
        if (isWaited) await putting;
        for (let turn = isWaited ? 0 : 1; turn < race % 10; turn++)
          await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        ids.push(await putting);
        const held = await fixture.answer('a reserve that was aborted answers', reserving).catch((error) => {
          assert.equal(error, controller.signal.reason, 'what the reserve rejects with');
        });
        if (held) delivered.push(held.jobId);
        await held?.ack();
      }
      const heir = await fixture.consume({ driver: await fixture.anotherDriver() });
      while (delivered.length < RACES) {
        const held = await fixture.next(heir, `message ${delivered.length + 1} of ${RACES} is delivered`);
        delivered.push(held.jobId);
        await held.ack();
      }
      assert.deepEqual(delivered.toSorted(), ids.toSorted(), 'each message was delivered once');
      await fixture.counts({}, 'after all were acknowledged');
    });
  });
}

async function rejectsWith(fixture: Fixture, reason: Error, reserving: Promise<unknown>): Promise<void> {
  const outcome = await fixture.answer('the reserve answers', reserving).catch((error: unknown) => error);
  assert.equal(outcome, reason, `the reserve must reject with the reason of its signal, and not ${String(outcome)}`);
}
