import { findOnPath } from '../../integration/support/process-server.js';
import { startServer, type TestServer } from '../../integration/support/server.js';
import type { Client } from '../../src/client/client.js';
import { loadClient } from './package.js';
import type { Payloads } from './payloads.js';

/** A beanstalkd for one workload, with a connection that looks after it and is never measured. */
export class Beanstalkd {
  readonly #server: TestServer;
  readonly control: Client;

  private constructor(server: TestServer, control: Client) {
    this.#server = server;
    this.control = control;
  }

  static async start(flags: readonly string[] = []): Promise<Beanstalkd> {
    // Not in a container where it need not be: the engine's port forwarder would be measured with it.
    if (findOnPath() !== undefined) process.env['HARICOT_TEST_SERVER'] ??= 'binary';
    const server = await startServer({ control: true, flags });
    const { Client } = await loadClient();
    return new Beanstalkd(server, await Client.connect(server.url, { maxBodyBytes: 1024 ** 3 }));
  }

  get port(): number {
    return this.#server.port;
  }

  get url(): string {
    return this.#server.url;
  }

  /** Takes what somebody has left: the next one must find it empty. Shows the bodies of the default tube to `payloads`. */
  async drain(payloads?: Payloads): Promise<void> {
    for (;;) {
      const { currentJobsReady, currentJobsReserved, currentJobsDelayed, currentJobsBuried } =
        await this.control.stats();
      if (currentJobsReady + currentJobsReserved + currentJobsDelayed + currentJobsBuried === 0) return;
      for (const tube of await this.control.listTubes()) await this.#drainTube(tube, payloads);
    }
  }

  async #drainTube(tube: string, payloads: Payloads | undefined): Promise<void> {
    const { control } = this;
    await control.pauseTube(tube, 0);
    if (tube !== 'default') await control.watch(tube);
    for (let left = true; left; ) {
      const jobs = await Promise.all(Array.from({ length: 100 }, () => control.reserve({ timeout: 0 })));
      left = !jobs.includes(null);
      await Promise.all(
        jobs.map((job) => {
          if (job && tube === 'default') payloads?.see(job.body);
          return job?.delete();
        }),
      );
    }
    if (tube !== 'default') await control.ignore(tube);
  }

  async version(): Promise<string> {
    return (await this.control.stats()).version;
  }

  async stop(): Promise<void> {
    this.control.destroy();
    await this.#server.stop();
  }
}
