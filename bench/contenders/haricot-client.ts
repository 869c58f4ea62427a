import type { Job } from '../../src/client/job.js';
import { loadClient } from '../harness/package.js';
import { type JobClient, type JobClientOptions, promiseLoops } from './job-client.js';

export async function open({ port, size }: JobClientOptions): Promise<JobClient> {
  const { Client } = await loadClient();
  const client = await Client.connect({ host: '127.0.0.1', port });
  return promiseLoops<Job>(
    {
      put: (body) => client.put(body),
      // Without a timeout it is never null.
      reserve: () => client.reserve() as Promise<Job>,
      bodyOf: (job) => job.body,
      delete: (job) => job.delete(),
    },
    size,
  );
}
