import assert from 'node:assert/strict';
import type { PutItem, TransactionClient } from '../../queue/driver.js';
import { refuses } from './assertions.js';
import type { Fixture } from './fixture.js';
import type { HeldMessage } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

const TRANSACTIONS = { transactions: true } as const;

/** What is put and acknowledged in a transaction happens with it, or not at all. */
export function transactions(builder: SuiteBuilder): void {
  builder.describe('a transaction', () => {
    builder.it(
      'runs statements, and answers what its work answers',
      async (fixture) => {
        const answer = await begin(fixture, async (transaction) => {
          const { rows, rowCount } = await transaction.query('select 41 + 1 as answer');
          assert.deepEqual([Number(rows[0]?.['answer']), rowCount], [42, 1], 'the row of a statement');
          const given = await transaction.query<{ given: string }>('select cast($1 as char(4)) as given', ['text']);
          assert.equal(given.rows[0]?.given, 'text', 'the parameter of a statement');
          return 'done';
        });
        assert.equal(answer, 'done');
      },
      TRANSACTIONS,
    );

    builder.it(
      'stores what was put in it when it commits, and nobody sees it before',
      async (fixture) => {
        const other = fixture.newQueue();
        const witness = await fixture.anotherDriver();
        const seen: number[] = [];
        await begin(fixture, async (transaction) => {
          const items = [item(fixture, 'a'), item(fixture, 'b'), { ...item(fixture, 'c'), queue: other }];
          const { stored } = await fixture.driver.put(items, { transaction });
          assert.equal(new Set(stored.map(({ jobId }) => jobId)).size, 3, 'each message has an id of its own');
          for (const queue of [fixture.queue, other]) seen.push((await fixture.countsOf(queue, witness)).ready);
        });
        assert.deepEqual(seen, [0, 0], 'what another driver sees before the commit');
        await fixture.counts({ ready: 2 }, 'after the commit');
        assert.deepEqual(await fixture.drain(await fixture.consume(), 2), ['a', 'b']);
        assert.deepEqual(await fixture.drain(await fixture.consume({ queues: [other] }), 1), ['c']);
      },
      TRANSACTIONS,
    );

    builder.it(
      'stores nothing when its work rejects, and rejects with the same',
      async (fixture) => {
        const reason = new Error('enough');
        const failing = begin(fixture, async (transaction) => {
          await fixture.driver.put([item(fixture, 'a'), item(fixture, 'b')], { transaction });
          throw reason;
        });
        const outcome = await failing.catch((error: unknown) => error);
        assert.equal(outcome, reason, 'what transaction() rejects with');
        await fixture.counts({}, 'after the transaction was rolled back');
        await fixture.put('c');
        assert.deepEqual(await fixture.drain(await fixture.consume(), 1), ['c']);
      },
      TRANSACTIONS,
    );

    builder.it(
      'wakes a reserve that waits, when it commits',
      async (fixture) => {
        const reserving = fixture.reserving(await fixture.consume({ driver: await fixture.anotherDriver() }));
        await fixture.pass(0.1);
        await begin(fixture, (transaction) => fixture.driver.put([item(fixture, 'a')], { transaction }));
        const held = await fixture.answer('the reserve that waits answers', reserving);
        assert.equal(held?.body.toString(), 'a');
      },
      TRANSACTIONS,
    );

    builder.it(
      'removes what was acknowledged in it when it commits, and isHeld tells',
      async (fixture) => {
        await fixture.putMany(['a', 'b']);
        const consumer = await fixture.consume({ concurrency: 2 });
        const [held, other] = [await fixture.next(consumer), await fixture.next(consumer)];
        assert.deepEqual([await isHeld(held), await isHeld(other)], [true, true], 'isHeld() before the ack');
        await begin(fixture, (transaction) => held.ack({ transaction }));
        assert.deepEqual([await isHeld(held), await isHeld(other)], [false, true], 'isHeld() after the commit');
        await fixture.counts({ reserved: 1 }, 'after the commit');
        await refuses('LEASE_LOST', 'release() after the commit', held.release());
        await other.ack();
        assert.equal(await isHeld(other), false, 'isHeld() after an ack');
        await fixture.counts({}, 'after both were acknowledged');
      },
      TRANSACTIONS,
    );

    builder.it(
      'leaves held what was acknowledged in it when it is rolled back, and isHeld tells',
      async (fixture) => {
        const consumer = await fixture.consume();
        const id = await fixture.put('a');
        const held = await fixture.next(consumer);
        await begin(fixture, async (transaction) => {
          await held.ack({ transaction });
          await refuses('LEASE_LOST', 'release() of a message acknowledged in a transaction', held.release());
          throw new Error('enough');
        }).catch(() => {});
        await fixture.counts({ reserved: 1 }, 'after the transaction was rolled back');
        assert.equal(await isHeld(held), true, 'isHeld() after the transaction was rolled back');
        await held.release();
        const again = await fixture.next(consumer);
        assert.deepEqual([again.jobId, again.attempt], [id, 2], 'the message that was released');
      },
      TRANSACTIONS,
    );

    builder.it(
      'makes an ack and a put one: both happen, or neither',
      async (fixture) => {
        const other = fixture.newQueue();
        await fixture.put('a');
        const consumer = await fixture.consume();
        const held = await fixture.next(consumer);
        const both = async (transaction: TransactionClient): Promise<void> => {
          await held.ack({ transaction });
          await fixture.driver.put([{ ...item(fixture, 'b'), queue: other }], { transaction });
        };
        await begin(fixture, async (transaction) => {
          await both(transaction);
          throw new Error('enough');
        }).catch(() => {});
        await fixture.counts({ reserved: 1 }, 'after the transaction was rolled back');
        await fixture.counts({}, 'of the other queue, after the transaction was rolled back', other);
        assert.equal(await isHeld(held), true, 'isHeld() after the transaction was rolled back');
        await begin(fixture, both);
        await fixture.counts({}, 'after the commit');
        await fixture.counts({ ready: 1 }, 'of the other queue, after the commit', other);
      },
      TRANSACTIONS,
    );

    builder.it(
      'keeps nobody from taking other messages while it is open',
      async (fixture) => {
        const other = await fixture.consume({ driver: await fixture.anotherDriver() });
        await fixture.putMany(['a', 'b']);
        const held = await fixture.next(await fixture.consume());
        await begin(fixture, async (transaction) => {
          await held.ack({ transaction });
          await fixture.driver.put([item(fixture, 'c')], { transaction });
          assert.deepEqual(await fixture.drain(other, 1), ['b'], 'what another one takes meanwhile');
          await fixture.nothing(other, 'the rest is not there yet');
        });
        assert.deepEqual(await fixture.drain(other, 1), ['c'], 'what it takes after the commit');
      },
      { ...TRANSACTIONS, notSystem: { name: 'sqlite', because: 'SQLite has one writer at a time' } },
    );
  });
}

