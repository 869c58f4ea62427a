// Its calls take callbacks, and so does its loop: a promise for each call would not be its own cost.
import { once } from 'node:events';
import { measure, type OffTheClock } from '../harness/measure.js';
import { Payloads } from '../harness/payloads.js';
import { requirePeer } from '../harness/peers.js';
import type { JobClient, JobClientOptions } from './job-client.js';

interface Fivebeans extends NodeJS.EventEmitter {
  connect(): void;
  put(priority: number, delay: number, ttr: number, body: Buffer, done: (error: unknown) => void): void;
  reserve(done: (error: unknown, id: string, body: Buffer) => void): void;
  destroy(id: string, done: (error: unknown) => void): void;
}

export async function open({ port, size }: JobClientOptions): Promise<JobClient> {
  const { client: Client } = requirePeer('fivebeans') as { client: new (host: string, port: number) => Fivebeans };
  const client = new Client('127.0.0.1', port);
  client.connect();
  await once(client, 'connect');
  const payloads = new Payloads(size);

  function putAll(jobs: number, inFlight: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let next = 0;
      let answered = 0;
      const put = (): void => client.put(1024, 0, 60, payloads.body(next++), onInserted);
      const onInserted = (error: unknown): void => {
        answered++;
        if (error) reject(error);
        else if (next < jobs) put();
        else if (answered === jobs) resolve();
      };
      while (next < Math.min(inFlight, jobs)) put();
    });
  }

  function takeAll(jobs: number, inFlight: number, offTheClock: OffTheClock): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = jobs;
      let deleted = 0;
      let batch = 0;
      let ids: string[] = [];
      const onReserved = (error: unknown, id: string, body: Buffer): void => {
        if (error) {
          reject(error);
          return;
        }
        payloads.see(body);
        ids.push(id);
        if (ids.length === batch) for (const reserved of ids) client.destroy(reserved, onDeleted);
      };
      const onDeleted = (error: unknown): void => {
        deleted++;
        if (error) reject(error);
        else if (deleted === batch) takeBatch();
      };
      const takeBatch = (): void => {
        payloads.pause(offTheClock);
        left -= batch;
        if (left <= 0) {
          resolve();
          return;
        }
        batch = Math.min(inFlight, left);
        deleted = 0;
        ids = [];
        for (let i = 0; i < batch; i++) client.reserve(onReserved);
      };
      takeBatch();
    });
  }

  return {
    put: (jobs, inFlight) => measure(jobs, () => putAll(jobs, inFlight)),
    async reserveAndDelete(jobs, inFlight) {
      const measured = await measure(jobs, (offTheClock) => takeAll(jobs, inFlight, offTheClock));
      return { ...measured, intact: payloads.verdict(jobs) };
    },
  };
}
