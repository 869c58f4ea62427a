import assert from 'node:assert/strict';
import { strings } from './assertions.js';
import { LATE, LONG_MS, URGENT } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** Buried messages become ready again. */
export function retry(builder: SuiteBuilder): void {
  builder.describe('retry', () => {
    builder.it('makes as many buried messages ready as it is told, and says how many', async (fixture) => {
      for (const body of ['a', 'b', 'c']) await fixture.putBuried(body);
      const counts = [];
      for (const limit of [0, 2, 2, 2]) counts.push(await fixture.driver.retry(fixture.queue, { limit }));
      assert.deepEqual(counts, [0, 2, 1, 0], 'how many were retried at each call');
      await fixture.counts({ ready: 3 }, 'after all were retried');
    });

    builder.it('makes those ready first that were buried first, as list shows them', async (fixture) => {
      await fixture.putMany(['a', 'b', 'c']);
      const consumer = await fixture.consume({ concurrency: 3 });
      const [a, b, c] = [await fixture.next(consumer), await fixture.next(consumer), await fixture.next(consumer)];
      for (const held of [b, c, a]) await held.bury();
      const isListed = fixture.driver.capabilities.list.buried !== 'none';
      const shown: string[] = [];
      const retried: string[] = [];
      for (let n = 0; n < 3; n++) {
        if (isListed) {
          const { messages } = await fixture.driver.list(fixture.queue, { state: 'buried', limit: 1 });
          shown.push(...strings(messages));
        }
        await fixture.driver.retry(fixture.queue, { limit: 1 });
        retried.push(...(await fixture.drain(consumer, 1)));
      }
      assert.deepEqual(retried, ['b', 'c', 'a'], 'the order in which they are retried');
      assert.deepEqual(shown, isListed ? ['b', 'c', 'a'] : [], 'the order in which they are shown');
    });

    builder.it('makes those ready whose ids it is given, and no others', async (fixture) => {
      const ids = [];
      for (const body of ['a', 'b', 'c']) ids.push(await fixture.putBuried(body));
      const gone = await fixture.idOfNone();
      const [a = '', , c = ''] = ids;
      assert.equal(await fixture.driver.retry(fixture.queue, { ids: [c, gone, a, c] }), 2, 'how many were retried');
      await fixture.counts({ ready: 2, buried: 1 }, 'after two of three were retried');
      assert.deepEqual((await fixture.drain(await fixture.consume(), 2)).toSorted(), ['a', 'c']);
      assert.equal(await fixture.driver.retry(fixture.queue, { ids: [] }), 0, 'with no ids');
    });

    builder.it('touches nothing that is not buried, though nothing is', async (fixture) => {
      const ids = [await fixture.put('reserved', { priority: URGENT })];
      const held = await fixture.next(await fixture.consume());
      ids.push(await fixture.put('ready'), await fixture.put('delayed', { delayMs: LONG_MS }));
      const retried = [await fixture.driver.retry(fixture.queue, { limit: 10 })];
      retried.push(await fixture.driver.retry(fixture.queue, { ids }));
      await fixture.counts({ ready: 1, delayed: 1, reserved: 1 }, 'after a retry where nothing was buried');
      assert.deepEqual(retried, [0, 0], 'how many were retried by a limit, and by ids');
      await held.ack();
    });

    builder.it('leaves other queues alone, whatever the ids', async (fixture) => {
      const id = await fixture.putBuried('a');
      const other = fixture.newQueue();
      await fixture.putBuried('b', { queue: other });
      assert.equal(await fixture.driver.retry(other, { ids: [id] }), 0, 'retrying in another queue');
      assert.equal(await fixture.driver.retry(other, { limit: 10 }), 1);
      await fixture.counts({ buried: 1 }, 'after a retry in another queue');
    });

    builder.it(
      'changes the body of a message where one is given, and nothing else but perhaps its id',
      async (fixture) => {
        const old = await fixture.putBuried('wrong', { priority: LATE, ttrMs: 77_000 });
        await fixture.putBuried('other');
        const body = Buffer.from('right\0\xff', 'latin1');
        const given = Buffer.from(body);
        const retrying = fixture.driver.retry(fixture.queue, { ids: [old], body: given });
        given.fill(0);
        assert.equal(await retrying, 1, 'how many were retried');
        await fixture.counts({ ready: 1, buried: 1 }, 'after one of two was retried with another body');
        const held = await fixture.next(await fixture.consume());
        assert.deepEqual(held.body.toString('latin1'), body.toString('latin1'), 'the body that is delivered');
        assert.deepEqual([held.attempt, held.ttrMs], [1, 77_000], 'the attempt and the TTR');
        await held.release();
        await fixture.put('more urgent');
        assert.equal(strings([await fixture.next(await fixture.consume())])[0], 'more urgent', 'the priority is kept');
        const { jobId } = held;
        if (jobId !== old) assert.equal(await fixture.driver.find(fixture.queue, old), null, 'the old one is gone');
      },
    );

    builder.it('changes no body of a message that is not buried', async (fixture) => {
      const id = await fixture.put('a');
      const gone = await fixture.idOfNone();
      for (const each of [id, gone]) {
        const count = await fixture.driver.retry(fixture.queue, { ids: [each], body: Buffer.from('b') });
        assert.equal(count, 0, 'retrying with a body what is not buried');
      }
      await fixture.counts({ ready: 1 }, 'after a retry of what was not buried');
      assert.deepEqual(await fixture.drain(await fixture.consume(), 1), ['a']);
    });
  });
}

