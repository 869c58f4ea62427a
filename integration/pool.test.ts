import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import {
  type Client,
  ClosedError,
  ConnectionLostError,
  ConnectTimeoutError,
  Pool,
  type PoolOptions,
} from '../src/client/index.js';
import { onOwnServer, onSharedServer } from './support/fixture.js';
import { ProcessWatch } from './support/process-watch.js';
import { rejects } from './support/rejects.js';
import { completes, until } from './support/until.js';

const pools: Pool[] = [];

function open(url: string, options: PoolOptions = {}): Pool {
  const pool = new Pool(url, { drainTimeoutMs: 0, ...options });
  pools.push(pool);
  return pool;
}

/** How many connections the server has, the one that asks included. */
async function connections(witness: Client): Promise<number> {
  return (await witness.stats()).currentConnections;
}

describe('a pool', () => {
  const fixture = onSharedServer();

  afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.drain())));

  it('serves 1,000 callers at once with ten connections, and each gets its own answers', async () => {
    const pool = open(fixture.server.url, { max: 10, acquireTimeoutMs: 120_000 });
    const tubes = Array.from({ length: 7 }, () => fixture.tube());
    using watch = new ProcessWatch();
    const ids = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        pool.use(async (client) => {
          expect(pool.size).to.be.at.most(10);
          const tube = tubes[i % 7] ?? '';
          await client.use(tube);
          const id = await client.put(`job ${i}`);
          const stored = await client.peek(id);
          expect(stored?.text()).to.equal(`job ${i}`);
          expect((await client.statsJob(id))?.tube).to.equal(tube);
          return id;
        }),
      ),
    );
    expect(new Set(ids).size).to.equal(1000);
    expect(pool).to.include({ size: 10, available: 10, pending: 0, borrowed: 0 });
    await pool.use(async (client) => Promise.all(ids.map((id) => client.delete(id))));
    expect(watch.complaints).to.deep.equal([]);
  });

  it('lends each connection with the tubes of a new one', async () => {
    const pool = open(fixture.server.url, { max: 1 });
    const [first, second] = [fixture.tube(), fixture.tube()];
    await pool.use(async (client) => {
      await client.use(first);
      await client.watch(second);
      await client.watch(first);
      await client.ignore('default');
      // Nobody waits for these.
      void client.watch(fixture.tube());
      void client.use(second);
    });
    await pool.use(async (client) => {
      expect(await client.listTubeUsed()).to.equal('default');
      expect(await client.listTubesWatched()).to.deep.equal(['default']);
    });
    expect(pool.size).to.equal(1);
  });

  it('closes a connection that holds a job, which is free at once, and one whose reserve waits', async () => {
    const pool = open(fixture.server.url, { max: 1 });
    const tube = fixture.tube();
    const witness = await fixture.connectTo(tube);
    const id = await witness.put('x');
    const job = await pool.use(async (client) => {
      await client.watch(tube);
      return client.reserve({ timeout: 0 });
    });
    expect(job?.id).to.equal(id);
    await rejects(job?.delete() ?? Promise.resolve(), ClosedError);
    const again = await witness.reserve({ timeout: 60 });
    expect(again?.id).to.equal(id);
    await again?.delete();
    const waiting = await pool.use(async (client) => {
      await client.watch(tube);
      return { reserved: client.reserve().catch((error: unknown) => error) };
    });
    expect(await waiting.reserved).to.be.instanceOf(ClosedError);
    await witness.put('y');
    expect((await witness.reserve({ timeout: 60 }))?.text()).to.equal('y');
  });

  it('says of a borrower that leaks that all clients are borrowed', async () => {
    const pool = open(fixture.server.url, { max: 2, acquireTimeoutMs: 1000 });
    await pool.acquire();
    await pool.acquire();
    const error = await rejects(pool.acquire(), ConnectTimeoutError);
    expect(error.message).to.equal(
      'cannot lend a client within 1000 ms: 2 of 2 clients are borrowed; is one never released?',
    );
  });

  it('gives back what a borrower that throws has had, though a command of its is still out', async () => {
    const pool = open(fixture.server.url, { max: 1 });
    const failure = new Error('at work');
    const failed = pool.use(async (client) => {
      void client.watch(fixture.tube());
      throw failure;
    });
    expect(await rejects(failed, Error)).to.equal(failure);
    expect(await pool.use((client) => client.listTubesWatched())).to.deep.equal(['default']);
    expect(pool.size).to.equal(1);
  });

  it('gives up waiting when its signal says so, and loses no connection by that', async () => {
    const pool = open(fixture.server.url, { max: 2 });
    for (let round = 0; round < 50; round++) {
      const cancelling = new AbortController();
      const calls = Array.from({ length: 6 }, (_, i) =>
        pool.use((client) => client.listTubeUsed(), { signal: i % 2 ? cancelling.signal : undefined }),
      );
      setTimeout(() => cancelling.abort(), round / 10);
      const results = await Promise.allSettled(calls);
      for (const i of [0, 2, 4]) expect(results[i]).to.deep.equal({ status: 'fulfilled', value: 'default' });
    }
    expect(pool).to.include({ pending: 0, borrowed: 0 });
    expect(pool.size).to.equal(2);
    await until('both are there', async () => pool.available === 2);
  });
});

