import assert from 'node:assert/strict';
import type { PutItem } from '../../queue/driver.js';
import { type Fixture, LATE, LONG_MS, URGENT } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** How many messages are put in one call to see whether they are stored together. */
const TOGETHER = 500;

/** What can be put, and where. */
export function put(builder: SuiteBuilder): void {
  builder.describe('put', () => {
    builder.it('stores what is delivered, with all there is to know', async (fixture) => {
      const id = await fixture.put('a', { ttrMs: 90_000 });
      const held = await fixture.next(await fixture.consume());
      const { jobId, queue, attempt, ttrMs } = held;
      assert.deepEqual(
        { jobId, queue, attempt, ttrMs },
        { jobId: id, queue: fixture.queue, attempt: 1, ttrMs: 90_000 },
      );
      assert.equal(held.lost.aborted, false, 'the lease of a message just delivered is not lost');
    });

    builder.it('rounds a TTR up, never down', async (fixture) => {
      await fixture.put('a', { ttrMs: 1500 });
      const { ttrMs } = await fixture.next(await fixture.consume());
      assert.ok(ttrMs >= 1500 && ttrMs <= 3000, `1500 ms became ${ttrMs} ms`);
    });

    builder.it('gives every message an id of its own, in whatever queue', async (fixture) => {
      const ids: string[] = [];
      for (const queue of [fixture.queue, fixture.newQueue()]) {
        for (let n = 0; n < 10; n++) ids.push(await fixture.put('a', { queue }));
      }
      assert.equal(new Set(ids).size, 20);
    });

    builder.it('stores many messages with different options together', async (fixture) => {
      const { stored } = await fixture.driver.put([
        item(fixture, { priority: LATE }),
        item(fixture, { priority: URGENT, delayMs: LONG_MS }),
        item(fixture, { priority: URGENT }),
      ]);
      await fixture.counts({ ready: 2, delayed: 1 }, 'after putting two messages to deliver and one to delay');
      const held = await fixture.take(await fixture.consume(), 2);
      assert.deepEqual(
        held.map(({ jobId }) => jobId),
        [stored[2]?.jobId, stored[0]?.jobId],
      );
    });

    builder.it(
      'stores many messages with different TTRs together',
      async (fixture) => {
        const ttrs = [77_000, 120_000, 33_000];
        await fixture.driver.put(ttrs.map((ttrMs) => item(fixture, { ttrMs })));
        const held = await fixture.take(await fixture.consume(), 3);
        assert.deepEqual(
          held.map(({ ttrMs }) => ttrMs),
          ttrs,
        );
      },
      { ttr: 'message' },
    );

    builder.it('stores messages of several queues in one call, and answers their ids in order', async (fixture) => {
      const queues = [fixture.queue, fixture.newQueue(), fixture.newQueue()];
      const order = [0, 1, 0, 2, 1, 0].map((index) => queues[index] ?? '');
      const { stored } = await fixture.driver.put(
        order.map((queue, n) => ({ queue, body: Buffer.from(String(n)), options: fixture.options() })),
      );
      assert.ok(
        stored.every(({ isNew }) => isNew),
        'each message is a new one',
      );
      for (const queue of queues) {
        const expected = order.flatMap((name, n) => (name === queue ? [[stored[n]?.jobId, String(n)]] : []));
        const held = await fixture.take(await fixture.consume({ queues: [queue] }), expected.length);
        assert.deepEqual(
          held.map(({ jobId, body }) => [jobId, body.toString()]),
          expected,
          'the messages of a queue',
        );
      }
    });

    builder.it('stores no message where there is none to put', async (fixture) => {
      const { stored } = await fixture.driver.put([]);
      assert.deepEqual(stored, []);
      await fixture.counts({}, 'after putting no message');
    });

    builder.it(
      'stores all messages of one call together: nobody sees a part of them',
      async (fixture) => {
        const [first, second] = [fixture.queue, fixture.newQueue()];
        const witness = await fixture.anotherDriver();
        const items = [first, second].flatMap((queue) =>
          Array.from({ length: TOGETHER }, () => ({ queue, body: Buffer.from('a'), options: fixture.options() })),
        );
        let isStored = false;
        const putting = fixture.driver.put(items).finally(() => {
          isStored = true;
        });
        putting.catch(() => {});
        do {
          // The second queue first: where its messages are seen, those of the first must have been there before.
          const later = (await fixture.countsOf(second, witness)).ready;
          const earlier = (await fixture.countsOf(first, witness)).ready;
          for (const seen of [later, earlier]) {
            assert.ok(seen === 0 || seen === TOGETHER, `another driver saw ${seen} of ${TOGETHER} messages`);
          }
          assert.ok(later === 0 || earlier === TOGETHER, 'another driver saw the messages of one of the queues only');
        } while (!isStored);
        assert.equal((await putting).atomic, true, 'put() must answer that the messages were stored together');
      },
      { atomicPublish: true },
    );

    builder.it(
      'does not say of many messages that they were stored together',
      async (fixture) => {
        const { atomic } = await fixture.driver.put([item(fixture), item(fixture)]);
        assert.equal(atomic, false, 'put() must answer `atomic: false`');
      },
      { atomicPublish: false },
    );
  });

  builder.describe('setUp', () => {
    builder.it(
      'prepares a queue again and again, and by two drivers at once, and harms no message',
      async (fixture) => {
        const other = await fixture.anotherDriver();
        await fixture.driver.setUp(fixture.queue);
        await fixture.put('a');
        await Promise.all([fixture.driver, other, fixture.driver, other].map((driver) => driver.setUp(fixture.queue)));
        assert.deepEqual(await fixture.drain(await fixture.consume(), 1), ['a']);
      },
    );
  });

  builder.describe('names of queues', () => {
    builder.it('may have every character of the rule, in 200 of them', async (fixture) => {
      const name = `${fixture.queue}+/;.$_()-AZaz09`.padEnd(200, 'x');
      await holdsItsOwn(fixture, fixture.newQueue(name));
    });

    builder.it('may be one character', async (fixture) => {
      const used = new Set([...(await fixture.driver.queues()), ...shortNames]);
      const free = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'].filter(
        (name) => !used.has(name),
      );
      const name = free[Math.floor(Math.random() * free.length)];
      assert.ok(name, 'this test needs one letter or digit that no queue of the engine has as its name');
      shortNames.add(name);
      await holdsItsOwn(fixture, fixture.newQueue(name)).finally(() => shortNames.delete(name));
    });

    builder.it('are told apart by case alone, and have no wildcards', async (fixture) => {
      const ends = ['queue_1', 'Queue_1', 'queueX1', 'queue.1'];
      const names = ends.map((end) => fixture.newQueue(`${fixture.queue}-${end}`));
      for (const name of names) await fixture.put(name, { queue: name });
      for (const name of names) await fixture.counts({ ready: 1 }, `of ${name}`, name);
      for (const name of names) {
        assert.deepEqual(await fixture.drain(await fixture.consume({ queues: [name] }), 1), [name]);
      }
    });
  });
}

/** Those that a test uses, of which many may run at once. */
const shortNames = new Set<string>();

function item(fixture: Fixture, options: Partial<PutItem['options']> = {}): PutItem {
  return { queue: fixture.queue, body: Buffer.from('a'), options: fixture.options(options) };
}

async function holdsItsOwn(fixture: Fixture, queue: string): Promise<void> {
  await fixture.driver.setUp(queue);
  const id = await fixture.put('a', { queue });
  await fixture.counts({ ready: 1 }, 'after a put', queue);
  assert.ok((await fixture.driver.queues()).includes(queue), 'queues() lists it');
  const held = await fixture.next(await fixture.consume({ queues: [queue] }));
  assert.deepEqual([held.jobId, held.queue], [id, queue]);
  await held.ack();
}
