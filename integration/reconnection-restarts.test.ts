import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../src/client/index.js';
import { Recorder, SOON, unlessLost } from './support/events.js';
import { onOwnServer } from './support/fixture.js';
import { ProcessWatch } from './support/process-watch.js';
import { until } from './support/until.js';

const RESTARTS = 20;
/** Between one restart and the next. */
const JOBS = 200;
const PUTS_AT_ONCE = 20;
/**
 * How many jobs may be on the server. With jobs in three binlog files it moves those of the oldest one, and a job that is being
 * moved when the server is killed is lost: its torn second record makes the restarting server drop the first one too.
 */
const MOST_OUTSTANDING = 40;
/** The collector comes when it likes; a loss per command or per connection would show all the same. */
const HEAP_GROWTH = 32 * 1024 * 1024;

describe(`a server that is killed and restarted ${RESTARTS} times under a stream of puts and reserves`, () => {
  const fixture = onOwnServer({ binlog: true });

  it('delivers every acknowledged put, and the clients neither leak nor complain', async function () {
    this.timeout('10m');
    using watch = new ProcessWatch();
    const [producer, consumer] = await Promise.all([fixture.connect(SOON), fixture.connect(SOON)]);
    const events = [new Recorder(producer), new Recorder(consumer)];
    const acknowledged = new Set<string>();
    const delivered = new Set<string>();
    const missing = () => [...acknowledged].filter((body) => !delivered.has(body));
    const stop = { producing: new AbortController(), consuming: new AbortController() };
    const producing = produce(producer, acknowledged, stop.producing.signal, () => missing().length < MOST_OUTSTANDING);
    const consuming = consume(consumer, delivered, stop.consuming.signal);

    const heap: number[] = [];
    for (let round = 1; round <= RESTARTS; round += 1) {
      const enough = { acknowledged: acknowledged.size + JOBS, delivered: delivered.size + JOBS };
      await until('work goes on', async () => acknowledged.size >= enough.acknowledged);
      await until('work goes on', async () => delivered.size >= enough.delivered);
      await fixture.server.restart();
      heap.push(process.memoryUsage().heapUsed);
    }
    stop.producing.abort();
    await producing;
    await until('all are delivered', async () => missing().length === 0);
    stop.consuming.abort();
    await consuming;

    for (const { names } of events) {
      expect(names.filter((name) => name === 'connect')).to.have.length(RESTARTS);
    }
    const growth = Math.min(...heap.slice(-5)) - Math.min(...heap.slice(0, 5));
    expect(growth).to.be.below(HEAP_GROWTH);
    expect(watch.complaints).to.deep.equal([]);
  });
});

async function produce(
  client: Client,
  acknowledged: Set<string>,
  stop: AbortSignal,
  mayGoOn: () => boolean,
): Promise<void> {
  for (let next = 0; !stop.aborted; next += PUTS_AT_ONCE) {
    while (!mayGoOn() && !stop.aborted) await nextTurn();
    const bodies = Array.from({ length: PUTS_AT_ONCE }, (_, index) => String(next + index));
    await Promise.all(
      bodies.map(async (body) => {
        const id = await unlessLost(client.put(body));
        if (id !== undefined) acknowledged.add(body);
      }),
    );
  }
}

/** Until it is stopped: that nothing has come for a while does not mean that the producer is back. */
async function consume(client: Client, delivered: Set<string>, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const job = await unlessLost(client.reserve({ timeout: 1 }));
    if (!job) continue;
    delivered.add(job.text());
    await unlessLost(job.delete());
  }
}
