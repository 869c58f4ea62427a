import assert from 'node:assert/strict';
import { LATE, URGENT } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** A consumer of several queues. */
export function severalQueues(builder: SuiteBuilder): void {
  builder.describe('a consumer of several queues', () => {
    builder.it('gets the messages of all of them, and of no other, and is told the queue', async (fixture) => {
      const [other, foreign] = [fixture.newQueue(), fixture.newQueue()];
      for (const queue of [fixture.queue, other, foreign]) await fixture.put(queue, { queue });
      const consumer = await fixture.consume({ queues: [fixture.queue, other] });
      const found = [await fixture.next(consumer), await fixture.next(consumer)];
      for (const { queue, body } of found) assert.equal(queue, body.toString(), 'the queue of a message');
      assert.deepEqual(found.map(({ queue }) => queue).sort(), [fixture.queue, other].sort());
      await fixture.nothing(consumer, 'a message of a queue that was not asked for');
    });

    builder.it('waits for messages of all of them', async (fixture) => {
      const queues = [fixture.queue, fixture.newQueue(), fixture.newQueue()];
      const consumer = await fixture.consume({ queues });
      for (const queue of queues) {
        const reserving = fixture.reserving(consumer);
        await fixture.pass(0.05);
        await fixture.put('a', { queue });
        const held = await fixture.answer('the reserve that waits answers', reserving);
        assert.equal(held?.queue, queue);
        await held?.ack();
      }
    });

    // The long queue is named first, and all of its messages are older and more urgent.
    for (const order of ['fair', undefined] as const) {
      const how = order === undefined ? 'when no order is asked for' : 'in fair order';
      builder.it(`lets them take turns ${how}: a long queue does not starve a short one`, async (fixture) => {
        const short = fixture.newQueue();
        for (let n = 0; n < 40; n++) await fixture.put('long', { priority: URGENT });
        for (let n = 0; n < 4; n++) await fixture.put('short', { queue: short, priority: LATE });
        const consumer = await fixture.consume({ queues: [fixture.queue, short], order });
        const first = await fixture.drain(consumer, 16);
        const served = first.filter((body) => body === 'short').length;
        assert.equal(served, 4, `of the 4 messages of the short queue among the first 16: ${first.join(' ')}`);
        await fixture.drain(consumer, 28);
      });
    }

    // The messages of the second queue are older and more urgent.
    builder.it('takes from the first that has a message in strict order', async (fixture) => {
      const second = fixture.newQueue();
      for (let n = 0; n < 3; n++) await fixture.put('second', { queue: second, priority: URGENT });
      const consumer = await fixture.consume({ queues: [fixture.queue, second], order: 'strict' });
      const before = await fixture.drain(consumer, 1);
      for (let n = 0; n < 3; n++) await fixture.put('first', { priority: LATE });
      const behind = await fixture.drain(consumer, 4);
      await fixture.put('first', { priority: LATE });
      behind.push(...(await fixture.drain(consumer, 2)));
      assert.deepEqual([...before, ...behind], ['second', 'first', 'first', 'first', 'second', 'first', 'second']);
    });
  });
}
