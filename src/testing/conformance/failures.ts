import assert from 'node:assert/strict';
import { toFailure } from '../../queue/failure.js';
import { LONG_MS } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

const failureOf = (attempt: number) =>
  toFailure(new Error('it is “unfit”\n\0', { cause: new Error('why') }), { reason: 'attempts', attempt });

/** Why a message was released or buried. */
export function failures(builder: SuiteBuilder): void {
  builder.describe('failures', () => {
    builder.it(
      'are kept with a message that is buried',
      async (fixture) => {
        const id = await fixture.put('a');
        const failure = failureOf(1);
        await (await fixture.next(await fixture.consume())).bury({ failure });
        assert.deepEqual((await fixture.driver.find(fixture.queue, id))?.failure, failure, 'what find() shows');
        if (fixture.driver.capabilities.list.buried === 'none') return;
        const { messages } = await fixture.driver.list(fixture.queue, { state: 'buried', limit: 1 });
        assert.deepEqual(messages[0]?.failure, failure, 'what list() shows');
      },
      { failures: ['kept', 'buried'] },
    );

    builder.it(
      'are kept with a message that is released, until the next one',
      async (fixture) => {
        const consumer = await fixture.consume();
        const id = await fixture.put('a');
        const failure = async () => (await fixture.driver.find(fixture.queue, id))?.failure;
        assert.equal(await failure(), undefined, 'of a message that has never failed');
        const [first, second] = [failureOf(1), failureOf(2)];
        await (await fixture.next(consumer)).release({ failure: first });
        assert.deepEqual(await failure(), first, 'of a message that was released');
        await (await fixture.next(consumer)).release({ failure: second, delayMs: LONG_MS });
        assert.deepEqual(await failure(), second, 'of a message that was released with a delay');
      },
      { failures: 'kept' },
    );

    builder.it(
      'are told apart: each message has its own',
      async (fixture) => {
        const consumer = await fixture.consume();
        const ids = await fixture.putMany(['a', 'b', 'c']);
        for (const attempt of [1, 2]) await (await fixture.next(consumer)).bury({ failure: failureOf(attempt) });
        await (await fixture.next(consumer)).bury();
        const found = [];
        for (const id of ids) found.push((await fixture.driver.find(fixture.queue, id))?.failure?.attempt);
        assert.deepEqual(found, [1, 2, undefined]);
      },
      { failures: ['kept', 'buried'] },
    );
  });
}