/** Where the engine has lost the lease meanwhile. */
export function transactionsAndLeases(builder: SuiteBuilder): void {
  builder.describe('a transaction', () => {
    builder.it(
      'removes no message that another one holds, and isHeld tells',
      async (fixture) => {
        const id = await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
        const stale = await fixture.next(await fixture.consume());
        const current = await fixture.next(await fixture.consume({ driver: await fixture.anotherDriver() }));
        assert.equal(current.jobId, id);
        await fixture.whileHeld(current, async () => {
          await begin(fixture, (transaction) =>
            refuses('LEASE_LOST', 'ack() of the holder before', stale.ack({ transaction })),
          );
          assert.deepEqual([await isHeld(stale), await isHeld(current)], [false, true], 'isHeld() of both holders');
          await fixture.counts({ reserved: 1 }, 'after an ack of the holder before');
          await current.ack();
        });
      },
      TRANSACTIONS,
    );
  });
}

function begin<T>({ driver }: Fixture, work: (transaction: TransactionClient) => Promise<T>): Promise<T> {
  assert.ok(driver.transaction, 'a driver with transactions must have a method transaction()');
  return driver.transaction(work);
}

function isHeld({ consumer, message }: HeldMessage): Promise<boolean> {
  assert.ok(consumer.isHeld, 'a consumer of a driver with transactions must have a method isHeld()');
  return consumer.isHeld(message);
}

function item(fixture: Fixture, body: string): PutItem {
  return { queue: fixture.queue, body: Buffer.from(body), options: fixture.options() };
}
