/** One contender at one work in one round. */
export interface Measured {
  /** What was done: jobs, messages, replies. */
  readonly count: number;
  readonly ms: number;
  /** User and system time of the contender's process, in microseconds. */
  readonly cpuUs: number;
  /** Whether the payloads came back as they were sent; undefined where nothing came back. */
  readonly intact?: boolean;
}

/** Runs `check` while the clock stands. Nothing may be under way meanwhile: it would be done for nothing. */
export type OffTheClock = (check: () => void) => void;

/** Times `work`, which does `count` things. */
export async function measure(count: number, work: (offTheClock: OffTheClock) => Promise<unknown>): Promise<Measured> {
  const measured = { count, ms: 0, cpuUs: 0 };
  let stop = startClock(measured);
  await work((check) => {
    stop();
    check();
    stop = startClock(measured);
  });
  stop();
  return measured;
}

/** @returns what stops it, and adds the time to `sum` */
function startClock(sum: { ms: number; cpuUs: number }): () => void {
  const cpu = process.cpuUsage();
  const began = performance.now();
  return () => {
    sum.ms += performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    sum.cpuUs += user + system;
  };
}

export function perSecond({ count, ms }: Measured): number {
  return (count / ms) * 1000;
}
