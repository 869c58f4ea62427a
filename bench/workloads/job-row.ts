import type { JobClient } from '../contenders/job-client.js';
import type { Beanstalkd } from '../harness/beanstalkd.js';
import { Contender } from '../harness/contender.js';
import type { Measured } from '../harness/measure.js';
import { Payloads } from '../harness/payloads.js';
import { FLOOR, OURS, type Samples } from '../harness/report.js';
import { countFor, type Effort, interleave } from '../harness/rounds.js';

/** Clients of beanstalkd besides haricot's. */
const PEERS = ['fivebeans', 'jackd', 'node-beanstalk', 'beanstalkd'];
const MODULES: Readonly<Record<string, string>> = { [FLOOR]: 'floor-client', [OURS]: 'haricot-client' };

const WARM_UP_JOBS = 8000;

/** How long a contender may take for its first jobs: one that is out of step answers never. */
const FIRST_TRY_MS = 5000;

/** The floor, haricot, and the peers where they are installed. */
export function jobClientNames(withPeers: boolean): string[] {
  return [FLOOR, OURS, ...(withPeers ? PEERS : [])];
}

export function jobClients(names: readonly string[], port: number, size: number): Contender<JobClient>[] {
  return names.map((name) => new Contender<JobClient>(name, MODULES[name] ?? name, { options: { port, size } }));
}

/**
 * Lets all compile what they will need: without it whoever has most code looks slow in the first row. What goes wrong here goes
 * wrong again where it counts.
 */
export async function warmUp(contenders: readonly Contender<JobClient>[], server: Beanstalkd): Promise<void> {
  for (const contender of contenders) {
    for (const inFlight of [100, 1]) {
      try {
        await contender.call('put', [WARM_UP_JOBS, inFlight]);
        await contender.call('reserveAndDelete', [WARM_UP_JOBS, inFlight], FIRST_TRY_MS);
      } catch {
        // See above.
      }
      await server.drain();
    }
  }
}

/** Two rows of a table: puts, and the same jobs reserved and deleted. */
export interface JobWork {
  readonly put: string;
  readonly take: string;
  /** Of a body, in bytes. */
  readonly size: number;
  readonly inFlight: number;
  /** To get a first idea of its speed. */
  readonly firstJobs: number;
  readonly mostJobs: number;
}

/**
 * Lets each contender put jobs and take them again, round after round. One that fails at something, or returns wrong bytes, is
 * out of it, and what it has left is taken away.
 */
export async function runJobWork(
  work: JobWork,
  contenders: readonly Contender<JobClient>[],
  server: Beanstalkd,
  samples: Samples,
  { rounds, sliceMs }: Effort,
): Promise<void> {
  const { size, inFlight, firstJobs, mostJobs } = work;
  const payloads = new Payloads(size);
  const counts = new Map<string, number>();
  const outOfTaking = new Set<string>();

  async function put(contender: Contender<JobClient>, jobs: number, limitMs?: number): Promise<Measured | undefined> {
    try {
      return await contender.call('put', [jobs, inFlight], limitMs);
    } catch (error) {
      samples.disqualify(work.put, contender.name, (error as Error).message);
      return undefined;
    }
  }

  async function take(contender: Contender<JobClient>, jobs: number, limitMs?: number): Promise<Measured | undefined> {
    try {
      const figure = await contender.call('reserveAndDelete', [jobs, inFlight], limitMs);
      if (figure.intact !== false) return figure;
      samples.disqualify(work.take, contender.name, 'returned wrong bytes');
    } catch (error) {
      samples.disqualify(work.take, contender.name, (error as Error).message);
    }
    outOfTaking.add(contender.name);
    return undefined;
  }

  /** Warms it up, sees that its puts arrive as they are, and finds out how many jobs fill its slice. */
  async function tryOut(contender: Contender<JobClient>): Promise<void> {
    const jobs = countFor(firstJobs, 1000, inFlight);
    const arrived = await put(contender, jobs, FIRST_TRY_MS);
    await server.drain(payloads);
    if (arrived === undefined) return;
    if (!payloads.verdict(jobs)) return samples.disqualify(work.put, contender.name, 'put wrong bytes');
    const took = (await put(contender, jobs)) && (await take(contender, jobs, FIRST_TRY_MS));
    await server.drain();
    const perSecond = jobs / (Math.max(arrived.ms, took?.ms ?? 0) / 1000);
    counts.set(contender.name, countFor(perSecond, sliceMs, inFlight, mostJobs));
    await turn(contender, false);
  }

  async function turn(contender: Contender<JobClient>, isCounted: boolean): Promise<void> {
    const jobs = counts.get(contender.name);
    if (jobs === undefined) return;
    const figure = await put(contender, jobs);
    if (figure === undefined) counts.delete(contender.name);
    else if (isCounted) samples.add(work.put, contender.name, figure);
    if (!outOfTaking.has(contender.name)) {
      const taken = await take(contender, jobs);
      if (taken && isCounted) samples.add(work.take, contender.name, taken);
    }
    await server.drain();
  }

  for (const contender of contenders) await tryOut(contender);
  await interleave(contenders, rounds, (contender) => turn(contender, true));
}
