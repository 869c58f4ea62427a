// Bodies from nothing to 16 MiB, in bytes per second: peers that copy their buffer for each chunk take time that grows with the square.
import { Beanstalkd } from '../harness/beanstalkd.js';
import { atLeastOfFloor, find, type Goal, OURS, type Result, type Row, Samples } from '../harness/report.js';
import type { Effort } from '../harness/rounds.js';
import type { Setting } from '../harness/workload.js';
import { jobClientNames, jobClients, runJobWork } from './job-row.js';

const KIB = 1024;
const MIB = 1024 * KIB;

interface Size {
  readonly name: string;
  readonly bytes: number;
  /** Enough to keep the line full. */
  readonly inFlight: number;
}

const SIZES: readonly Size[] = [
  { name: '0 B', bytes: 0, inFlight: 100 },
  { name: '100 B', bytes: 100, inFlight: 100 },
  { name: '4 KiB', bytes: 4 * KIB, inFlight: 100 },
  { name: '64 KiB', bytes: 64 * KIB, inFlight: 10 },
  { name: '1 MiB', bytes: MIB, inFlight: 4 },
  { name: '16 MiB', bytes: 16 * MIB, inFlight: 2 },
];
/** Those for which a share of the floor is to be reached. */
const LARGE = ['64 KiB', '1 MiB', '16 MiB'];
/** What the server has to hold. */
const MOST_BYTES = 256 * MIB;

const put = (size: string): string => `put, ${size}`;
const take = (size: string): string => `reserve+delete, ${size}`;

export async function run({ effort, hasPeers }: Setting): Promise<Result> {
  const names = jobClientNames(hasPeers);
  const all = SIZES.map(({ name }) => name);
  const samples = new Samples([...all.map(put), ...all.map(take)], names);
  const server = await Beanstalkd.start(['-z', `${16 * MIB}`]);
  try {
    for (const size of SIZES) await runSize(size, names, server, samples, effort);
  } finally {
    await server.stop();
  }
  // Nothing of nothing: jobs of no bytes are counted.
  const empty = (work: string): boolean => work.endsWith(', 0 B');
  const rows = samples.rows((work) => (empty(work) ? ['jobs/s', 1] : ['MB/s', bytesOf(work) / 1e6]));
  return {
    title: 'bodies: bytes per second down one connection',
    rows,
    goals: [
      ...LARGE.map((size) => atLeastOfFloor(rows, put(size), 0.85)),
      ...LARGE.map((size) => atLeastOfFloor(rows, take(size), 0.85)),
      growth(rows, put),
      growth(rows, take),
    ],
  };
}

async function runSize(
  { name, bytes, inFlight }: Size,
  names: readonly string[],
  server: Beanstalkd,
  samples: Samples,
  effort: Effort,
): Promise<void> {
  const contenders = jobClients(names, server.port, bytes);
  const mostJobs = Math.max(1, Math.min(20_000, Math.floor(MOST_BYTES / Math.max(bytes, 1))));
  const work = {
    put: put(name),
    take: take(name),
    size: bytes,
    inFlight,
    firstJobs: Math.min(1000, mostJobs),
    mostJobs,
  };
  try {
    await runJobWork(work, contenders, server, samples, effort);
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
}

function bytesOf(work: string): number {
  return SIZES.find(({ name }) => work.endsWith(`, ${name}`))?.bytes ?? Number.NaN;
}

/** The time for 16 MiB against that for 1 MiB. */
function growth(rows: readonly Row[], work: (size: string) => string): Goal {
  const rate = (size: string): number => find(rows, work(size), OURS)?.value?.median ?? Number.NaN;
  const times = (16 * rate('1 MiB')) / rate('16 MiB');
  return {
    what: `${work('16 MiB')}, time`,
    wanted: '≤ 18 × that of 1 MiB',
    measured: `${times.toFixed(1)} ×`,
    met: times <= 18,
  };
}
