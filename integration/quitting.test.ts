import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Client, Pool } from '../src/client/index.js';
import { onSharedServer } from './support/fixture.js';
import { until } from './support/until.js';

describe('an orderly end', () => {
  const fixture = onSharedServer();

  /** Reserves, works and deletes until there is nothing more to reserve. */
  async function consume(client: Client, done: string[], workMs: () => number): Promise<void> {
    for (let job = await client.reserve(); job !== null; job = await client.reserve()) {
      done.push(job.id);
      const ms = workMs();
      if (ms > 0) await sleep(ms);
      await job.delete();
      if (!client.isOpen) return;
    }
  }

  it('by quit hands out no job that nobody could settle, and leaves it to others', async () => {
    const tube = fixture.tube();
    const producer = await fixture.connectTo(tube);
    for (let round = 0; round < 30; round++) {
      const client = await fixture.connectTo(tube);
      const reserved = client.reserve();
      const [id] = await Promise.all([producer.put(''), client.quit()]);
      const job = await reserved;
      expect(job).to.equal(null);
      const taken = (await producer.reserve({ timeout: 1 })) ?? expect.fail('the job is lost');
      expect(taken.id).to.equal(id);
      await taken.delete();
    }
  });

  it('of loops that reserve, work and delete does each job exactly once', async () => {
    const tube = fixture.tube();
    const producer = await fixture.connectTo(tube);
    const done: string[] = [];
    const put: string[] = [];
    for (let round = 0; round < 60; round++) {
      put.push(...(await Promise.all([producer.put(''), producer.put(''), producer.put('')])));
      const client = await fixture.connectTo(tube);
      const loops = [0, 1].map(() => consume(client, done, () => Math.floor(Math.random() * 3)));
      await sleep(Math.random() * 6);
      await client.quit();
      await Promise.all(loops);
    }
    for (let job = await producer.reserve({ timeout: 0 }); job !== null; job = await producer.reserve({ timeout: 0 })) {
      done.push(job.id);
      await job.delete();
    }
    expect(done.map(Number).sort((a, b) => a - b)).to.deep.equal(put.map(Number).sort((a, b) => a - b));
  });

  it('of a pool that drains does so too: borrowers are given no further job', async () => {
    const tube = fixture.tube();
    const producer = await fixture.connectTo(tube);
    const done: string[] = [];
    const put: string[] = [];
    for (let round = 0; round < 10; round++) {
      put.push(...(await Promise.all([producer.put(''), producer.put(''), producer.put('')])));
      const pool = new Pool({ url: fixture.server.url, max: 2 });
      const loops = [0, 1].map(() =>
        pool.use(async (client) => {
          await Promise.all([client.watch(tube), client.ignore('default')]);
          await consume(client, done, () => Math.floor(Math.random() * 3));
        }),
      );
      await until('both are borrowed', async () => pool.borrowed === 2);
      await sleep(Math.random() * 6);
      await pool.drain();
      await Promise.all(loops);
    }
    for (let job = await producer.reserve({ timeout: 1 }); job !== null; job = await producer.reserve({ timeout: 1 })) {
      done.push(job.id);
      await job.delete();
    }
    expect(done.map(Number).sort((a, b) => a - b)).to.deep.equal(put.map(Number).sort((a, b) => a - b));
  });

  it('gives back at quitTimeoutMs what is not settled by then', async () => {
    const tube = fixture.tube();
    const producer = await fixture.connectTo(tube);
    const client = await fixture.connectTo(tube, { quitTimeoutMs: 100 });
    const id = await producer.put('');
    await client.reserve();
    await client.quit();
    await until('the job is ready', async () => (await producer.statsJob(id))?.state === 'ready');
  });
});
