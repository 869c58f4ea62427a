import assert from 'node:assert/strict';
import { drainUntilClosed } from './drain-loop.js';
import { OtherProcess } from './other-process.js';
import type { SuiteBuilder } from './suite-builder.js';
import { WAKE_UP_MS, wakesSoon } from './waiting.js';

const SHARED = { shared: true } as const;
const MESSAGES = 500;

/** Several processes on one engine. */
export function processes(builder: SuiteBuilder): void {
  builder.describe('another process', () => {
    builder.it(
      'puts a message that we receive, and receives one that we put',
      async (fixture) => {
        const other = await OtherProcess.start(fixture);
        const { jobId } = await other.ask({ do: 'put', queue: fixture.queue, body: 'from there' });
        const held = await fixture.next(await fixture.consume());
        assert.deepEqual([held.jobId, held.body.toString()], [jobId, 'from there']);
        await held.ack();
        const sent = await fixture.put('from here');
        assert.deepEqual(await other.ask({ do: 'hold', queue: fixture.queue }), { jobId: sent, attempt: 1 });
        await fixture.nothing(await fixture.consume(), 'the other process holds the message');
      },
      SHARED,
    );

    builder.it(
      'is killed, and the message that it held is delivered again when its lease has ended, as attempt 2',
      async (fixture) => {
        const other = await OtherProcess.start(fixture);
        const id = await fixture.put('a', { ttrMs: 2 * fixture.secondMs });
        await other.ask({ do: 'hold', queue: fixture.queue });
        await other.kill();
        const held = await fixture.next(await fixture.consume(), 'the message comes again');
        assert.deepEqual([held.jobId, held.attempt], [id, 2]);
      },
      SHARED,
    );

    builder.it(
      'is killed, and what it held is delivered at once',
      async (fixture) => {
        const other = await OtherProcess.start(fixture);
        const id = await fixture.put('a');
        await other.ask({ do: 'hold', queue: fixture.queue });
        await other.kill();
        const held = await fixture.next(await fixture.consume(), 'the message comes again long before its lease ends');
        assert.deepEqual([held.jobId, held.attempt], [id, 2]);
      },
      { shared: true, returnsOnDisconnect: true },
    );

    builder.it(
      `takes some of ${MESSAGES} messages, and we the others: each is delivered once`,
      async (fixture) => {
        const other = await OtherProcess.start(fixture);
        const bodies = Array.from({ length: MESSAGES }, (_, n) => String(n));
        await fixture.putMany(bodies);
        await other.ask({ do: 'drain', queue: fixture.queue });
        const consumer = await fixture.consume();
        const here: string[] = [];
        const draining = drainUntilClosed(consumer, async (body) => {
          here.push(body);
          await fixture.pass(0.003);
        });
        draining.catch(() => {});
        await fixture.untilCounts({}, 'all are acknowledged');
        await consumer.close();
        await draining;
        const { handled: there = [] } = await other.ask({ do: 'handled' });
        assert.ok(here.length > 0 && there.length > 0, `we took ${here.length} and the other process ${there.length}`);
        assert.deepEqual([...here, ...there].toSorted(), bodies.toSorted(), 'the messages that were delivered');
      },
      SHARED,
    );

    builder.it(
      'ends by itself when its driver is closed while a reserve waits',
      async (fixture) => {
        const other = await OtherProcess.start(fixture);
        await other.ask({ do: 'put', queue: fixture.queue, body: 'a' });
        await other.ask({ do: 'hold', queue: fixture.queue });
        await other.ask({ do: 'close', queue: fixture.queue });
        assert.equal(await other.exit(), 0, 'its exit code');
        await fixture.untilCounts({ ready: 1 }, 'the message that it held is given back');
      },
      SHARED,
    );

    builder.it(
      `wakes a reserve that waits here within ${WAKE_UP_MS} ms`,
      async (fixture) => {
        const other = await OtherProcess.start(fixture);
        await wakesSoon(fixture, async () => () => other.ask({ do: 'put', queue: fixture.queue, body: 'a' }));
      },
      SHARED,
    );
  });
}
