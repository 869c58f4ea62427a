import assert from 'node:assert/strict';
import { type Fixture, LATE, LONG_MS, NORMAL, URGENT } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

const MOVE = { method: 'move' } as const;

/** Messages go to another queue of the same engine. */
export function move(builder: SuiteBuilder): void {
  builder.describe('move', () => {
    builder.it(
      'takes messages to another queue, with new ids and no attempts, the buried ones ready, and says how many',
      async (fixture) => {
        const target = fixture.newQueue();
        const buried = await fixture.putBuried('buried', { priority: LATE, ttrMs: 77_000 });
        const delayed = await fixture.put('delayed', { delayMs: LONG_MS });
        const ready = await fixture.put('ready', { priority: NORMAL });
        const ids = [buried, delayed, ready];
        assert.equal(await moveTo(fixture, target, [...ids, buried]), 3, 'how many were moved');
        await fixture.counts({}, 'of the queue that they have left');
        await fixture.counts({ ready: 2, delayed: 1 }, 'of the queue to which they were moved', target);
        for (const id of ids) assert.equal(await fixture.driver.find(fixture.queue, id), null, 'find() of the old id');
        const held = await fixture.take(await fixture.consume({ queues: [target] }), 2);
        assert.deepEqual(
          held.map(({ body, attempt, queue, ttrMs }) => ({ body: body.toString(), attempt, queue, ttrMs })),
          [
            { body: 'ready', attempt: 1, queue: target, ttrMs: 120_000 },
            { body: 'buried', attempt: 1, queue: target, ttrMs: 77_000 },
          ],
        );
        for (const { jobId } of held) assert.ok(!ids.includes(jobId), 'the ids in the other queue are new ones');
      },
      MOVE,
    );

    builder.it(
      'leaves out what is held, gone, or in another queue',
      async (fixture) => {
        const [target, elsewhere] = [fixture.newQueue(), fixture.newQueue()];
        const reserved = await fixture.put('reserved', { priority: URGENT });
        const held = await fixture.next(await fixture.consume());
        const ids = [reserved, await fixture.idOfNone(), await fixture.put('b', { queue: elsewhere })];
        ids.push(await fixture.put('a'));
        assert.equal(await moveTo(fixture, target, ids), 1, 'how many were moved');
        await fixture.counts({ reserved: 1 }, 'of the queue with the held message');
        await fixture.counts({ ready: 1 }, 'of a queue of which nothing was to be moved', elsewhere);
        await fixture.counts({ ready: 1 }, 'of the queue to which one was moved', target);
        await held.ack();
        assert.equal(await moveTo(fixture, target, []), 0, 'how many of none were moved');
      },
      MOVE,
    );

    builder.it(
      'wakes a reserve that waits for messages of the other queue',
      async (fixture) => {
        const target = fixture.newQueue();
        const reserving = fixture.reserving(await fixture.consume({ queues: [target] }));
        const id = await fixture.put('a');
        await fixture.pass(0.05);
        await moveTo(fixture, target, [id]);
        const held = await fixture.answer('the reserve that waits answers', reserving);
        assert.equal(held?.body.toString(), 'a', 'the message that was moved comes');
      },
      MOVE,
    );
  });
}

async function moveTo({ driver, queue }: Fixture, target: string, ids: readonly string[]): Promise<number | undefined> {
  return driver.move?.(queue, target, ids);
}
