import assert from 'node:assert/strict';
import type { Reservation } from '../queue/driver.js';
import { codeOf, refuses } from './checks.js';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

const COMMANDS = ['ack', 'release', 'bury', 'touch'] as const;

/** A message is held for its TTR from the last touch, and no longer. */
export function leases(declaration: Declaration): void {
  declaration.describe('leases', () => {
    declaration.it(
      'delivers a message to another consumer when its lease has ended, and counts that',
      async (trial) => {
        const [first, second] = [await trial.consume(), await trial.consume({ driver: await trial.anotherDriver() })];
        const id = await trial.put('a', { ttrMs: trial.secondMs });
        const start = performance.now();
        const { attempt } = await trial.next(first);
        const again = await trial.next(second, 'the message comes again');
        trial.tookAbout(1, start, 'the lease of 1 s ended');
        assert.deepEqual([attempt, again.id, again.attempt], [1, id, 2]);
        await again.ack();
        await trial.counts({}, 'after the second holder has acknowledged it');
      },
    );

    for (const command of COMMANDS) {
      declaration.it(
        `refuses ${command} to the holder before, when another holds the message, and changes nothing`,
        async (trial) => {
          const { stale, current } = await loseLease(trial);
          await trial.whileHeld(current, async () => {
            await refuses('LEASE_LOST', `${command}() of the holder before`, stale[command]());
            await isHeld(trial, current);
          });
        },
      );
    }

    declaration.it(
      'refuses every command to the holder before, when the same consumer has delivered the message again',
      async (trial) => {
        const consumer = await trial.consume({ slots: 2 });
        // With a backlog a driver may take another way than for a message that is waited for.
        await trial.putMany(['1', '2', '3', '4']);
        await trial.drain(consumer, 4);
        await trial.put('a', { ttrMs: trial.secondMs });
        const stale = await trial.next(consumer);
        await trial.untilCounts({ ready: 1 }, 'the lease is over');
        const current = await trial.next(consumer, 'the message comes again');
        await trial.whileHeld(current, async () => {
          for (const command of COMMANDS) {
            await refuses('LEASE_LOST', `${command}() of the holder before`, stale[command]());
          }
          await isHeld(trial, current);
        });
      },
    );

    declaration.it(
      'tells the holder before that its lease is lost, with its next command at the latest',
      async (trial) => {
        const { stale } = await loseLease(trial);
        await stale.touch().catch(() => {});
        assert.equal(stale.lost.aborted, true, 'the signal `lost` is aborted');
        assert.equal(codeOf(stale.lost.reason), 'LEASE_LOST', 'the code of the reason of `lost`');
      },
    );

    declaration.it('keeps a lease that is renewed, beyond its TTR', async (trial) => {
      const [holder, other] = [await trial.consume(), await trial.consume()];
      await trial.put('a', { ttrMs: 2 * trial.secondMs });
      let renewedAt = performance.now();
      const reservation = await trial.next(holder);
      const stolen = trial.reserving(other, { timeoutMs: 4.6 * trial.secondMs });
      for (let n = 0; n < 9; n++) {
        await trial.while(renewedAt + 2 * trial.secondMs, async () => {
          await trial.pass(0.5);
          renewedAt = performance.now();
          await reservation.touch();
        });
      }
      await trial.while(renewedAt + 2 * trial.secondMs, async () => {
        await trial.counts({ reserved: 1 }, 'while the lease is renewed');
        assert.equal(await stolen, null, 'another consumer gets nothing');
        await reservation.ack();
      });
    });

    declaration.it('tells when the lease ends at the latest, a TTR after it began or was renewed', async (trial) => {
      const ttrMs = 2 * trial.secondMs;
      await trial.put('a', { ttrMs });
      const before = performance.now();
      const reservation = await trial.next(await trial.consume());
      const known = reservation.leaseEndsAt;
      const between = [before + reservation.ttrMs, performance.now() + reservation.ttrMs] as const;
      assert.ok(known >= between[0] && known <= between[1], `leaseEndsAt ${known} is between ${between.join(' and ')}`);
      await trial.pass(0.5);
      const start = performance.now();
      await trial.while(before + ttrMs, () => reservation.touch());
      const renewed = reservation.leaseEndsAt;
      const range = [start + reservation.ttrMs, performance.now() + reservation.ttrMs] as const;
      assert.ok(renewed >= range[0] && renewed <= range[1], `renewed to ${renewed}, between ${range.join(' and ')}`);
      await reservation.ack();
    });

    declaration.it('ends a renewed lease a TTR after the last renewal', async (trial) => {
      const [holder, other] = [await trial.consume(), await trial.consume()];
      await trial.put('a', { ttrMs: 2 * trial.secondMs });
      const before = performance.now();
      const reservation = await trial.next(holder);
      await trial.pass(0.5);
      const start = performance.now();
      await trial.while(before + 2 * trial.secondMs, () => reservation.touch());
      const again = await trial.next(other);
      trial.tookAbout(2, start, 'the renewed lease of 2 s ended');
      assert.equal(again.attempt, 2);
    });

    declaration.it('puts a message whose lease has ended before younger ones of its priority', async (trial) => {
      await trial.put('old', { ttrMs: trial.secondMs });
      await trial.next(await trial.consume());
      await trial.put('young');
      await trial.untilCounts({ ready: 2 }, 'the lease is over');
      assert.deepEqual(await trial.drain(await trial.consume(), 2), ['old', 'young']);
    });
  });
}

/** A message whose first holder was too slow, with the one who holds it now. */
async function loseLease(trial: Trial): Promise<{ stale: Reservation; current: Reservation }> {
  const [slow, other] = [await trial.consume(), await trial.consume({ driver: await trial.anotherDriver() })];
  await trial.put('a', { ttrMs: 2 * trial.secondMs });
  const stale = await trial.next(slow);
  const current = await trial.next(other, 'the message comes again');
  return { stale, current };
}

/** Nothing has happened to the delivery. */
async function isHeld(trial: Trial, reservation: Reservation): Promise<void> {
  await trial.counts({ reserved: 1 }, 'while the message is held');
  assert.equal(reservation.lost.aborted, false, 'the holder has not lost its lease');
  await reservation.touch();
  await reservation.ack();
  await trial.counts({}, 'after its holder has acknowledged the message');
}
