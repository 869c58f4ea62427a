import assert from 'node:assert/strict';
import type { PutOptions } from '../../queue/driver.js';
import type { Fixture } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** What no engine need have, but must do where its capabilities say so. */
export function optionalFeatures(builder: SuiteBuilder): void {
  builder.describe('a deduplication key', () => {
    builder.it(
      'leaves out a second message of a queue, and answers the id of the first',
      async (fixture) => {
        const options = fixture.options({ deduplicationKey: 'key' });
        const [first, second] = [await putOne(fixture, options), await putOne(fixture, options)];
        assert.deepEqual([first.isNew, second.isNew], [true, false], 'which of the two is new');
        assert.equal(second.jobId, first.jobId, 'the id that is answered for the second');
        const others = [fixture.options({ deduplicationKey: 'other' }), fixture.options()];
        for (const each of others) assert.equal((await putOne(fixture, each)).isNew, true, 'with another key, or none');
        const elsewhere = await putOne(fixture, options, fixture.newQueue());
        assert.equal(elsewhere.isNew, true, 'the same key in another queue');
        await fixture.counts({ ready: 3 }, 'after a message was left out');
      },
      { deduplication: ['whilePending', 'window'] },
    );

    builder.it(
      'leaves a message out as long as the first is there, in whatever state, and no longer',
      async (fixture) => {
        const options = fixture.options({ deduplicationKey: 'key' });
        const isNew = async () => (await putOne(fixture, options)).isNew;
        const consumer = await fixture.consume();
        assert.equal(await isNew(), true, 'the first message');
        const held = await fixture.next(consumer);
        assert.equal(await isNew(), false, 'while the first is held');
        await held.bury();
        assert.equal(await isNew(), false, 'while the first is buried');
        await fixture.driver.retry(fixture.queue, { limit: 1 });
        await (await fixture.next(consumer)).ack();
        assert.equal(await isNew(), true, 'after the first was acknowledged');
      },
      { deduplication: 'whilePending' },
    );
  });

  builder.describe('messages of one group', () => {
    builder.it(
      'are delivered one after another, and keep nobody from those of other groups',
      async (fixture) => {
        for (const [body, group] of [['a1', 'a'], ['a2', 'a'], ['b1', 'b'], ['none']]) {
          await fixture.put(body ?? '', { group });
        }
        const consumer = await fixture.consume({ concurrency: 4 });
        const first = await fixture.take(consumer, 3);
        assert.deepEqual(
          first.map(({ body }) => body.toString()).toSorted(),
          ['a1', 'b1', 'none'],
          'one of each group',
        );
        await fixture.nothing(consumer, 'the next message of a group, while the first is held');
        for (const held of first) {
          if (held.body.toString() !== 'a1') continue;
          await held.ack();
          assert.deepEqual(await fixture.drain(consumer, 1), ['a2'], 'after the first was acknowledged');
        }
      },
      { groups: true },
    );
  });
}

/** They wait until a message has expired. */
export function expiry(builder: SuiteBuilder): void {
  builder.describe('a message that has expired', () => {
    builder.it(
      'is not delivered any more, unless it was delivered before',
      async (fixture) => {
        const expiresAt = new Date(Date.now() + 2 * fixture.secondMs);
        await fixture.put('delivered before', { expiresAt });
        const consumer = await fixture.consume();
        await fixture.while(expiresAt.getTime() - Date.now() + performance.now(), async () => {
          await (await fixture.next(consumer)).release();
        });
        await fixture.put('expired', { expiresAt });
        await fixture.put('lasting', { expiresAt: new Date(Date.now() + 3_600_000) });
        // Engines with a coarser clock round up.
        await fixture.pass(4);
        assert.deepEqual(await fixture.drain(consumer, 2), ['delivered before', 'lasting']);
        await fixture.nothing(consumer, 'a message that has expired');
        await fixture.counts({}, 'after a message has expired');
      },
      { expiry: true },
    );
  });
}

async function putOne(fixture: Fixture, options: PutOptions, queue: string = fixture.queue) {
  const { stored } = await fixture.driver.put([{ queue, body: Buffer.from('a'), options }]);
  const [one] = stored;
  assert.ok(one, 'put() of one message must answer one');
  return one;
}
