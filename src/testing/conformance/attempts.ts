import assert from 'node:assert/strict';
import type { Consumer } from '../../queue/driver.js';
import { toFailure } from '../../queue/failure.js';
import type { Condition } from './condition.js';
import { type Fixture, LONG_MS } from './fixture.js';
import type { HeldMessage } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

/** What becomes of a message that was delivered, so that it is delivered again. */
type Event =
  | 'released'
  | 'released uncounted'
  | 'released with a delay, and promoted'
  | 'its lease ends'
  | 'its consumer is closed'
  | 'buried, and retried'
  | 'buried with a failure, and retried by its id';

/** The attempts of the deliveries of one message, with what happens between them. */
interface Case {
  readonly what: string;
  readonly course: readonly (number | Event)[];
  readonly condition?: Condition;
}

/** They are the same on every engine, but for what a capability names. */
const CASES: readonly Case[] = [
  { what: 'count a release', course: [1, 'released', 2, 'released', 3, 'released', 4] },
  {
    what: 'do not count a release that is not counted',
    course: [1, 'released', 2, 'released uncounted', 2, 'released uncounted', 2, 'released', 3],
    condition: { uncountedRelease: true },
  },
  {
    what: 'count a release with a delay, which promote ends',
    course: [1, 'released with a delay, and promoted', 2, 'released with a delay, and promoted', 3, 'released', 4],
  },
  {
    what: 'do not count a delivery whose consumer was closed',
    course: [1, 'its consumer is closed', 1, 'released', 2, 'its consumer is closed', 2],
    condition: { uncountedRelease: true },
  },
  {
    what: 'count a delivery whose consumer was closed',
    course: [1, 'its consumer is closed', 2, 'its consumer is closed', 3],
    condition: { uncountedRelease: false },
  },
  {
    what: 'begin anew for a message that was retried: a worker allows it its whole budget again',
    course: [
      ...([1, 'released', 2, 'released', 3, 'buried, and retried'] as const),
      ...([1, 'released', 2, 'released', 3, 'buried, and retried'] as const),
      ...([1, 'released', 2] as const),
    ],
  },
  {
    what: 'begin anew for a message that was buried with a failure and retried by its id',
    course: [
      ...([1, 'released', 2, 'buried with a failure, and retried by its id'] as const),
      ...([1, 'released', 2, 'buried with a failure, and retried by its id'] as const),
      ...([1, 'released', 2] as const),
    ],
    condition: { failures: ['kept', 'buried'] },
  },
  {
    what: 'count after a retry what they count before one',
    course: [
      ...([1, 'buried, and retried', 1, 'released with a delay, and promoted', 2, 'released', 3] as const),
      ...(['buried, and retried', 1, 'released with a delay, and promoted', 2] as const),
    ],
  },
];

/** They wait for the ends of leases. */
const SLOW_CASES: readonly Case[] = [
  { what: 'count the end of a lease', course: [1, 'its lease ends', 2, 'its lease ends', 3] },
  {
    what: 'count the end of a lease after a retry, and begin anew after it',
    course: [
      ...([1, 'its lease ends', 2, 'buried, and retried'] as const),
      ...([1, 'its lease ends', 2, 'released', 3, 'buried, and retried', 1] as const),
    ],
  },
];

const FAILURE = toFailure(new Error('unfit'), { reason: 'attempts', attempt: 1 });

/** How often a message has been delivered. */
export function attempts(builder: SuiteBuilder): void {
  builder.describe('attempts', () => {
    for (const each of CASES) declareCase(builder, each);

    builder.it('may be left unknown where nobody needs them, and can be found out', async (fixture) => {
      const consumer = await fixture.consume({ trackAttempts: false });
      await fixture.put('a');
      assert.equal(await findOut(fixture, await fixture.next(consumer)), 1);
      await (await fixture.next(consumer)).release();
      assert.equal(await findOut(fixture, await fixture.next(consumer)), 3);
    });

    builder.it('need not be known to settle a message', async (fixture) => {
      const consumer = await fixture.consume({ trackAttempts: false });
      await fixture.put('a');
      const held = await fixture.next(consumer);
      assert.deepEqual([held.queue, held.body.toString()], [fixture.queue, 'a']);
      await held.touch();
      await held.release();
      await (await fixture.next(consumer)).bury();
      await fixture.counts({ buried: 1 }, 'after the message was released and buried');
      await fixture.driver.retry(fixture.queue, { limit: 1 });
      assert.deepEqual(await fixture.drain(consumer, 1), ['a']);
    });
  });
}

/** The crashes of holders. */
export function attemptsOfCrashes(builder: SuiteBuilder): void {
  builder.describe('attempts', () => {
    for (const each of SLOW_CASES) declareCase(builder, each);
  });
}

function declareCase(builder: SuiteBuilder, { what, course, condition }: Case): void {
  builder.it(
    what,
    async (fixture) => {
      let consumer = await fixture.consume();
      const isShort = course.includes('its lease ends');
      const id = await fixture.put('a', { ttrMs: isShort ? 2 * fixture.secondMs : 120_000 });
      let held: HeldMessage | undefined;
      for (const [index, step] of course.entries()) {
        const when = `of delivery ${(index >> 1) + 1}, after [${course.slice(0, index).join('; ')}]`;
        if (typeof step === 'number') {
          held = await fixture.next(consumer, `delivery ${(index >> 1) + 1} comes`);
          assert.equal(held.jobId, id, `the message ${when}`);
          assert.equal(held.attempt, step, `the attempt ${when}`);
          // Where the engine knows, it tells whoever looks the same.
          const { attempts = step } = (await fixture.driver.find(fixture.queue, id)) ?? {};
          assert.equal(attempts, step, `what find() tells of the attempts ${when}`);
        } else if (held !== undefined) {
          await happen(step, held, consumer, fixture);
          if (step === 'its consumer is closed') consumer = await fixture.consume();
        }
      }
    },
    condition,
  );
}

async function happen(event: Event, held: HeldMessage, consumer: Consumer, fixture: Fixture): Promise<void> {
  const { driver, queue } = fixture;
  const select = { ids: [held.jobId] };
  switch (event) {
    case 'released':
      return held.release();
    case 'released uncounted':
      return held.release({ counted: false });
    case 'released with a delay, and promoted':
      await held.release({ delayMs: LONG_MS });
      assert.equal(await driver.promote(queue, select), 1, 'promote() of the delayed message');
      return;
    case 'its lease ends':
      return fixture.untilCounts({ ready: 1 }, 'the lease is over');
    case 'its consumer is closed':
      return consumer.close();
    case 'buried, and retried':
      await held.bury();
      assert.equal(await driver.retry(queue, { limit: 1 }), 1, 'retry() of the buried message');
      return;
    case 'buried with a failure, and retried by its id':
      await held.bury({ failure: FAILURE });
      assert.equal(await driver.retry(queue, select), 1, 'retry() of the buried message');
  }
}

/** Asks for the attempt where it is unknown, and releases the message. */
async function findOut(fixture: Fixture, held: HeldMessage): Promise<number | undefined> {
  if (held.attempt === undefined) {
    const { message } = held;
    assert.ok(message.track, 'a message whose attempt is undefined must have a method track()');
    await fixture.answer('track() answers', message.track());
  }
  const { attempt } = held;
  await held.release();
  return attempt;
}
