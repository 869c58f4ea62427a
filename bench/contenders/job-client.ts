// What every client of beanstalkd is asked to do, and the loops of those whose calls answer with promises.
import { type Measured, measure, type OffTheClock } from '../harness/measure.js';
import { Payloads } from '../harness/payloads.js';

export interface JobClientOptions {
  readonly port: number;
  /** Of a body, in bytes. */
  readonly size: number;
}

/** All in the tube `default`. */
export type JobClient = {
  /** Puts so many jobs, with so many commands unanswered at any time. */
  put(jobs: number, inFlight: number): Promise<Measured>;
  /** Reserves and deletes the jobs that were put last, in batches of `inFlight`. */
  reserveAndDelete(jobs: number, inFlight: number): Promise<Measured>;
};

export interface PromiseClient<Job> {
  put(body: Buffer): Promise<unknown>;
  reserve(): Promise<Job>;
  bodyOf(job: Job): Uint8Array;
  delete(job: Job): Promise<unknown>;
}

export function promiseLoops<Job>(client: PromiseClient<Job>, size: number): JobClient {
  const payloads = new Payloads(size);

  async function putAll(jobs: number, inFlight: number): Promise<void> {
    let next = 0;
    const putting = async (): Promise<void> => {
      while (next < jobs) await client.put(payloads.body(next++));
    };
    await Promise.all(Array.from({ length: inFlight }, putting));
  }

  async function takeAll(jobs: number, inFlight: number, offTheClock: OffTheClock): Promise<void> {
    for (let left = jobs; left > 0; left -= inFlight) {
      const batch = Math.min(inFlight, left);
      const reserved = await Promise.all(Array.from({ length: batch }, () => client.reserve()));
      await Promise.all(
        reserved.map((job) => {
          payloads.see(client.bodyOf(job));
          return client.delete(job);
        }),
      );
      payloads.pause(offTheClock);
    }
  }

  return {
    put: (jobs, inFlight) => measure(jobs, () => putAll(jobs, inFlight)),
    async reserveAndDelete(jobs, inFlight) {
      const measured = await measure(jobs, (offTheClock) => takeAll(jobs, inFlight, offTheClock));
      return { ...measured, intact: payloads.verdict(jobs) };
    },
  };
}
