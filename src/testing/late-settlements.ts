import assert from 'node:assert/strict';
import { codeOf, refuses } from './checks.js';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

const COMMANDS = ['ack', 'release', 'bury', 'touch'] as const;

/** Two slots of one consumer, the first of which is too slow. */
export function lateSettlements(declaration: Declaration): void {
  declaration.describe('two slots of one consumer and a late settlement', () => {
    for (const command of COMMANDS) {
      declaration.it(
        `refuse ${command} to the first slot, when the second was given the message, and change nothing`,
        async (trial) => {
          const consumer = await trial.consume({ slots: 2 });
          await trial.put('a', { ttrMs: 2 * trial.secondMs });
          const first = await trial.next(consumer);
          const second = await trial.next(consumer, 'the second slot is given the message');
          await refuses('LEASE_LOST', `${command}() of the first slot`, first[command]());
          await trial.counts({ reserved: 1 }, 'while the second slot holds the message');
          assert.equal(second.lost.aborted, false, 'the second slot has not lost its lease');
          await second.ack();
          await trial.counts({}, 'after the second slot has acknowledged the message');
        },
      );
    }

    declaration.it('give the message to one of them, when both want it in the same moment', async (trial) => {
      const consumer = await trial.consume({ slots: 2 });
      await trial.put('a', { ttrMs: trial.secondMs });
      const first = await trial.next(consumer);
      await trial.untilCounts({ ready: 1 }, 'the lease is over');
      const reserving = trial.reserving(consumer, { timeoutMs: 0 });
      const isDone = await isAccepted(first.ack());
      const second = await reserving;
      assert.equal(isDone, second === null, `the first slot was ${isDone ? '' : 'not '}heeded`);
      await second?.ack();
      await trial.counts({}, 'after one of them has acknowledged the message');
    });
  });
}

/** They block everything in this process. */
export function blockedHolders(declaration: Declaration): void {
  declaration.describe('a holder that blocks the event loop beyond its TTR', () => {
    declaration.it('has its ack heeded, or is told that it came too late, never both', async (trial) => {
      const consumer = await trial.consume();
      await trial.put('a', { ttrMs: trial.secondMs });
      const holder = await trial.next(consumer);
      blockFor(1.3, trial);
      if (await isAccepted(holder.ack())) {
        await trial.counts({}, 'after the late ack was heeded');
        await trial.nothing(consumer, 'the message is done');
      } else {
        const again = await trial.next(consumer, 'the message comes again');
        assert.equal(again.id, holder.id);
        await again.ack();
        await trial.counts({}, 'after the next holder has acknowledged the message');
      }
    });
  });
}

function blockFor(seconds: number, { secondMs }: Trial): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * secondMs);
}

/** Whether a settlement was heeded. Other errors than the loss of the lease are passed on. */
async function isAccepted(settling: Promise<void>): Promise<boolean> {
  try {
    await settling;
    return true;
  } catch (error) {
    if (codeOf(error) === 'LEASE_LOST') return false;
    throw error;
  }
}
