// How long a lone message takes from publish to slot, how long a connection, and what a worker costs that has nothing to do.
import type { Latency } from '../contenders/latency.js';
import type { Load } from '../contenders/load.js';
import { Beanstalkd } from '../harness/beanstalkd.js';
import { Contender } from '../harness/contender.js';
import { atMost, FLOOR, OURS, type Result, type Row } from '../harness/report.js';
import { type Effort, interleave } from '../harness/rounds.js';
import { quantile, spreadOf } from '../harness/statistics.js';
import type { Setting } from '../harness/workload.js';

const IDLE_SLOTS = 100;
const SHARES = { p50: 0.5, p99: 0.99 };

interface Kind {
  readonly work: string;
  readonly ours: 'publishToSlot' | 'connect';
  readonly floor: 'rawPublishToSlot' | 'rawConnect';
}

const LONE: Kind = { work: 'publish to slot, idle server', ours: 'publishToSlot', floor: 'rawPublishToSlot' };
const LOADED: Kind = { ...LONE, work: 'publish to slot, busy server' };
const CONNECT: Kind = { work: 'connect', ours: 'connect', floor: 'rawConnect' };

export async function run({ effort }: Setting): Promise<Result> {
  const server = await Beanstalkd.start();
  const options = { port: server.port };
  const contenders = [FLOOR, OURS].map((name) => new Contender<Latency>(name, 'latency', { options }));
  const idler = new Contender<Latency>('idle', 'latency', { options });
  const load = new Contender<Load>('load', 'load', { options });
  const rows: Row[] = [];
  let idle: number[];
  try {
    rows.push(...(await measureKind(LONE, contenders, effort)), ...(await measureKind(CONNECT, contenders, effort)));
    idle = await idler.call('idleWorker', [IDLE_SLOTS, effort.quick ? 5 : 11]);
    await idler.stop();
    await load.call('start', []);
    rows.push(...(await measureKind(LOADED, contenders, effort)));
  } finally {
    await Promise.all([...contenders, idler, load].map((contender) => contender.stop()));
    await server.stop();
  }

  const ours = (share: string): number =>
    rows.find(({ work, contender }) => work === `${LONE.work}, ${share}` && contender === OURS)?.value?.median ??
    Number.NaN;
  return {
    title: 'latency: lone messages, one process that publishes and works',
    rows,
    goals: [
      atMost(`${LONE.work}, p50`, ours('p50'), 1, 'ms'),
      atMost(`${LONE.work}, p99`, ours('p99'), 3, 'ms'),
      // The median second: V8 collects once when a process has come to rest, in steps over two or three of them.
      atMost(`CPU of an idle worker with ${IDLE_SLOTS} slots`, quantile(idle, 0.5) * 100, 0.5, '% of a core'),
    ],
  };
}

/** Each round has its percentiles, and the median of the rounds counts. */
async function measureKind(
  { work, ours, floor }: Kind,
  contenders: readonly Contender<Latency>[],
  { rounds, quick }: Effort,
): Promise<Row[]> {
  const times = quick ? 100 : 300;
  const figures = new Map<string, number[][]>(contenders.map(({ name }) => [name, []]));
  const turn = (contender: Contender<Latency>): Promise<number[]> =>
    contender.call(contender.name === OURS ? ours : floor, [times]);
  for (const contender of contenders) await turn(contender);
  await interleave(contenders, rounds, async (contender) => {
    figures.get(contender.name)?.push(await turn(contender));
  });
  return Object.entries(SHARES).flatMap(([share, at]) =>
    contenders.map(({ name }) => {
      const quantiles = (figures.get(name) ?? []).map((figure) => quantile(figure, at));
      return { work: `${work}, ${share}`, contender: name, unit: 'ms', value: spreadOf(quantiles) };
    }),
  );
}
