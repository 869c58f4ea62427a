import type { Context } from 'mocha';
import { prepareServers, stopAllServers } from './server.js';

/** Once, before the processes that run the tests: they find what it has installed or built. */
export async function mochaGlobalSetup(): Promise<void> {
  // Where there is no server, the tests that need one say so; others need not fail for it.
  await prepareServers().catch(() => {});
}

export const mochaHooks = {
  async beforeAll(this: Context): Promise<void> {
    this.timeout('10m');
    await prepareServers().catch(() => {});
  },
  async afterAll(): Promise<void> {
    await stopAllServers();
  },
};
