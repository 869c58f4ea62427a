import assert from 'node:assert/strict';
import { codeOf, refuses } from './assertions.js';
import type { Fixture } from './fixture.js';
import { COMMANDS, type HeldMessage } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

/** A message is held for its TTR from the last touch, and no longer. */
export function leases(builder: SuiteBuilder): void {
  builder.describe('leases', () => {
    builder.it('delivers a message to another consumer when its lease has ended, and counts that', async (fixture) => {
      const [first, second] = [
        await fixture.consume(),
        await fixture.consume({ driver: await fixture.anotherDriver() }),
      ];
      const id = await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
      const start = performance.now();
      const { attempt } = await fixture.next(first);
      const again = await fixture.next(second, 'the message comes again');
      fixture.tookAbout(2, start, 'the lease of 2 s ended');
      assert.deepEqual([attempt, again.jobId, again.attempt], [1, id, 2]);
      await again.ack();
      await fixture.counts({}, 'after the second holder has acknowledged it');
    });

    for (const command of COMMANDS) {
      builder.it(
        `refuses ${command} to the holder before, when another holds the message, and changes nothing`,
        async (fixture) => {
          const { stale, current } = await loseLease(fixture);
          await fixture.whileHeld(current, async () => {
            await refuses('LEASE_LOST', `${command}() of the holder before`, stale[command]());
            await isHeld(fixture, current);
          });
        },
      );
    }

    builder.it(
      'refuses every command to the holder before, when the same consumer has delivered the message again',
      async (fixture) => {
        const consumer = await fixture.consume({ concurrency: 2 });
        // With a backlog a driver may take another way than for a message that is waited for.
        await fixture.putMany(['1', '2', '3', '4']);
        await fixture.drain(consumer, 4);
        await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
        const stale = await fixture.next(consumer);
        await fixture.untilCounts({ ready: 1 }, 'the lease is over');
        const current = await fixture.next(consumer, 'the message comes again');
        await fixture.whileHeld(current, async () => {
          for (const command of COMMANDS) {
            await refuses('LEASE_LOST', `${command}() of the holder before`, stale[command]());
          }
          await isHeld(fixture, current);
        });
      },
    );

    builder.it(
      'tells the holder before that its lease is lost, with its next command at the latest',
      async (fixture) => {
        const { stale } = await loseLease(fixture);
        await stale.touch().catch(() => {});
        assert.equal(stale.lost.aborted, true, 'the signal `lost` is aborted');
        assert.equal(codeOf(stale.lost.reason), 'LEASE_LOST', 'the code of the reason of `lost`');
      },
    );

    builder.it('keeps a lease that is renewed, beyond its TTR', async (fixture) => {
      const [holder, other] = [await fixture.consume(), await fixture.consume()];
      await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
      let renewedAt = performance.now();
      const held = await fixture.next(holder);
      const stolen = fixture.reserving(other, { timeoutMs: 4.6 * fixture.secondMs });
      for (let n = 0; n < 9; n++) {
        await fixture.while(renewedAt + 2 * fixture.secondMs, async () => {
          await fixture.pass(0.5);
          renewedAt = performance.now();
          await held.touch();
        });
      }
      await fixture.while(renewedAt + 2 * fixture.secondMs, async () => {
        await fixture.counts({ reserved: 1 }, 'while the lease is renewed');
        assert.equal(await stolen, null, 'another consumer gets nothing');
        await held.ack();
      });
    });

    builder.it('tells when the lease ends at the latest, a TTR after it began or was renewed', async (fixture) => {
      const ttrMs = 2 * fixture.secondMs;
      await fixture.put('a', { ttrMs });
      const before = performance.now();
      const held = await fixture.next(await fixture.consume());
      const known = held.leaseEndsAt;
      const between = [before + held.ttrMs, performance.now() + held.ttrMs] as const;
      assert.ok(known >= between[0] && known <= between[1], `leaseEndsAt ${known} is between ${between.join(' and ')}`);
      await fixture.pass(0.5);
      const start = performance.now();
      await fixture.while(before + ttrMs, () => held.touch());
      const renewed = held.leaseEndsAt;
      const range = [start + held.ttrMs, performance.now() + held.ttrMs] as const;
      assert.ok(renewed >= range[0] && renewed <= range[1], `renewed to ${renewed}, between ${range.join(' and ')}`);
      await held.ack();
    });

    builder.it('ends a renewed lease a TTR after the last renewal', async (fixture) => {
      const [holder, other] = [await fixture.consume(), await fixture.consume()];
      await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
      const before = performance.now();
      const held = await fixture.next(holder);
      await fixture.pass(0.5);
      const start = performance.now();
      await fixture.while(before + 2 * fixture.secondMs, () => held.touch());
      const again = await fixture.next(other);
      fixture.tookAbout(2, start, 'the renewed lease of 2 s ended');
      assert.equal(again.attempt, 2);
    });

    builder.it('puts a message whose lease has ended before younger ones of its priority', async (fixture) => {
      await fixture.put('old', { ttrMs: 2 * fixture.secondMs });
      await fixture.next(await fixture.consume());
      await fixture.put('young');
      await fixture.untilCounts({ ready: 2 }, 'the lease is over');
      assert.deepEqual(await fixture.drain(await fixture.consume(), 2), ['old', 'young']);
    });
  });
}

/** A message whose first holder was too slow, with the one who holds it now. */
async function loseLease(fixture: Fixture): Promise<{ stale: HeldMessage; current: HeldMessage }> {
  const [slow, other] = [await fixture.consume(), await fixture.consume({ driver: await fixture.anotherDriver() })];
  await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
  const stale = await fixture.next(slow);
  const current = await fixture.next(other, 'the message comes again');
  return { stale, current };
}

/** Nothing has happened to the delivery. */
async function isHeld(fixture: Fixture, held: HeldMessage): Promise<void> {
  await fixture.counts({ reserved: 1 }, 'while the message is held');
  assert.equal(held.lost.aborted, false, 'the holder has not lost its lease');
  await held.touch();
  await held.ack();
  await fixture.counts({}, 'after its holder has acknowledged the message');
}
