// A worker with a slot that does nothing, on messages that are in the queue already.
import { dataOf, type MessageWorker, queueNames, TYPE, type WorkOptions } from '../contenders/message-worker.js';
import { Beanstalkd } from '../harness/beanstalkd.js';
import { Contender } from '../harness/contender.js';
import { type Measured, perSecond } from '../harness/measure.js';
import { loadHaricot } from '../harness/package.js';
import { startRedis } from '../harness/redis.js';
import { atLeast, atLeastOfFloor, FLOOR, type Goal, OURS, type Result, Samples } from '../harness/report.js';
import { countFor, type Effort, interleave } from '../harness/rounds.js';
import type { Setting } from '../harness/workload.js';

const BULL = 'bullmq';
const CONCURRENCIES = [1, 10, 100];
/** Messages. */
const WARM_UP = 8000;
/** For each connection of a round: the first ones pay for what is made once. */
const LEAST_EACH = 50;
/** Longer than any round: the queue is opened when everybody waits. */
const PAUSE = '1h';

const workOf = (concurrency: number, trackAttempts: boolean): string =>
  `concurrency ${concurrency}, attempts ${trackAttempts ? 'tracked' : 'not tracked'}`;

const WORKS = CONCURRENCIES.flatMap((concurrency) => [workOf(concurrency, false), workOf(concurrency, true)]);

interface Entrant {
  readonly contender: Contender<MessageWorker>;
  /** Puts so many messages where it will look for them. */
  readonly publish: (messages: number) => Promise<void>;
}

/** Contenders of the row with many queues: ours each time. */
const ONE_QUEUE = '1 queue';
const MANY_QUEUES = '200 queues';
const QUEUES: Readonly<Record<string, number>> = { [ONE_QUEUE]: 1, [MANY_QUEUES]: 200 };
const QUEUES_WORK = 'concurrency 20, attempts tracked, of one queue or many';

export async function run({ effort, hasPeers }: Setting): Promise<Result> {
  const server = await Beanstalkd.start();
  const redis = hasPeers ? await startRedis() : undefined;
  const names = [FLOOR, OURS, ...(redis ? [BULL] : [])];
  const samples = new Samples(WORKS, names);
  const queueSamples = new Samples([QUEUES_WORK], [ONE_QUEUE, MANY_QUEUES]);
  const { publish, close } = await publisher(server);
  const options = { port: server.port };
  const ours = new Contender<MessageWorker>(OURS, 'haricot-worker', { options });
  const entrants: Entrant[] = [
    { contender: new Contender<MessageWorker>(FLOOR, 'floor-worker', { options }), publish },
    { contender: ours, publish },
  ];
  if (redis) {
    const contender = new Contender<MessageWorker>(BULL, 'bullmq-worker', { options: { port: redis.port } });
    entrants.push({ contender, publish: async () => {} });
  }
  try {
    await warmUp(entrants, server);
    for (const concurrency of CONCURRENCIES) {
      for (const trackAttempts of [false, true])
        await runRow(concurrency, trackAttempts, entrants, server, samples, effort);
    }
    await runQueuesRow(ours, publish, server, queueSamples, effort);
  } finally {
    await Promise.all(entrants.map(({ contender }) => contender.stop()));
    await close();
    await redis?.stop();
    await server.stop();
  }

  const rows = samples.rows(() => ['messages/s', 1]);
  return {
    title: 'worker: messages published by a queue (CloudEvents), one slot that does nothing',
    rows: [...rows, ...queueSamples.rows(() => ['messages/s', 1])],
    goals: [
      ...[10, 100].map((concurrency) => atLeastOfFloor(rows, workOf(concurrency, false), 0.75)),
      ...[10, 100].map((concurrency) => atLeastOfFloor(rows, workOf(concurrency, true), 0.8)),
      ...(redis ? [aheadOfBull(samples)] : []),
      atLeast(
        '200 queues',
        queueSamples.compare(QUEUES_WORK, MANY_QUEUES, ONE_QUEUE)?.median ?? Number.NaN,
        0.5,
        '× one queue',
      ),
    ],
    notes: redis === undefined ? 'BullMQ is left out: there is no redis-server, or it could not be installed.' : '',
  };
}

