import type { Context } from 'mocha';
import { prepareServers, stopAllServers } from './server.js';

export const mochaHooks = {
  async beforeAll(this: Context): Promise<void> {
    this.timeout('10m');
    // Where there is no server, the tests that need one say so; others need not fail for it.
    await prepareServers().catch(() => {});
  },
  async afterAll(): Promise<void> {
    await stopAllServers();
  },
};
