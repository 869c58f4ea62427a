import assert from 'node:assert/strict';
import { TimingError } from './assertions.js';
import { type Fixture, LATE, URGENT } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** More than an engine makes ready in one go. */
const MANY = 1200;

/** Delays, pauses and timeouts: never too short, and not much too long. */
export function delaysAndPauses(builder: SuiteBuilder): void {
  builder.describe('delays', () => {
    // One and a half: an engine that knows whole seconds must round up.
    for (const seconds of [1, 1.5]) {
      builder.it(`delivers a message that is delayed by ${seconds} s then, no earlier, and soon`, async (fixture) => {
        const consumer = await fixture.consume();
        const start = performance.now();
        await fixture.put('a', { delayMs: seconds * fixture.secondMs });
        await fixture.while(start + seconds * fixture.secondMs, async () => {
          await fixture.counts({ delayed: 1 }, 'after a delayed message was put');
          await fixture.nothing(consumer, 'the message is delayed');
        });
        assert.equal((await fixture.next(consumer)).attempt, 1);
        fixture.tookAbout(seconds, start, `the delay of ${seconds} s ended`);
      });
    }

    builder.it(
      'holds a message back that is released with a delay, no shorter, and not much longer',
      async (fixture) => {
        const consumer = await fixture.consume();
        await fixture.put('a');
        const held = await fixture.next(consumer);
        const start = performance.now();
        await held.release({ delayMs: fixture.secondMs });
        await fixture.while(start + fixture.secondMs, () =>
          fixture.counts({ delayed: 1 }, 'after the release with a delay'),
        );
        assert.equal((await fixture.next(consumer)).attempt, 2);
        fixture.tookAbout(1, start, 'the delay of 1 s ended');
      },
    );

    builder.it('delivers the most urgent first of more than 500 that became due at once', async (fixture) => {
      const delayMs = 2 * fixture.secondMs;
      const items = Array.from({ length: MANY }, (_, n) => {
        return { queue: fixture.queue, body: Buffer.from(String(n)), options: fixture.options({ delayMs }) };
      });
      await fixture.driver.put(items);
      await fixture.put('urgent', { priority: URGENT, delayMs });
      await fixture.untilCounts({ ready: MANY + 1 }, 'all delays are over');
      if (fixture.driver.capabilities.list.ready !== 'none') {
        const { messages } = await fixture.driver.list(fixture.queue, { state: 'ready', limit: 1 });
        assert.equal(messages[0]?.body.toString(), 'urgent', 'what list() shows first');
      }
      assert.deepEqual(await fixture.drain(await fixture.consume(), 4), ['urgent', '0', '1', '2']);
      await fixture.counts({ ready: MANY - 3 }, 'after four were taken');
    });

    builder.it(
      'keeps the rest of a delay when the message is moved to another queue',
      async (fixture) => {
        const target = fixture.newQueue();
        const start = performance.now();
        const id = await fixture.put('a', { delayMs: 2 * fixture.secondMs });
        await fixture.pass(1);
        await fixture.driver.move?.(fixture.queue, target, [id]);
        const held = await fixture.next(await fixture.consume({ queues: [target] }));
        fixture.tookAbout(2, start, 'the delay of 2 s ended');
        assert.equal(held.attempt, 1);
      },
      { method: 'move' },
    );

    builder.it('delivers what is there while other messages are delayed', async (fixture) => {
      const consumer = await fixture.consume();
      const start = performance.now();
      await fixture.put('a', { delayMs: fixture.secondMs, priority: URGENT });
      await fixture.put('b', { delayMs: 60 * fixture.secondMs });
      await fixture.put('c', { priority: LATE });
      await fixture.while(start + fixture.secondMs, async () => {
        assert.deepEqual(await fixture.drain(consumer, 1), ['c']);
      });
      assert.deepEqual(await fixture.drain(consumer, 1), ['a']);
      await fixture.counts({ delayed: 1 }, 'while the second delay lasts');
    });
  });

  builder.describe('pauses', () => {
    builder.it(
      'deliver nothing, neither to those who wait nor to those who come, and messages can be put',
      async (fixture) => {
        const [waiting, coming] = [
          await fixture.consume(),
          await fixture.consume({ driver: await fixture.anotherDriver() }),
        ];
        const reserving = fixture.reserving(waiting, { timeoutMs: fixture.secondMs });
        await fixture.pass(0.1);
        await fixture.driver.pause(fixture.queue, 60 * fixture.secondMs);
        await fixture.put('a');
        await fixture.nothing(coming, 'the queue is paused');
        assert.equal(await reserving, null, 'a reserve that waits while the queue is paused');
        await fixture.counts({ ready: 1 }, 'while the queue is paused');
      },
    );

    builder.it('end at once when they are to last 0 ms', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.driver.pause(fixture.queue, 60 * fixture.secondMs);
      await fixture.put('a');
      const reserving = fixture.reserving(consumer);
      await fixture.pass(0.1);
      await fixture.driver.pause(fixture.queue, 0);
      const held = await fixture.answer('the reserve that waits answers', reserving);
      assert.equal(held?.body.toString(), 'a');
    });

    builder.it('end by themselves, no earlier, and soon', async (fixture) => {
      await fixture.put('a');
      const start = performance.now();
      await fixture.driver.pause(fixture.queue, fixture.secondMs);
      await fixture.next(await fixture.consume());
      fixture.tookAbout(1, start, 'the pause of 1 s ended');
    });

    builder.it('concern their own queue alone', async (fixture) => {
      const other = fixture.newQueue();
      await fixture.driver.pause(fixture.queue, 60 * fixture.secondMs);
      await fixture.put('a');
      await fixture.put('b', { queue: other });
      assert.deepEqual(await fixture.drain(await fixture.consume({ queues: [fixture.queue, other] }), 1), ['b']);
    });
  });

  builder.describe('timeouts of a reserve', () => {
    for (const seconds of [1, 1.5]) {
      builder.it(
        `end it with no message after ${seconds} s where no message comes, no earlier, and soon`,
        async (fixture) => {
          const consumer = await fixture.consume();
          const start = performance.now();
          const timeoutMs = seconds * fixture.secondMs;
          const found = await fixture.answer('a reserve times out', fixture.reserving(consumer, { timeoutMs }));
          assert.equal(found, null);
          fixture.tookAbout(seconds, start, `the timeout of ${seconds} s ended`);
        },
      );
    }

    builder.it('of 0 answer at once', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.nothing(consumer);
      const start = performance.now();
      for (let n = 0; n < 5; n++) await fixture.nothing(consumer);
      const ms = performance.now() - start;
      if (ms >= SLOW_MS)
        throw new TimingError({ message: `five reserves that are not to wait took ${ms.toFixed(0)} ms` });
    });

    builder.it('of 0 take a message that is there', (fixture) => takesWhatIsThere(fixture));
  });
}

/** Five answers that no driver has waited for take much less, even on a busy machine; one second each, much more. */
const SLOW_MS = 1500;

async function takesWhatIsThere(fixture: Fixture): Promise<void> {
  const consumer = await fixture.consume();
  await fixture.putMany(['a', 'b']);
  for (const body of ['a', 'b']) {
    const held = await fixture.reserving(consumer, { timeoutMs: 0 });
    assert.equal(held?.body.toString(), body);
    await held?.ack();
  }
}