/** Lets all compile what they will need: without it whoever has most code looks slow in the first row. */
async function warmUp(entrants: readonly Entrant[], server: Beanstalkd): Promise<void> {
  for (const { contender, publish } of entrants) {
    for (const trackAttempts of [false, true]) {
      await publish(WARM_UP);
      await contender.call('work', [{ messages: WARM_UP, concurrency: 10, trackAttempts }]);
      await server.drain();
    }
  }
}

async function runRow(
  concurrency: number,
  trackAttempts: boolean,
  entrants: readonly Entrant[],
  server: Beanstalkd,
  samples: Samples,
  { rounds, sliceMs }: Effort,
): Promise<void> {
  const work = workOf(concurrency, trackAttempts);
  const counts = new Map<string, number>();

  async function attempt({ contender, publish }: Entrant, messages: number): Promise<Measured | undefined> {
    try {
      await publish(messages);
      const options: WorkOptions = { messages, concurrency, trackAttempts };
      const figure = await contender.call('work', [options]);
      if (figure.intact !== false) return figure;
      samples.disqualify(work, contender.name, 'returned wrong messages');
    } catch (error) {
      samples.disqualify(work, contender.name, (error as Error).message);
    }
    counts.delete(contender.name);
    return undefined;
  }

  for (const entrant of entrants) {
    const first = await attempt(entrant, 2000);
    await server.drain();
    if (first)
      counts.set(entrant.contender.name, countFor(perSecond(first), sliceMs * 2, LEAST_EACH * concurrency, 30_000));
  }
  await interleave(entrants, rounds, async (entrant) => {
    const messages = counts.get(entrant.contender.name);
    if (messages === undefined) return;
    const figure = await attempt(entrant, messages);
    if (figure) samples.add(work, entrant.contender.name, figure);
    await server.drain();
  });
}

/** One worker of many queues, in turn with one of a single queue. */
async function runQueuesRow(
  ours: Contender<MessageWorker>,
  publish: (messages: number, queues: number) => Promise<void>,
  server: Beanstalkd,
  samples: Samples,
  { rounds, sliceMs }: Effort,
): Promise<void> {
  const attempt = async (name: string, messages: number): Promise<Measured> => {
    const queues = QUEUES[name] ?? 1;
    await publish(messages, queues);
    const figure = await ours.call('work', [{ messages, concurrency: 20, trackAttempts: true, queues }]);
    if (figure.intact === false) samples.disqualify(QUEUES_WORK, name, 'returned wrong messages');
    await server.drain();
    return figure;
  };
  const names = Object.keys(QUEUES);
  const counts = new Map<string, number>();
  for (const name of names) {
    const rate = perSecond(await attempt(name, 2000));
    counts.set(name, countFor(rate, sliceMs * 2, 1000, 30_000));
  }
  await interleave(names, rounds, async (name) => {
    samples.add(QUEUES_WORK, name, await attempt(name, counts.get(name) ?? 2000));
  });
}

/** Publishes as an application does, into queues that are closed until the worker opens them. */
async function publisher(
  server: Beanstalkd,
): Promise<{ publish(messages: number, queues?: number): Promise<void>; close(): Promise<void> }> {
  const { defineMessage, openDriver, Queue } = await loadHaricot();
  const driver = await openDriver(server.url);
  const type = defineMessage<ReturnType<typeof dataOf>>(TYPE);
  return {
    async publish(messages, queues = 1) {
      const each = messages / queues;
      const publishTo = async (name: string, index: number): Promise<void> => {
        const queue = new Queue(driver, name);
        await queue.pause(PAUSE);
        await queue.publishMany(
          type,
          Array.from({ length: each }, (_, number) => dataOf(index * each + number)),
        );
      };
      await Promise.all(queueNames(queues).map(publishTo));
    },
    close: () => driver.close(),
  };
}

/** Without tracking: three times BullMQ is more than even the floor can do that asks for each attempt. */
function aheadOfBull(samples: Samples): Goal {
  const work = workOf(100, false);
  return atLeast(work, samples.compare(work, OURS, BULL)?.median ?? Number.NaN, 3, '× BullMQ');
}
