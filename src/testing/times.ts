import assert from 'node:assert/strict';
import { TimingError } from './checks.js';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

/** More than an engine makes ready in one go. */
const MANY = 1200;

/** Delays, pauses and timeouts: never too short, and not much too long. */
export function times(declaration: Declaration): void {
  declaration.describe('delays', () => {
    // One and a half: an engine that knows whole seconds must round up.
    for (const seconds of [1, 1.5]) {
      declaration.it(`delivers a message that is delayed by ${seconds} s then, no earlier, and soon`, async (trial) => {
        const consumer = await trial.consume();
        const start = performance.now();
        await trial.put('a', { delayMs: seconds * trial.secondMs });
        await trial.while(start + seconds * trial.secondMs, async () => {
          await trial.counts({ delayed: 1 }, 'after a delayed message was put');
          await trial.nothing(consumer, 'the message is delayed');
        });
        assert.equal((await trial.next(consumer)).attempt, 1);
        trial.tookAbout(seconds, start, `the delay of ${seconds} s ended`);
      });
    }

    declaration.it(
      'holds a message back that is released with a delay, no shorter, and not much longer',
      async (trial) => {
        const consumer = await trial.consume();
        await trial.put('a');
        const reservation = await trial.next(consumer);
        const start = performance.now();
        await reservation.release({ delayMs: trial.secondMs });
        await trial.while(start + trial.secondMs, () => trial.counts({ delayed: 1 }, 'after the release with a delay'));
        assert.equal((await trial.next(consumer)).attempt, 2);
        trial.tookAbout(1, start, 'the delay of 1 s ended');
      },
    );

    declaration.it('delivers the most urgent first of more than 500 that became due at once', async (trial) => {
      const delayMs = 2 * trial.secondMs;
      const items = Array.from({ length: MANY }, (_, n) => {
        return { body: Buffer.from(String(n)), options: trial.options({ priority: 1000, delayMs }) };
      });
      await trial.driver.putMany(trial.queue, items);
      await trial.put('urgent', { priority: 0, delayMs });
      await trial.untilCounts({ ready: MANY + 1 }, 'all delays are over');
      const [shown] = await trial.driver.peek(trial.queue, 'ready', 1);
      assert.equal(shown?.body.toString(), 'urgent', 'what a peek shows first');
      assert.deepEqual(await trial.drain(await trial.consume(), 4), ['urgent', '0', '1', '2']);
      await trial.counts({ ready: MANY - 3 }, 'after four were taken');
    });

    declaration.it('delivers what is there while other messages are delayed', async (trial) => {
      const consumer = await trial.consume();
      const start = performance.now();
      await trial.put('a', { delayMs: trial.secondMs, priority: 0 });
      await trial.put('b', { delayMs: 60 * trial.secondMs });
      await trial.put('c', { priority: 9 });
      await trial.while(start + trial.secondMs, async () => {
        assert.deepEqual(await trial.drain(consumer, 1), ['c']);
      });
      assert.deepEqual(await trial.drain(consumer, 1), ['a']);
      await trial.counts({ delayed: 1 }, 'while the second delay lasts');
    });
  });

  declaration.describe('pauses', () => {
    declaration.it(
      'deliver nothing, neither to those who wait nor to those who come, and messages can be put',
      async (trial) => {
        const [waiting, coming] = [await trial.consume(), await trial.consume({ driver: await trial.anotherDriver() })];
        const reserving = trial.reserving(waiting, { timeoutMs: trial.secondMs });
        await trial.pass(0.1);
        await trial.driver.pause(trial.queue, 60 * trial.secondMs);
        await trial.put('a');
        await trial.nothing(coming, 'the queue is paused');
        assert.equal(await reserving, null, 'a reserve that waits while the queue is paused');
        await trial.counts({ ready: 1 }, 'while the queue is paused');
      },
    );

    declaration.it('end at once when they are to last 0 ms', async (trial) => {
      const consumer = await trial.consume();
      await trial.driver.pause(trial.queue, 60 * trial.secondMs);
      await trial.put('a');
      const reserving = trial.reserving(consumer);
      await trial.pass(0.1);
      await trial.driver.pause(trial.queue, 0);
      const reservation = await trial.answer('the reserve that waits answers', reserving);
      assert.equal(reservation?.body.toString(), 'a');
    });

    declaration.it('end by themselves, no earlier, and soon', async (trial) => {
      await trial.put('a');
      const start = performance.now();
      await trial.driver.pause(trial.queue, trial.secondMs);
      await trial.next(await trial.consume());
      trial.tookAbout(1, start, 'the pause of 1 s ended');
    });

    declaration.it('concern their own queue alone', async (trial) => {
      const other = trial.newQueue();
      await trial.driver.pause(trial.queue, 60 * trial.secondMs);
      await trial.put('a');
      await trial.put('b', { queue: other });
      assert.deepEqual(await trial.drain(await trial.consume({ queues: [trial.queue, other] }), 1), ['b']);
    });
  });

  declaration.describe('timeouts of a reserve', () => {
    for (const seconds of [1, 1.5]) {
      declaration.it(
        `end it with null after ${seconds} s where no message comes, no earlier, and soon`,
        async (trial) => {
          const consumer = await trial.consume();
          const start = performance.now();
          const timeoutMs = seconds * trial.secondMs;
          assert.equal(await trial.answer('a reserve times out', consumer.reserve({ timeoutMs })), null);
          trial.tookAbout(seconds, start, `the timeout of ${seconds} s ended`);
        },
      );
    }

    declaration.it('of 0 answer at once', async (trial) => {
      const consumer = await trial.consume();
      await trial.nothing(consumer);
      const start = performance.now();
      for (let n = 0; n < 5; n++) await trial.nothing(consumer);
      const ms = performance.now() - start;
      if (ms >= LONG_MS)
        throw new TimingError({ message: `five reserves that are not to wait took ${ms.toFixed(0)} ms` });
    });

    declaration.it('of 0 take a message that is there', (trial) => takesWhatIsThere(trial));
  });
}

/** Five answers that no driver has waited for take much less, even on a busy machine; one second each, much more. */
const LONG_MS = 1500;

async function takesWhatIsThere(trial: Trial): Promise<void> {
  const consumer = await trial.consume();
  await trial.putMany(['a', 'b']);
  for (const body of ['a', 'b']) {
    const reservation = await consumer.reserve({ timeoutMs: 0 });
    assert.equal(reservation?.body.toString(), body);
    await reservation?.ack();
  }
}
