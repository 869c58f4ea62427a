/*
 * The client under mixed load for minutes through a line that fails at random: `npm run soak -- client --minutes 5`. Every job that was acknowledged must
 * be delivered, and none twice but those whose deletion was lost. Ends with 1 on a loss.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { spoilLine } from '../../integration/support/faulty-line.js';
import { TcpProxy } from '../../integration/support/proxy.js';
import { seededRandom } from '../../integration/support/random.js';
import { startServer, stopAllServers } from '../../integration/support/server.js';
import { Client, type ClientOptions, ConnectionLostError, ReplyTimeoutError } from '../../src/client/index.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' } },
  allowPositionals: true,
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const random = seededRandom(seed);
const until = performance.now() + Number(values.minutes) * 60_000;

const CLIENTS = 4;
const PUTS_AT_ONCE = 10;
const MOST_OUTSTANDING = 2000;
const TUBES = ['soak-a', 'soak-b', 'soak-c'];
const OPTIONS: ClientOptions = {
  reconnect: { initialDelayMs: 5, maxDelayMs: 100 },
  replyTimeoutMs: 1000,
  connectTimeoutMs: 1000,
};

const counts = { operations: 0, lost: 0, timedOut: 0, cancelled: 0, faults: 0, delivered: 0, again: 0 };
/** Acknowledged and not yet delivered. */
const outstanding = new Set<string>();
/** Delivered, with a deletion whose answer was lost: these may come again. */
const unsure = new Set<string>();
/** Delivered and deleted, of late. */
const done = new Set<string>();
/** Put without an answer: these may come or not. */
const possible = new Set<string>();
const doubled: string[] = [];

const server = await startServer({ control: true });
const proxy = await TcpProxy.start(server);
process.on('warning', (warning) => console.error(String(warning)));

const clients = await Promise.all(Array.from({ length: CLIENTS * 2 }, () => Client.connect(proxy.url, OPTIONS)));
for (const client of clients) await settle(Promise.all(TUBES.map((tube) => client.watch(tube))));
const producing = clients.slice(0, CLIENTS).map(produce);
const consuming = clients.slice(CLIENTS).map(consume);
const heap: number[] = [];
const spoiling = spoilLine(proxy, random, {
  isOver: () => performance.now() >= until,
  onFault: () => (counts.faults += 1),
});
for (let beat = 0; performance.now() < until; beat += 1) {
  await sleep(1000);
  heap.push(process.memoryUsage().heapUsed);
  if (beat % 30 === 29) console.log(`${beat + 1} s`, JSON.stringify(counts), `${outstanding.size} outstanding`);
}
await Promise.all([...producing, spoiling]);
await Promise.all(consuming);
await finish();

async function produce(client: Client, index: number): Promise<void> {
  for (let next = 0; performance.now() < until; next += PUTS_AT_ONCE) {
    while (outstanding.size > MOST_OUTSTANDING) await sleep(5);
    await Promise.all(
      Array.from({ length: PUTS_AT_ONCE }, async (_, offset) => {
        const name = `${index}-${next + offset}`;
        const tube = client.tube(TUBES[Math.floor(random() * TUBES.length)] ?? 'default');
        possible.add(name);
        const id = await settle(tube.put(`${name} ${'x'.repeat(random() * 500)}`, { delay: random() < 0.02 ? 1 : 0 }));
        if (id !== undefined && possible.delete(name)) outstanding.add(name);
      }),
    );
    await settle<unknown>(random() < 0.5 ? client.listTubeUsed() : client.statsTube('soak-a'));
  }
}

async function consume(client: Client): Promise<void> {
  let silent = 0;
  while (performance.now() < until || silent < 3) {
    const patience = random() < 0.1 ? AbortSignal.timeout(Math.floor(random() * 20)) : undefined;
    const job = await settle(client.reserve({ timeout: 1, signal: patience }));
    silent = job === null ? silent + 1 : 0;
    if (!job) continue;
    const [name = ''] = job.text().split(' ');
    if (done.has(name)) doubled.push(name);
    counts.delivered += 1;
    if (unsure.delete(name)) counts.again += 1;
    // A delivery may overtake the answer to the put.
    if (!outstanding.delete(name)) possible.delete(name);
    if (random() < 0.1) {
      // Whether it is given back or its connection is lost: it comes again.
      outstanding.add(name);
      await settle(job.release());
    } else if (await settle(job.delete().then(() => true))) remember(name);
    else unsure.add(name);
  }
}

function remember(name: string): void {
  done.add(name);
  const [oldest] = done;
  if (done.size > 20_000 && oldest !== undefined) done.delete(oldest);
}

/** Undefined for what the line has spoilt or the caller has cancelled. */
async function settle<T>(call: Promise<T>): Promise<T | undefined> {
  counts.operations += 1;
  try {
    return await call;
  } catch (error) {
    if (error instanceof ConnectionLostError) counts.lost += 1;
    else if (error instanceof ReplyTimeoutError) counts.timedOut += 1;
    else if (error instanceof DOMException) counts.cancelled += 1;
    else throw error;
    return undefined;
  }
}

async function finish(): Promise<void> {
  const witness = await Client.connect(server.url);
  const { currentJobsReady, currentJobsReserved, currentJobsDelayed } = await witness.stats();
  await witness.quit();
  await Promise.all(clients.map((client) => client.quit()));
  await proxy.close();
  await stopAllServers();
  const tenth = Math.max(1, Math.floor(heap.length / 10));
  const growth = Math.min(...heap.slice(-tenth)) - Math.min(...heap.slice(0, tenth));
  const left = currentJobsReady + currentJobsReserved + currentJobsDelayed;
  console.log(`seed ${seed}`, JSON.stringify({ ...counts, connections: proxy.connections }));
  console.log(`losses ${outstanding.size}, doubled ${doubled.length}, left on the server ${left}`);
  console.log(`heap growth ${(growth / 1024 / 1024).toFixed(1)} MiB`);
  process.exitCode = outstanding.size + doubled.length + left === 0 ? 0 : 1;
}
