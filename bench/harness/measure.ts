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

/** Times `work`, which does `count` things. */
export async function measure(count: number, work: () => Promise<unknown>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return { count, ms, cpuUs: user + system };
}

export function perSecond({ count, ms }: Measured): number {
  return (count / ms) * 1000;
}
