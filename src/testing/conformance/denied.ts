import assert from 'node:assert/strict';
import { toFailure } from '../../queue/failure.js';
import { refuses } from './assertions.js';
import type { Fixture } from './fixture.js';
import type { HeldMessage } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

const FAILURE = toFailure(new Error('unfit'), { reason: 'attempts', attempt: 1 });

/** What the engine cannot do is refused when it is asked for, and nothing is done. */
export function denied(builder: SuiteBuilder): void {
  builder.describe('what the capabilities deny is refused:', () => {
    builder.it('a deduplication key', (fixture) => refusesToPut(fixture, { deduplicationKey: 'a' }), {
      deduplication: 'none',
    });

    builder.it('a group', (fixture) => refusesToPut(fixture, { group: 'a' }), { groups: false });

    builder.it('an expiry', (fixture) => refusesToPut(fixture, { expiresAt: new Date(Date.now() + 60_000) }), {
      expiry: false,
    });

    builder.it(
      'a release with a failure',
      (fixture) => refusesToSettle(fixture, 'release() with a failure', (held) => held.release({ failure: FAILURE })),
      { failures: ['buried', 'none'] },
    );

    builder.it(
      'a burial with a failure',
      (fixture) => refusesToSettle(fixture, 'bury() with a failure', (held) => held.bury({ failure: FAILURE })),
      { failures: 'none' },
    );

    builder.it(
      'a release that does not count',
      (fixture) => refusesToSettle(fixture, 'release() uncounted', (held) => held.release({ counted: false })),
      { uncountedRelease: false },
    );

    builder.it(
      'a transaction',
      async (fixture) => {
        const item = { queue: fixture.queue, body: Buffer.from('a'), options: fixture.options() };
        await refuses('UNSUPPORTED', 'put() in a transaction', fixture.driver.put([item], { transaction: {} }));
        await fixture.counts({}, 'after a put that was refused');
        await refusesToSettle(fixture, 'ack() in a transaction', (held) => held.ack({ transaction: {} }));
        assert.equal(fixture.driver.transaction, undefined, 'the method transaction() of the driver');
      },
      { transactions: false },
    );
  });
}

async function refusesToPut(fixture: Fixture, options: Parameters<Fixture['options']>[0]): Promise<void> {
  const what = `put() with ${Object.keys(options ?? {}).join()}`;
  await refuses('UNSUPPORTED', what, fixture.put('a', options));
  await fixture.counts({}, 'after a put that was refused');
}

async function refusesToSettle(
  fixture: Fixture,
  what: string,
  settle: (held: HeldMessage) => Promise<void>,
): Promise<void> {
  await fixture.put('a');
  const held = await fixture.next(await fixture.consume());
  await refuses('UNSUPPORTED', what, settle(held));
  await fixture.counts({ reserved: 1 }, 'after a settlement that was refused');
  await held.ack();
}
