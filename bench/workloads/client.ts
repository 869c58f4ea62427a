// Puts, and reserve then delete, down one connection with jobs of 100 bytes.
import { Beanstalkd } from '../harness/beanstalkd.js';
import { aheadOfPeers, atLeastOfFloor, type Result, Samples } from '../harness/report.js';
import type { Setting } from '../harness/workload.js';
import { jobClientNames, jobClients, runJobWork, warmUp } from './job-row.js';

const SIZE = 100;
const IN_FLIGHT = [1, 10, 100, 1000];

const put = (inFlight: number): string => `put, ${inFlight} in flight`;
const take = (inFlight: number): string => `reserve+delete, ${inFlight} in flight`;
const WORKS = [...IN_FLIGHT.map(put), ...IN_FLIGHT.map(take)];

export async function run({ effort, hasPeers }: Setting): Promise<Result> {
  const names = jobClientNames(hasPeers);
  const samples = new Samples(WORKS, names);
  const server = await Beanstalkd.start();
  const contenders = jobClients(names, server.port, SIZE);
  try {
    await warmUp(contenders, server);
    for (const inFlight of IN_FLIGHT) {
      const work = {
        put: put(inFlight),
        take: take(inFlight),
        size: SIZE,
        inFlight,
        firstJobs: 2000,
        mostJobs: 50_000,
      };
      await runJobWork(work, contenders, server, samples, effort);
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
    await server.stop();
  }

  const rows = samples.rows(() => ['jobs/s', 1]);
  return {
    title: `client: jobs of ${SIZE} bytes down one connection`,
    rows,
    goals: [
      atLeastOfFloor(rows, put(1), 0.9),
      atLeastOfFloor(rows, put(100), 0.95),
      atLeastOfFloor(rows, put(1000), 0.9),
      atLeastOfFloor(rows, take(1), 0.9),
      atLeastOfFloor(rows, take(100), 0.85),
      ...(hasPeers ? WORKS.map((work) => aheadOfPeers(samples, work, names.slice(2))) : []),
    ],
  };
}
