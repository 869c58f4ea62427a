import { Client } from '../src/client/client.js';
import type { Contender } from './contender.js';

export async function connectHaricot(port: number, body: Buffer): Promise<Contender> {
  const client = await Client.connect({ host: '127.0.0.1', port });

  return {
    name: 'haricot',
    async put(jobs, inFlight) {
      let left = jobs;
      const putting = async (): Promise<void> => {
        while (left-- > 0) await client.put(body);
      };
      await Promise.all(Array.from({ length: inFlight }, putting));
    },

    async reserveAndDelete(jobs, inFlight) {
      for (let done = 0; done < jobs; done += inFlight) {
        const batch = Math.min(inFlight, jobs - done);
        const reserved = await Promise.all(Array.from({ length: batch }, () => client.reserve()));
        await Promise.all(
          reserved.map((job) => {
            // The body of every job that is counted has truly arrived.
            if (job?.body.length !== body.length) throw new Error(`job ${job?.id} came back with a wrong body`);
            return job.delete();
          }),
        );
      }
    },

    close: () => client.destroy(),
  };
}