describe('a pool whose server', () => {
  const fixture = onOwnServer();

  afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.drain())));

  it('is its alone is left by what the pool does not need, and by all when it is drained', async () => {
    const pool = open(fixture.server.url, { min: 1, max: 5, idleTimeoutMs: 50 });
    const witness = await fixture.connect();
    const clients = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
    await until('all are there', async () => (await connections(witness)) === 6);
    await Promise.all(clients.map((client) => pool.release(client)));
    await until('one is left', async () => (await connections(witness)) === 2);
    await pool.drain();
    await until('none is left', async () => (await connections(witness)) === 1);
  });

  it('comes up late lends as soon as it is there', async () => {
    await fixture.server.kill();
    const pool = open(fixture.server.url, { max: 2 });
    const puts = Array.from({ length: 5 }, (_, i) => pool.use((client) => client.put(`${i}`)));
    await until('it waits', async () => pool.pending === 5);
    await fixture.server.restart();
    expect(new Set(await Promise.all(puts)).size).to.equal(5);
  });

  it('stays away tells so with the cause, and tries again later', async () => {
    await fixture.server.kill();
    const pool = open(fixture.server.url, { acquireTimeoutMs: 1500 });
    const error = await rejects(pool.acquire(), ConnectTimeoutError);
    expect(error.message).to.match(/^cannot lend a client within 1500 ms: cannot connect to .*ECONNREFUSED/);
    expect(error.cause).to.be.instanceOf(ConnectionLostError);
    await fixture.server.restart();
    await pool.use((client) => client.put('x'));
  });

  it('is restarted lends new connections for the lost ones, and none is asked for twice', async () => {
    const pool = open(fixture.server.url, { max: 3 });
    const clients = await Promise.all(Array.from({ length: 3 }, () => pool.acquire()));
    const [held, ...idle] = clients;
    await Promise.all(idle.map((client) => pool.release(client)));
    await fixture.server.restart();
    await until('the loss is noticed', async () => held?.isOpen === false);
    const results = await Promise.all(Array.from({ length: 20 }, () => pool.use((client) => client.put('x'))));
    expect(new Set(results).size).to.equal(20);
    if (held) await pool.release(held);
    expect(pool.size).to.be.at.most(3);
    expect(pool.borrowed).to.equal(0);
  });

  it('stands still does not keep it from being drained in time', async () => {
    const pool = open(fixture.server.url, { max: 2, drainTimeoutMs: 200 });
    const [leaked, returning] = [await pool.acquire(), await pool.acquire()];
    await returning.use('mail');
    await fixture.server.pause();
    try {
      const put = leaked.put('x').catch((error: unknown) => error);
      const released = pool.release(returning);
      const waiting = rejects(pool.acquire(), ClosedError);
      const start = performance.now();
      await completes('the end of the drain', pool.drain());
      expect(performance.now() - start).to.be.at.least(190);
      await Promise.all([released, waiting]);
      expect(await put).to.be.instanceOf(ClosedError);
      await rejects(pool.acquire(), ClosedError);
    } finally {
      await fixture.server.resume();
    }
  });

  for (const how of [
    'unused',
    'with-idle-connections',
    'with-a-leaked-client-that-holds-a-job',
    'with-callers-that-wait-for-a-free-client',
    'with-callers-that-wait-for-a-server',
  ]) {
    it(`lets the process end once it is drained ${how.replaceAll('-', ' ')}`, async () => {
      const script = fileURLToPath(new URL('fixtures/drained-pool.ts', import.meta.url));
      const child = spawn(process.execPath, ['--import', 'tsx', script, how, fixture.server.url], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, NODE_OPTIONS: '' },
      });
      try {
        const exit = once(child, 'exit');
        await completes('it is drained', once(child.stdout, 'data'));
        expect(await completes('its end', exit)).to.deep.equal([0, null]);
      } finally {
        child.kill('SIGKILL');
      }
    });
  }
});