/** Delayed messages become ready before their time. */
export function promote(builder: SuiteBuilder): void {
  builder.describe('promote', () => {
    builder.it(
      'makes as many delayed messages ready as it is told, those due next first, and says how many',
      async (fixture) => {
        for (const [body, delayMs] of [
          ['c', 3 * LONG_MS],
          ['a', LONG_MS],
          ['b', 2 * LONG_MS],
        ] as const)
          await fixture.put(body, { delayMs });
        const consumer = await fixture.consume();
        const counts = [await fixture.driver.promote(fixture.queue, { limit: 0 })];
        const promoted = [];
        for (let n = 0; n < 2; n++) {
          counts.push(await fixture.driver.promote(fixture.queue, { limit: 1 }));
          promoted.push(...(await fixture.drain(consumer, 1)));
        }
        assert.deepEqual(promoted, ['a', 'b'], 'the order in which they are promoted');
        counts.push(await fixture.driver.promote(fixture.queue, { limit: 5 }));
        assert.deepEqual(counts, [0, 1, 1, 1], 'how many were promoted');
        await fixture.counts({ ready: 1 }, 'after all were promoted');
      },
    );

    builder.it('makes those ready whose ids it is given, and no others', async (fixture) => {
      const [a = '', , c = ''] = await fixture.putMany(['a', 'b', 'c'], { delayMs: LONG_MS });
      assert.equal(await fixture.driver.promote(fixture.queue, { ids: [c, a, c] }), 2, 'how many were promoted');
      await fixture.counts({ ready: 2, delayed: 1 }, 'after two of three were promoted');
      assert.deepEqual((await fixture.drain(await fixture.consume(), 2)).toSorted(), ['a', 'c']);
      assert.equal(await fixture.driver.promote(fixture.queue, { ids: [] }), 0, 'with no ids');
    });

    builder.it('touches nothing that is not delayed, and leaves other queues alone', async (fixture) => {
      const { buried, ready, delayed } = await fixture.oneOfEach();
      const other = fixture.newQueue();
      assert.equal(await fixture.driver.promote(fixture.queue, { ids: [buried, ready] }), 0, 'by the ids of others');
      assert.equal(await fixture.driver.promote(other, { ids: [delayed] }), 0, 'in another queue');
      assert.equal(await fixture.driver.promote(other, { limit: 10 }), 0, 'in another queue');
      await fixture.counts({ ready: 1, delayed: 1, buried: 1 }, 'after nothing was to be promoted');
      assert.equal(await fixture.driver.promote(fixture.queue, { limit: 10 }), 1, 'by a limit');
      await fixture.counts({ ready: 2, buried: 1 }, 'after the delayed one was promoted');
    });
  });
}
