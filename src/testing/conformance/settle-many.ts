import assert from 'node:assert/strict';
import type { Settlement, SettlementResult } from '../../queue/driver.js';
import { codeOf } from './assertions.js';
import { LONG_MS } from './fixture.js';
import type { HeldMessage } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

const MANY = 200;

/** Several messages in one call: reserved, settled, and renewed. */
export function settleMany(builder: SuiteBuilder): void {
  builder.describe('reserve with max', () => {
    builder.it('takes no more than it may, the next ones first, and does not wait for more', async (fixture) => {
      const bodies = Array.from({ length: 7 }, (_, n) => String(n));
      await fixture.putMany(bodies);
      const consumer = await fixture.consume({ concurrency: 7 });
      const found: string[] = [];
      while (found.length < 7) {
        const reserving = consumer.reserve({ max: 3, timeoutMs: fixture.patienceMs });
        const messages = await fixture.answer('a reserve of 3 messages answers', reserving);
        assert.ok(messages.length >= 1 && messages.length <= 3, `a reserve of at most 3 took ${messages.length}`);
        found.push(...messages.map(({ body }) => body.toString()));
      }
      assert.deepEqual(found, bodies);
      await fixture.counts({ reserved: 7 }, 'after all were reserved');
      const none = await fixture.answer('it answers', consumer.reserve({ max: 3, timeoutMs: 0 }));
      assert.equal(none.length, 0, 'no more is to be had');
    });

    builder.it('gets one message that comes while it waits', async (fixture) => {
      const consumer = await fixture.consume({ concurrency: 3 });
      const reserving = consumer.reserve({ max: 3, timeoutMs: fixture.patienceMs });
      reserving.catch(() => {});
      await fixture.pass(0.05);
      await fixture.put('a');
      const messages = await fixture.answer('the reserve that waits answers', reserving);
      assert.deepEqual(
        messages.map(({ body, attempt }) => [body.toString(), attempt]),
        [['a', 1]],
      );
    });
  });

  builder.describe('settle of many', () => {
    builder.it('does to each what is said, and answers in order, though one is no longer held', async (fixture) => {
      await fixture.putMany(['ack', 'lost', 'release', 'bury', 'delay']);
      const consumer = await fixture.consume({ concurrency: 5 });
      const next = (): Promise<HeldMessage> => fixture.next(consumer);
      const [acked, lost, released, buried, delayed] = [
        await next(),
        await next(),
        await next(),
        await next(),
        await next(),
      ];
      await lost.release();
      const again = await fixture.next(await fixture.consume());
      assert.equal(again.jobId, lost.jobId, 'the message that another one holds now');
      const results = await consumer.settle([
        { kind: 'ack', message: acked.message },
        { kind: 'ack', message: lost.message },
        { kind: 'release', message: released.message },
        { kind: 'bury', message: buried.message },
        { kind: 'release', message: delayed.message, delayMs: LONG_MS },
      ]);
      assert.deepEqual(codesOf(results), [undefined, 'LEASE_LOST', undefined, undefined, undefined]);
      await fixture.counts({ ready: 1, delayed: 1, reserved: 1, buried: 1 }, 'after five settlements in one call');
      await again.ack();
      assert.deepEqual(await fixture.drain(consumer, 1), ['release'], 'the message that was released');
    });

    builder.it('takes a message that stands there twice as held once', async (fixture) => {
      await fixture.put('a');
      const consumer = await fixture.consume();
      const { message } = await fixture.next(consumer);
      const results = await consumer.settle([
        { kind: 'release', message },
        { kind: 'ack', message },
      ]);
      assert.deepEqual(codesOf(results), [undefined, 'LEASE_LOST']);
      await fixture.counts({ ready: 1 }, 'after a release, and an ack that came too late');
    });

    builder.it(`settles ${MANY} messages of two queues in one call, and none in an empty one`, async (fixture) => {
      const queues = [fixture.queue, fixture.newQueue()];
      const consumer = await fixture.consume({ queues, concurrency: MANY });
      for (const queue of queues) await fixture.putMany(Array(MANY / 2).fill('a'), { queue });
      const held = await fixture.take(consumer, MANY);
      const settlements = held.map(
        ({ message }, n): Settlement => ({ kind: n % 3 === 0 ? 'bury' : n % 3 === 1 ? 'release' : 'ack', message }),
      );
      assert.deepEqual(codesOf(await consumer.settle(settlements)), Array(MANY).fill(undefined));
      const count = (kind: string, queue: string): number =>
        settlements.filter(({ kind: its, message }) => its === kind && message.queue === queue).length;
      for (const queue of queues) {
        const expected = { ready: count('release', queue), buried: count('bury', queue) };
        await fixture.counts(expected, `after ${MANY} settlements in one call`, queue);
      }
      assert.deepEqual(await consumer.settle([]), []);
    });
  });

  builder.describe('touch of many', () => {
    builder.it('renews each, and answers in order, though one is no longer held', async (fixture) => {
      await fixture.putMany(['a', 'b', 'c']);
      const consumer = await fixture.consume({ concurrency: 3 });
      const [first, lost, last] = [
        await fixture.next(consumer),
        await fixture.next(consumer),
        await fixture.next(consumer),
      ];
      await lost.ack();
      const before = [first.leaseEndsAt, last.leaseEndsAt];
      await fixture.pass(0.05);
      const results = await consumer.touch([first.message, lost.message, last.message]);
      assert.deepEqual(codesOf(results), [undefined, 'LEASE_LOST', undefined]);
      assert.ok(
        [first, last].every(({ leaseEndsAt }, index) => leaseEndsAt > (before[index] ?? 0)),
        'the leases of the others end later',
      );
      await fixture.counts({ reserved: 2 }, 'after two were renewed');
      assert.deepEqual(await consumer.touch([]), []);
    });
  });
}

function codesOf(results: readonly SettlementResult[]): unknown[] {
  return results.map(({ error }) => codeOf(error));
}
