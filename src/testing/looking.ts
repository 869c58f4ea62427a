import assert from 'node:assert/strict';
import { refuses, texts } from './checks.js';
import type { Declaration } from './declaration.js';
import { STATES } from './trial.js';

/** How much an engine that knows whole seconds may be off, and clocks that are not the same, in milliseconds. */
const COARSE_MS = 1500;

/** What an operator sees. */
export function looking(declaration: Declaration): void {
  declaration.describe('peek', () => {
    declaration.it('shows the next message of each state, and delivers none', async (trial) => {
      const ids = await trial.oneOfEach();
      for (const state of STATES) {
        const shown = await trial.driver.peek(trial.queue, state, 1);
        const found = shown.map(({ id, state, body }) => ({ id, state, body: body.toString() }));
        assert.deepEqual(found, [{ id: ids[state], state, body: state }]);
      }
      await trial.counts({ ready: 1, delayed: 1, buried: 1 }, 'after a peek into each state');
      assert.equal((await trial.next(await trial.consume())).attempt, 1, 'a peek is no delivery');
    });

    declaration.it('shows nothing of what is reserved, of an empty queue, or when none is asked for', async (trial) => {
      await trial.put('a');
      assert.deepEqual(await trial.driver.peek(trial.queue, 'ready', 0), []);
      await trial.next(await trial.consume());
      for (const state of STATES) assert.deepEqual(await trial.driver.peek(trial.queue, state, 1), []);
      assert.deepEqual(await trial.driver.peek(trial.newQueue(), 'ready', 1), []);
    });

    declaration.it('shows the most urgent ready message, and the delayed one that is due next', async (trial) => {
      for (const [body, priority] of [
        ['b', 5],
        ['a', 1],
        ['c', 9],
      ] as const)
        await trial.put(body, { priority });
      for (const [body, delayMs] of [
        ['e', 80_000],
        ['d', 70_000],
        ['f', 90_000],
      ] as const)
        await trial.put(body, { delayMs });
      for (const [state, next] of [
        ['ready', 'a'],
        ['delayed', 'd'],
      ] as const) {
        assert.deepEqual(texts(await trial.driver.peek(trial.queue, state, 1)), [next]);
      }
    });

    declaration.it(
      'shows several messages of a state',
      async (trial) => {
        for (const [body, priority] of [
          ['b', 5],
          ['a', 1],
          ['d', 9],
          ['c', 5],
        ] as const)
          await trial.put(body, { priority });
        for (const [body, delayMs] of [
          ['f', 80_000],
          ['e', 70_000],
        ] as const)
          await trial.put(body, { delayMs });
        assert.deepEqual(texts(await trial.driver.peek(trial.queue, 'ready', 3)), ['a', 'b', 'c']);
        assert.deepEqual(texts(await trial.driver.peek(trial.queue, 'ready', 100)), ['a', 'b', 'c', 'd']);
        assert.deepEqual(texts(await trial.driver.peek(trial.queue, 'delayed', 100)), ['e', 'f']);
        const consumer = await trial.consume();
        for (let n = 0; n < 3; n++) await (await trial.next(consumer)).bury();
        assert.deepEqual(texts(await trial.driver.peek(trial.queue, 'buried', 100)), ['a', 'b', 'c']);
        assert.equal((await trial.driver.peek(trial.queue, 'buried', 2)).length, 2);
      },
      { needs: 'peekMany' },
    );

    declaration.it(
      'refuses to show several messages of a state',
      async (trial) => {
        for (const state of STATES) {
          await refuses('UNSUPPORTED', `peek() for 2 ${state} messages`, trial.driver.peek(trial.queue, state, 2));
        }
      },
      { lacks: 'peekMany' },
    );
  });

  declaration.describe('stats and queues', () => {
    declaration.it('tell at each step where a message is', async (trial) => {
      const { driver, queue } = trial;
      await trial.put('a', { delayMs: 60_000 });
      await trial.counts({ delayed: 1 }, 'after a put with a delay');
      await driver.kick(queue, 1);
      await trial.counts({ ready: 1 }, 'after the delayed message was kicked');
      const consumer = await trial.consume();
      const first = await trial.next(consumer);
      await trial.counts({ reserved: 1 }, 'after the message was reserved');
      await first.touch();
      await trial.counts({ reserved: 1 }, 'after a touch');
      await first.release({ delayMs: 60_000 });
      await trial.counts({ delayed: 1 }, 'after a release with a delay');
      await driver.kick(queue, 1);
      await (await trial.next(consumer)).release();
      await trial.counts({ ready: 1 }, 'after a release without one');
      await (await trial.next(consumer)).bury();
      await trial.counts({ buried: 1 }, 'after a burial');
      await driver.kick(queue, 1);
      await trial.counts({ ready: 1 }, 'after the buried message was kicked');
      await (await trial.next(consumer)).ack();
      await trial.counts({}, 'after the ack');
    });

    declaration.it('tell of the messages of many states at once, to every driver', async (trial) => {
      await trial.oneOfEach();
      await trial.putMany(['a', 'b', 'c']);
      await trial.next(await trial.consume());
      const counts = await trial.countsOf(trial.queue, await trial.anotherDriver());
      assert.deepEqual(counts, { ready: 3, delayed: 1, reserved: 1, buried: 1 });
    });

    declaration.it('know no queue that nobody has used', async (trial) => {
      await trial.put('a');
      assert.equal(await trial.driver.stats(trial.newQueue()), null);
    });

    declaration.it('tell until when a queue is paused, to every driver', async (trial) => {
      await trial.put('a');
      const other = await trial.anotherDriver();
      const pausedUntil = async () => (await other.stats(trial.queue))?.pausedUntil;
      assert.equal(await pausedUntil(), null, 'of a queue that is not paused');
      const before = Date.now();
      await trial.driver.pause(trial.queue, 60_000);
      const until = await pausedUntil();
      const after = Date.now();
      assert.ok(until instanceof Date, `pausedUntil of a paused queue must be a Date, got ${String(until)}`);
      const told = `the pause of 60 s is told to end ${until.getTime() - before} ms after it began`;
      assert.ok(until.getTime() >= before + 60_000 - COARSE_MS && until.getTime() <= after + 60_000 + COARSE_MS, told);
      await trial.driver.pause(trial.queue, 0);
      assert.equal(await pausedUntil(), null, 'behind a pause that was ended');
      await trial.driver.pause(trial.queue, trial.secondMs);
      await trial.next(await trial.consume());
      assert.equal(await pausedUntil(), null, 'behind a pause that has ended by itself');
    });

    declaration.it('list a queue that is paused, though it has no messages', async (trial) => {
      // It stays in use, for engines that forget others.
      await trial.driver.setUp(trial.queue);
      await trial.driver.pause(trial.queue, 60_000);
      assert.ok((await trial.driver.queues()).includes(trial.queue));
    });

    declaration.it('list the queues that have messages, in whatever state', async (trial) => {
      const queues = [trial.queue, trial.newQueue(), trial.newQueue(), trial.newQueue()];
      const [, delayed, buried, reserved] = queues;
      await trial.put('a');
      await trial.put('a', { queue: delayed ?? '', delayMs: 60_000 });
      await trial.put('a', { queue: buried ?? '' });
      await trial.put('a', { queue: reserved ?? '' });
      await (await trial.next(await trial.consume({ queues: [buried ?? ''] }))).bury();
      await trial.next(await trial.consume({ queues: [reserved ?? ''] }));
      const listed = await (await trial.anotherDriver()).queues();
      for (const queue of queues) {
        assert.equal(listed.filter((name) => name === queue).length, 1, `queues() lists ${queue} once`);
      }
    });
  });
}
