import { requirePeer } from '../harness/peers.js';
import { type JobClient, type JobClientOptions, promiseLoops } from './job-client.js';

interface Job {
  readonly id: string;
  readonly payload: Buffer;
}

interface Jackd {
  connect(options: { host: string; port: number }): Promise<unknown>;
  put(body: string, options: { priority: number; ttr: number }): Promise<string>;
  reserve(): Promise<Job>;
  delete(id: string): Promise<void>;
}

export async function open({ port, size }: JobClientOptions): Promise<JobClient> {
  const Client = requirePeer('jackd') as new () => Jackd;
  const client = new Client();
  await client.connect({ host: '127.0.0.1', port });
  // It writes a Buffer as JSON, so its bodies are text, which is made only once for each.
  const texts = new Map<Buffer, string>();
  const textOf = (body: Buffer): string => {
    const text = texts.get(body) ?? body.toString('latin1');
    texts.set(body, text);
    return text;
  };
  return promiseLoops<Job>(
    {
      put: (body) => client.put(textOf(body), { priority: 1024, ttr: 60 }),
      reserve: () => client.reserve(),
      bodyOf: (job) => job.payload,
      delete: (job) => client.delete(job.id),
    },
    size,
  );
}
