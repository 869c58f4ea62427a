import assert from 'node:assert/strict';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

/** What can be put, and where. */
export function putting(declaration: Declaration): void {
  declaration.describe('putting', () => {
    declaration.it('delivers what was put, with all there is to know', async (trial) => {
      const id = await trial.put('a', { ttrMs: 90_000 });
      const reservation = await trial.next(await trial.consume());
      const { id: found, queue, attempt, ttrMs } = reservation;
      assert.deepEqual({ id: found, queue, attempt, ttrMs }, { id, queue: trial.queue, attempt: 1, ttrMs: 90_000 });
      assert.equal(reservation.lost.aborted, false, 'the lease of a message just delivered is not lost');
    });

    declaration.it('rounds a TTR up, never down', async (trial) => {
      await trial.put('a', { ttrMs: 1500 });
      const { ttrMs } = await trial.next(await trial.consume());
      assert.ok(ttrMs >= 1500 && ttrMs <= 3000, `1500 ms became ${ttrMs} ms`);
    });

    declaration.it('gives every message an id of its own, in whatever queue', async (trial) => {
      const ids: string[] = [];
      for (const queue of [trial.queue, trial.newQueue()]) {
        for (let n = 0; n < 10; n++) ids.push(await trial.put('a', { queue }));
      }
      assert.equal(new Set(ids).size, 20);
    });

    declaration.it('puts many messages with different options together', async (trial) => {
      const body = Buffer.from('a');
      const ids = await trial.driver.putMany(trial.queue, [
        { body, options: trial.options({ priority: 9 }) },
        { body, options: trial.options({ delayMs: 60_000, priority: 0 }) },
        { body, options: trial.options({ priority: 1, ttrMs: 77_000 }) },
      ]);
      await trial.counts({ ready: 2, delayed: 1 }, 'after putting two messages to deliver and one to delay');
      const consumer = await trial.consume();
      const [first, second] = [await trial.next(consumer), await trial.next(consumer)];
      assert.deepEqual([first.id, second.id], [ids[2], ids[0]]);
      assert.equal(first.ttrMs, 77_000);
    });

    declaration.it('puts no message where there is none to put', async (trial) => {
      assert.deepEqual(await trial.driver.putMany(trial.queue, []), []);
      await trial.counts({}, 'after putting no message');
    });

    declaration.it(
      'prepares a queue again and again, and by two drivers at once, and harms no message',
      async (trial) => {
        const other = await trial.anotherDriver();
        await trial.driver.setUp(trial.queue);
        await trial.put('a');
        await Promise.all([trial.driver, other, trial.driver, other].map((driver) => driver.setUp(trial.queue)));
        assert.deepEqual(await trial.drain(await trial.consume(), 1), ['a']);
      },
    );
  });

  declaration.describe('names of queues', () => {
    declaration.it('may have every character of the rule, in 200 of them', async (trial) => {
      const name = `${trial.queue}+/;.$_()-AZaz09`.padEnd(200, 'x');
      await holdsItsOwn(trial, trial.newQueue(name));
    });

    declaration.it('may be one character', async (trial) => {
      const used = new Set(await trial.driver.queues());
      const free = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'].filter(
        (name) => !used.has(name),
      );
      const name = free[Math.floor(Math.random() * free.length)];
      assert.ok(name, 'this test needs one letter or digit that no queue of the engine has as its name');
      await holdsItsOwn(trial, trial.newQueue(name));
    });

    declaration.it('are told apart by case alone, and have no wildcards', async (trial) => {
      const names = ['queue_1', 'Queue_1', 'queueX1', 'queue.1'].map((end) => trial.newQueue(`${trial.queue}-${end}`));
      for (const name of names) await trial.put(name, { queue: name });
      for (const name of names) await trial.counts({ ready: 1 }, `of ${name}`, name);
      for (const name of names) {
        assert.deepEqual(await trial.drain(await trial.consume({ queues: [name] }), 1), [name]);
      }
    });
  });
}

async function holdsItsOwn(trial: Trial, queue: string): Promise<void> {
  await trial.driver.setUp(queue);
  const id = await trial.put('a', { queue });
  await trial.counts({ ready: 1 }, 'after a put', queue);
  assert.ok((await trial.driver.queues()).includes(queue), 'queues() lists it');
  const reservation = await trial.next(await trial.consume({ queues: [queue] }));
  assert.deepEqual([reservation.id, reservation.queue], [id, queue]);
  await reservation.ack();
}
