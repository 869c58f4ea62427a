import { requirePeer } from '../harness/peers.js';
import { type JobClient, type JobClientOptions, promiseLoops } from './job-client.js';

interface Job {
  readonly id: number;
  readonly payload: Buffer;
}

interface NodeBeanstalk {
  connect(): Promise<void>;
  put(body: Buffer, ttr: number, priority: number): Promise<unknown>;
  reserve(): Promise<Job>;
  delete(id: number): Promise<boolean>;
}

interface Options {
  readonly host: string;
  readonly port: number;
  readonly maxPayloadSize: number;
  readonly serializer: { serialize(body: Buffer): Buffer; deserialize(body: Buffer): Buffer };
}

export async function open({ port, size }: JobClientOptions): Promise<JobClient> {
  const { Client } = requirePeer('node-beanstalk') as { Client: new (options: Options) => NodeBeanstalk };
  const client = new Client({
    host: '127.0.0.1',
    port,
    maxPayloadSize: 1024 ** 3,
    // Bytes, as everybody else: its own would write JSON.
    serializer: { serialize: (body) => body, deserialize: (body) => body },
  });
  await client.connect();
  return promiseLoops<Job>(
    {
      put: (body) => client.put(body, 60, 1024),
      reserve: () => client.reserve(),
      bodyOf: (job) => job.payload,
      delete: (job) => client.delete(job.id),
    },
    size,
  );
}
