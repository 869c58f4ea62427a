import { requirePeer } from '../harness/peers.js';
import { type JobClient, type JobClientOptions, promiseLoops } from './job-client.js';

type Job = readonly [id: string, body: Buffer];

interface Beanstalkd {
  connect(): Promise<unknown>;
  put(priority: number, delay: number, ttr: number, body: Buffer): Promise<string>;
  reserve(): Promise<Job>;
  destroy(id: string): Promise<unknown>;
}

export async function open({ port, size }: JobClientOptions): Promise<JobClient> {
  const { default: Client } = requirePeer('beanstalkd') as { default: new (host: string, port: number) => Beanstalkd };
  const client = new Client('127.0.0.1', port);
  await client.connect();
  return promiseLoops<Job>(
    {
      put: (body) => client.put(1024, 0, 60, body),
      reserve: () => client.reserve(),
      bodyOf: ([, body]) => body,
      delete: ([id]) => client.destroy(id),
    },
    size,
  );
}
