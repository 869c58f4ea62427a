import assert from 'node:assert/strict';
import type { Declaration } from './declaration.js';

/** A consumer of several queues. */
export function severalQueues(declaration: Declaration): void {
  declaration.describe('a consumer of several queues', () => {
    declaration.it('gets the messages of all of them, and of no other, and is told the queue', async (trial) => {
      const [other, foreign] = [trial.newQueue(), trial.newQueue()];
      for (const queue of [trial.queue, other, foreign]) await trial.put(queue, { queue });
      const consumer = await trial.consume({ queues: [trial.queue, other] });
      const found = [await trial.next(consumer), await trial.next(consumer)];
      for (const { queue, body } of found) assert.equal(queue, body.toString(), 'the queue of a reservation');
      assert.deepEqual(found.map(({ queue }) => queue).sort(), [trial.queue, other].sort());
      await trial.nothing(consumer, 'a message of a queue that was not asked for');
    });

    declaration.it('waits for messages of all of them', async (trial) => {
      const queues = [trial.queue, trial.newQueue(), trial.newQueue()];
      const consumer = await trial.consume({ queues });
      for (const queue of queues) {
        const reserving = trial.reserving(consumer);
        await trial.pass(0.05);
        await trial.put('a', { queue });
        const reservation = await trial.answer('the reserve that waits answers', reserving);
        assert.equal(reservation?.queue, queue);
        await reservation?.ack();
      }
    });

    // The long queue is named first, and all of its messages are older and more urgent.
    for (const order of ['fair', undefined] as const) {
      const how = order === undefined ? 'when no order is asked for' : 'in fair order';
      declaration.it(`lets them take turns ${how}: a long queue does not starve a short one`, async (trial) => {
        const short = trial.newQueue();
        for (let n = 0; n < 40; n++) await trial.put('long', { priority: 0 });
        for (let n = 0; n < 4; n++) await trial.put('short', { queue: short, priority: 9 });
        const consumer = await trial.consume({ queues: [trial.queue, short], order });
        const first = await trial.drain(consumer, 16);
        const served = first.filter((body) => body === 'short').length;
        assert.equal(served, 4, `of the 4 messages of the short queue among the first 16: ${first.join(' ')}`);
        await trial.drain(consumer, 28);
      });
    }

    // The messages of the second queue are older and more urgent.
    declaration.it('takes from the first that has a message in strict order', async (trial) => {
      const second = trial.newQueue();
      for (let n = 0; n < 3; n++) await trial.put('second', { queue: second, priority: 0 });
      const consumer = await trial.consume({ queues: [trial.queue, second], order: 'strict' });
      const before = await trial.drain(consumer, 1);
      for (let n = 0; n < 3; n++) await trial.put('first', { priority: 9 });
      const behind = await trial.drain(consumer, 4);
      await trial.put('first', { priority: 9 });
      behind.push(...(await trial.drain(consumer, 2)));
      assert.deepEqual([...before, ...behind], ['second', 'first', 'first', 'first', 'second', 'first', 'second']);
    });
  });
}
