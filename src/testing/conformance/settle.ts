import assert from 'node:assert/strict';
import { refuses, strings } from './assertions.js';
import { LATE, NORMAL, URGENT } from './fixture.js';
import { COMMANDS } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

/** What a holder can do with a message: ack, release and bury. */
export function settle(builder: SuiteBuilder): void {
  builder.describe('settle', () => {
    builder.it('removes a message that is acknowledged', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.put('a');
      await (await fixture.next(consumer)).ack();
      await fixture.counts({}, 'after the ack');
      await fixture.nothing(consumer);
    });

    builder.it('delivers a message again at once that is released', async (fixture) => {
      const consumer = await fixture.consume();
      const id = await fixture.put('a');
      await (await fixture.next(consumer)).release();
      await fixture.counts({ ready: 1 }, 'after the release');
      assert.equal((await fixture.next(consumer)).jobId, id);
    });

    builder.it('keeps the priority of a message that is released, unless another is given', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.put('a', { priority: URGENT });
      await fixture.put('b', { priority: NORMAL });
      await (await fixture.next(consumer)).release();
      const first = await fixture.next(consumer);
      assert.equal(first.body.toString(), 'a', 'the first message after a release that gives no priority');
      await first.release({ priority: LATE });
      assert.deepEqual(await fixture.drain(consumer, 2), ['b', 'a']);
    });

    builder.it('puts a message aside that is buried, until it is retried', async (fixture) => {
      const consumer = await fixture.consume();
      const id = await fixture.put('a');
      await (await fixture.next(consumer)).bury();
      await fixture.counts({ buried: 1 }, 'after it was buried');
      await fixture.nothing(consumer);
      assert.equal(await fixture.driver.retry(fixture.queue, { limit: 1 }), 1, 'retry() tells how many');
      assert.equal((await fixture.next(consumer)).jobId, id);
    });

    builder.it('keeps the priority of a message that is buried, unless another is given', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.put('a', { priority: URGENT });
      await (await fixture.next(consumer)).bury();
      await fixture.put('b', { priority: URGENT });
      await (await fixture.next(consumer)).bury({ priority: LATE });
      await fixture.put('c', { priority: NORMAL });
      await fixture.driver.retry(fixture.queue, { limit: 2 });
      assert.deepEqual(await fixture.drain(consumer, 3), ['a', 'c', 'b']);
    });

    for (const first of ['ack', 'release', 'bury'] as const) {
      builder.it(`is over with ${first}: the holder can do nothing more`, async (fixture) => {
        const consumer = await fixture.consume();
        await fixture.put('a');
        const settled = await fixture.next(consumer);
        await settled[first]();
        const before = await fixture.countsOf(fixture.queue);
        for (const command of COMMANDS) {
          await refuses('LEASE_LOST', `${command}() after ${first}()`, settled[command]());
        }
        await fixture.counts(before, `after commands behind ${first}()`);
      });
    }

    builder.it('leaves alone what others hold, and what is in other queues', async (fixture) => {
      const elsewhere = fixture.newQueue();
      await fixture.putMany(['a', 'b', 'c', 'd']);
      await fixture.putMany(['e', 'f'], { queue: elsewhere });
      const held = await fixture.take(await fixture.consume(), 2);
      const ofAnother = await fixture.next(await fixture.consume());
      await held[1]?.ack();
      await held[0]?.bury();
      assert.deepEqual([...strings(held), ofAnother.body.toString()], ['a', 'b', 'c']);
      const expected = { ready: 1, reserved: 1, buried: 1 };
      await fixture.counts(expected, 'after one of three held messages was acknowledged, one buried');
      await fixture.counts({ ready: 2 }, 'of the other queue', elsewhere);
      await ofAnother.ack();
      await fixture.counts({ ready: 1, buried: 1 }, 'after the other holder has acknowledged its own');
    });

    builder.it('makes commands that were issued before one that follows, without waiting for them', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.putMany(['a', 'b']);
      const held = await fixture.next(consumer);
      const settling = held.ack();
      const next = fixture.reserving(consumer);
      await settling;
      assert.equal((await fixture.answer('the reserve behind an ack answers', next))?.body.toString(), 'b');
      await fixture.counts({ reserved: 1 }, 'after an ack and a reserve in one go');
    });
  });
}
