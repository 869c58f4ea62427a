import assert from 'node:assert/strict';
import { codeOf, refuses } from './assertions.js';
import type { Fixture } from './fixture.js';
import { COMMANDS } from './held-message.js';
import type { SuiteBuilder } from './suite-builder.js';

/** Two holders of one consumer, the first of which is too slow. */
export function lateSettlements(builder: SuiteBuilder): void {
  builder.describe('two holders of one consumer and a late settlement', () => {
    for (const command of COMMANDS) {
      builder.it(
        `refuse ${command} to the first holder, when the second was given the message, and change nothing`,
        async (fixture) => {
          const consumer = await fixture.consume({ concurrency: 2 });
          await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
          const first = await fixture.next(consumer);
          const second = await fixture.next(consumer, 'the second holder is given the message');
          await refuses('LEASE_LOST', `${command}() of the first holder`, first[command]());
          await fixture.counts({ reserved: 1 }, 'while the second holder holds the message');
          assert.equal(second.lost.aborted, false, 'the second holder has not lost its lease');
          await second.ack();
          await fixture.counts({}, 'after the second holder has acknowledged the message');
        },
      );
    }

    builder.it('give the message to one of them, when both want it in the same moment', async (fixture) => {
      const consumer = await fixture.consume({ concurrency: 2 });
      await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
      const first = await fixture.next(consumer);
      await fixture.untilCounts({ ready: 1 }, 'the lease is over');
      const reserving = fixture.reserving(consumer, { timeoutMs: 0 });
      const isDone = await isAccepted(first.ack());
      const second = await reserving;
      assert.equal(isDone, second === null, `the first holder was ${isDone ? '' : 'not '}heeded`);
      await second?.ack();
      await fixture.counts({}, 'after one of them has acknowledged the message');
    });
  });
}

/** They block everything in this process. */
export function blockedHolders(builder: SuiteBuilder): void {
  builder.describe('a holder that blocks the event loop beyond its TTR', () => {
    builder.it('has its ack heeded, or is told that it came too late, never both', async (fixture) => {
      const consumer = await fixture.consume();
      await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
      const holder = await fixture.next(consumer);
      blockFor(2.3, fixture);
      if (await isAccepted(holder.ack())) {
        await fixture.counts({}, 'after the late ack was heeded');
        await fixture.nothing(consumer, 'the message is done');
      } else {
        const again = await fixture.next(consumer, 'the message comes again');
        assert.equal(again.jobId, holder.jobId);
        await again.ack();
        await fixture.counts({}, 'after the next holder has acknowledged the message');
      }
    });
  });
}

function blockFor(seconds: number, { secondMs }: Fixture): void {
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
