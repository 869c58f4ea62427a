import assert from 'node:assert/strict';
import { compete } from './competitor.js';
import type { Declaration } from './declaration.js';
import { Peer } from './peer.js';
import { WAKE_UP_MS, wakesSoon } from './waiting.js';

const SHARED = { needs: 'shared' } as const;
const MESSAGES = 500;

/** Several processes on one engine. */
export function processes(declaration: Declaration): void {
  declaration.describe('another process', () => {
    declaration.it(
      'puts a message that we receive, and receives one that we put',
      async (trial) => {
        const peer = await Peer.start(trial);
        const { id } = await peer.ask({ do: 'put', queue: trial.queue, body: 'from there' });
        const reservation = await trial.next(await trial.consume());
        assert.deepEqual([reservation.id, reservation.body.toString()], [id, 'from there']);
        await reservation.ack();
        const sent = await trial.put('from here');
        assert.deepEqual(await peer.ask({ do: 'hold', queue: trial.queue }), { id: sent, attempt: 1 });
        await trial.nothing(await trial.consume(), 'the other process holds the message');
      },
      SHARED,
    );

    declaration.it(
      'is killed, and the message that it held is delivered again when its lease has ended, as attempt 2',
      async (trial) => {
        const peer = await Peer.start(trial);
        const id = await trial.put('a', { ttrMs: 2 * trial.secondMs });
        await peer.ask({ do: 'hold', queue: trial.queue });
        await peer.kill();
        const reservation = await trial.next(await trial.consume(), 'the message comes again');
        assert.deepEqual([reservation.id, reservation.attempt], [id, 2]);
      },
      SHARED,
    );

    declaration.it(
      `takes some of ${MESSAGES} messages, and we the others: each is delivered once`,
      async (trial) => {
        const peer = await Peer.start(trial);
        const bodies = Array.from({ length: MESSAGES }, (_, n) => String(n));
        await trial.putMany(bodies);
        await peer.ask({ do: 'compete', queue: trial.queue });
        const consumer = await trial.consume();
        const here: string[] = [];
        const competing = compete(consumer, async (body) => {
          here.push(body);
          await trial.pass(0.003);
        });
        competing.catch(() => {});
        await trial.untilCounts({}, 'all are acknowledged');
        await consumer.close();
        await competing;
        const { handled: there = [] } = await peer.ask({ do: 'handled' });
        assert.ok(here.length > 0 && there.length > 0, `we took ${here.length} and the other process ${there.length}`);
        assert.deepEqual([...here, ...there].toSorted(), bodies.toSorted(), 'the messages that were delivered');
      },
      SHARED,
    );

    declaration.it(
      'ends by itself when its driver is closed while a reserve waits',
      async (trial) => {
        const peer = await Peer.start(trial);
        await peer.ask({ do: 'put', queue: trial.queue, body: 'a' });
        await peer.ask({ do: 'hold', queue: trial.queue });
        await peer.ask({ do: 'close', queue: trial.queue });
        assert.equal(await peer.exit(), 0, 'its exit code');
        await trial.untilCounts({ ready: 1 }, 'the message that it held is given back');
      },
      SHARED,
    );

    declaration.it(
      `wakes a reserve that waits here within ${WAKE_UP_MS} ms`,
      async (trial) => {
        const peer = await Peer.start(trial);
        await wakesSoon(trial, async () => () => peer.ask({ do: 'put', queue: trial.queue, body: 'a' }));
      },
      SHARED,
    );
  });
}
