import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import pg from 'pg';
import { loadPg } from '../../src/drivers/postgres/client.js';
import { Database } from '../../src/drivers/postgres/database.js';
import { openPostgres } from '../../src/drivers/postgres/driver.js';
import { PostgresStore } from '../../src/drivers/postgres/store.js';
import { parseUrl } from '../../src/drivers/postgres/url.js';
import { SqlDriver } from '../../src/drivers/sql/driver.js';
import { checkedDriver } from '../../src/queue/checked-driver.js';
import type { Consumer, Driver, PutItem } from '../../src/queue/driver.js';
import { EngineError } from '../../src/queue/errors.js';
import { type PostgresServer, startPostgres } from '../support/postgres-server.js';
import { rejects } from '../support/rejects.js';

const OPTIONS = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

describe('The PostgreSQL driver', () => {
  let server: PostgresServer;
  let queue: string;
  const drivers = new Set<Driver>();
  const clients = new Set<pg.Client>();

  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());

  beforeEach(() => {
    queue = `queue-${randomUUID()}`;
  });
  afterEach(async () => {
    await Promise.all([...drivers].map((driver) => driver.close()));
    drivers.clear();
    await Promise.all([...clients].map((client) => client.end()));
    clients.clear();
  });

  async function open(url = server.url): Promise<Driver> {
    const driver = checkedDriver(await openPostgres(url, { prefix: '' }));
    drivers.add(driver);
    return driver;
  }

  /** A driver that finds nothing by looking again: it must be told. */
  async function openWithoutPolls(): Promise<Driver> {
    const address = parseUrl(server.url);
    const store = new PostgresStore(new Database(await loadPg(), address), address);
    const driver = checkedDriver(new SqlDriver(Object.defineProperty(store, 'pollMs', { value: [3_600_000] }), ''));
    drivers.add(driver);
    return driver;
  }

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client(server.url);
    await client.connect();
    clients.add(client);
    return client;
  }

  const item = (body: string): PutItem => ({ queue, body: Buffer.from(body), options: OPTIONS });

  async function drain(consumer: Consumer, count: number): Promise<string[]> {
    const bodies: string[] = [];
    while (bodies.length < count) {
      const messages = await consumer.reserve({ max: 10 });
      bodies.push(...messages.map(({ body }) => body.toString()));
      const results = await consumer.settle(messages.map((message) => ({ kind: 'ack', message })));
      for (const { error } of results) expect(error).to.equal(undefined);
    }
    return bodies;
  }

  it('makes its tables once, though many drivers begin at the same time', async () => {
    const url = `${server.url}?schema=made_${randomUUID().slice(0, 8)}`;
    const many = await Promise.all(Array.from({ length: 8 }, () => open(url)));
    await Promise.all(many.map((driver) => driver.setUp(queue)));
    await Promise.all(many.map((driver) => driver.put([item('a')])));
    const [stats] = (await many[0]?.stats([queue])) ?? [];
    expect(stats).to.include({ ready: 8 });
  });

  it('takes the names of a schema and of queues for names, whatever is in them', async () => {
    const url = `${server.url}?schema=${encodeURIComponent(`a"b'; DROP TABLE x; -- $1`)}`;
    const driver = await open(url);
    queue = `it's/$1;(_)`.replaceAll("'", '.');
    await driver.put([item('a')]);
    const consumer = await driver.consume([queue]);
    const other = await open(url);
    const reserving = drain(consumer, 2);
    await other.put([item('b')]);
    expect(await reserving).to.deep.equal(['a', 'b']);
    expect(await driver.queues()).to.deep.equal([]);
  });

  it('is told of a message that another process has put, and need not look', async () => {
    const [driver, other] = [await openWithoutPolls(), await open()];
    const consumer = await driver.consume([queue]);
    const reserving = drain(consumer, 1);
    const client = await connect();
    await listener(client);
    await other.put([item('a')]);
    expect(await reserving).to.deep.equal(['a']);
  });

  it('is told of a message that was put in a transaction, when that commits', async () => {
    const driver = await openWithoutPolls();
    const consumer = await driver.consume([queue]);
    const reserving = drain(consumer, 1);
    const client = await connect();
    await listener(client);
    await client.query('BEGIN');
    await (await open()).put([item('a')], { transaction: client });
    await client.query('COMMIT');
    expect(await reserving).to.deep.equal(['a']);
  });

  it('is told again after the connection that listens was lost', async () => {
    const driver = await openWithoutPolls();
    const consumer = await driver.consume([queue]);
    const reserving = drain(consumer, 1);
    const client = await connect();
    const lost = await listener(client);
    await client.query('SELECT pg_terminate_backend($1)', [lost]);
    await listener(client, lost);
    await (await open()).put([item('a')]);
    expect(await reserving).to.deep.equal(['a']);
  });

  it('delivers each message though its connections are ended again and again, and fails with typed errors alone', async () => {
    const [driver, client] = [await open(), await connect()];
    const bodies = Array.from({ length: 2000 }, (_, n) => String(n));
    await driver.put(bodies.map(item));
    const consumer = await driver.consume([queue], { concurrency: 10 });
    const seen = new Set<string>();
    let failures = 0;
    let rounds = 0;
    while (seen.size < bodies.length) {
      if (++rounds % 20 === 0) {
        await client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
        );
      }
      try {
        const messages = await consumer.reserve({ max: 10, timeoutMs: 0 });
        const results = await consumer.settle(messages.map((message) => ({ kind: 'ack', message })));
        for (const [index, { error }] of results.entries()) {
          if (error) failures++;
          seen.add(messages[index]?.body.toString() ?? '');
        }
        // What was claimed by a connection that was lost comes back when its lease ends.
        if (messages.length === 0)
          await client.query(`UPDATE haricot.messages SET lease_until = '-infinity' WHERE lease_until > now()`);
      } catch (error) {
        failures++;
        expect(error).to.be.instanceOf(EngineError).and.include({ retryable: true });
      }
    }
    expect(failures).to.be.greaterThan(0);
    expect(seen.size).to.equal(bodies.length);
  });

  it('rejects while the server is gone, and goes on when it is back', async () => {
    const own = await startPostgres();
    if (!own.isOwn) return;
    try {
      const driver = await open(own.url);
      await driver.put([item('a')]);
      const consumer = await driver.consume([queue]);
      const [held] = await consumer.reserve();
      const waiting = rejects(consumer.reserve(), EngineError);
      await own.kill();
      expect(await rejects(driver.put([item('b')]), EngineError)).to.include({ retryable: true });
      expect(await waiting).to.include({ retryable: true });
      await own.restart();
      expect(held && (await consumer.settle([{ kind: 'ack', message: held }]))).to.deep.equal([{}]);
      await driver.put([item('c')]);
      expect((await drain(consumer, 1)).join()).to.match(/^[bc]$/);
    } finally {
      await Promise.all([...drivers].map((driver) => driver.close()));
      await own.stop();
    }
  });

  it('tries several hosts in turn, and says which one cannot be reached, without the password', async () => {
    const { port } = new URL(server.url);
    const several = await open(`postgres://postgres:s3cret@127.0.0.1:1,127.0.0.1:${port}/postgres`);
    await several.setUp(queue);
    const error = await rejects(
      (await open('postgres://postgres:s3cret@127.0.0.1:1/postgres')).setUp(queue),
      EngineError,
    );
    expect(error).to.include({ retryable: true, outcome: 'nothing' });
    expect(error.message).to.match(
      /^cannot connect to postgres:\/\/postgres:\*\*\*@127\.0\.0\.1:1\/postgres: connect ECONNREFUSED 127\.0\.0\.1:1$/,
    );
    expect(String((error.cause as Error).message) + error.stack).not.to.include('s3cret');
  });

  it('says what is wrong with the database and the rights', async () => {
    const { port } = new URL(server.url);
    const client = await connect();
    const role = `poor_${randomUUID().slice(0, 8)}`;
    await client.query(`CREATE ROLE ${role} LOGIN`);
    const none = await open(`postgres://postgres@127.0.0.1:${port}/nowhere`);
    expect((await rejects(none.setUp(queue), EngineError)).message).to.match(
      /"nowhere" does not exist \(3D000\); create the database first/,
    );
    const poor = await open(`postgres://${role}@127.0.0.1:${port}/postgres?schema=other`);
    expect((await rejects(poor.setUp(queue), EngineError)).message).to.match(/permission denied .* \(42501\)/);
  });

  it('needs no more rights than docs/postgres.md lists, where another user has made the tables', async () => {
    const client = await connect();
    const [role, schema] = ['role', 'schema'].map((what) => `${what}_${randomUUID().slice(0, 8)}`);
    await (await open(`${server.url}?schema=${schema}`)).setUp('other');
    const manual = await readFile(new URL('../../docs/postgres.md', import.meta.url), 'utf8');
    const grants = [...manual.matchAll(/^GRANT .* TO app;$/gm)].map(([grant]) => grant);
    expect(grants).to.have.length(3);
    await client.query(`CREATE ROLE ${role} LOGIN`);
    for (const grant of grants) {
      await client.query(grant.replaceAll('haricot', schema ?? '').replace(' TO app', ` TO ${role}`));
    }
    const driver = await open(`${server.url.replace('postgres@', `${role}@`)}?schema=${schema}`);
    const reserving = drain(await driver.consume([queue]), 1);
    await driver.put([item('a')]);
    expect(await reserving).to.deep.equal(['a']);
    await driver.pause(queue, 1000);
    await driver.flush(queue, ['ready', 'delayed', 'buried']);
    expect(await driver.queues()).to.deep.equal([queue]);
  });

  it('prepares nothing where the URL says so', async () => {
    const driver = await open(`${server.url}?prepare=false`);
    const reserving = drain(await driver.consume([queue]), 2);
    await driver.put([item('a'), item('b')]);
    expect(await reserving).to.deep.equal(['a', 'b']);
    const found = await driver.transaction?.((client) => client.query('SELECT name FROM pg_prepared_statements'));
    expect(found?.rows).to.deep.equal([]);
  });

  it('uses a pool of the application: it changes nothing of its connections, and does not end it', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 4 });
    try {
      const driver = checkedDriver(await openPostgres('postgres:?schema=pooled', { prefix: '', pool }));
      const reserving = drain(await driver.consume([queue]), 2);
      await driver.put([item('a')]);
      await driver.transaction?.((transaction) => driver.put([item('b')], { transaction }));
      expect(await reserving).to.deep.equal(['a', 'b']);
      await driver.close();
      const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
      for (const client of clients) {
        const { rows } = await client.query(
          `SELECT current_setting('enable_seqscan') AS setting, (SELECT count(*)::int FROM pg_prepared_statements) AS prepared,
             (SELECT count(*)::int FROM pg_listening_channels()) AS channels`,
        );
        expect(rows).to.deep.equal([{ setting: 'on', prepared: 0, channels: 0 }]);
        client.release();
      }
      for (const [url, given, why] of [
        [server.url, pool, /the URL must be "postgres:", with options at most, where a pool is given/],
        ['postgres:', {}, /pool must be a pool of pg, got an object/],
      ] as const) {
        expect((await rejects(openPostgres(url, { prefix: '', pool: given }), Error)).message).to.match(why);
      }
    } finally {
      await pool.end();
    }
  });

  it('leaves no lost connection in a pool of the application', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 4 });
    pool.on('error', () => {});
    const driver = checkedDriver(await openPostgres('postgres:', { prefix: '', pool }));
    const reserving = drain(await driver.consume([queue]), 1);
    const client = await connect();
    const lost = await listener(client);
    await client.query('SELECT pg_terminate_backend($1)', [lost]);
    await listener(client, lost);
    await driver.put([item('a')]);
    expect(await reserving).to.deep.equal(['a']);
    await driver.close();
    // Waits for each connection that it has given away.
    await pool.end();
  });

  describe('in a transaction of the user', () => {
    it('stores and acknowledges with it, or not at all', async () => {
      const [driver, client] = [await open(), await connect()];
      await driver.put([item('a')]);
      const consumer = await driver.consume([queue]);
      const [message] = await consumer.reserve();
      if (!message) throw new Error('there must be a message');
      for (const end of ['ROLLBACK', 'COMMIT']) {
        await client.query('BEGIN');
        const results = await consumer.settle([{ kind: 'ack', message, transaction: client }]);
        expect(results).to.deep.equal([{}]);
        await driver.put([item('b'), { ...item('c'), queue: `${queue}-new` }], { transaction: client });
        await client.query(end);
        expect(await consumer.isHeld?.(message)).to.equal(end === 'ROLLBACK');
      }
      const counts = (await driver.stats([queue, `${queue}-new`])).map((stats) => stats?.ready);
      expect(counts).to.deep.equal([1, 1]);
    });

    it('refuses what is none', async () => {
      const [driver, client] = [await open(), await connect()];
      const pool = new pg.Pool({ connectionString: server.url });
      await driver.setUp(queue);
      try {
        for (const [transaction, why] of [
          [client, /must be open, got a client without one; run BEGIN first/],
          [pool, /got a pool, which runs each statement on another connection/],
          [{}, /must be a client of pg, or have query\(sql, params\), got an object/],
        ] as const) {
          const error = await rejects(driver.put([item('a')], { transaction }), Error);
          expect(error.message).to.match(why);
        }
        await client.query('BEGIN');
        // The client knows of it when the next answer has come.
        for (const sql of ['SELECT 1 / 0', 'SELECT 1']) await client.query(sql).catch(() => {});
        const failed = await rejects(driver.put([item('a')], { transaction: client }), Error);
        expect(failed.message).to.match(/one in which a statement has failed; run ROLLBACK/);
      } finally {
        await pool.end();
      }
    });

    it('may be one of more than there are connections: the others wait, and leases are renewed meanwhile', async () => {
      const driver = await open(`${server.url}?poolSize=2`);
      await driver.put([item('a')]);
      const consumer = await driver.consume([queue]);
      const [message] = await consumer.reserve();
      if (!message || !driver.transaction) throw new Error('there must be a message, and transactions');
      let running = 0;
      let most = 0;
      const waiting: (() => void)[] = [];
      const work = async (): Promise<void> => {
        most = Math.max(most, ++running);
        if (waiting.length < 2) {
          await new Promise<void>((resolve) => {
            waiting.push(resolve);
            if (waiting.length === 2) consumer.touch([message]).then(renewed, renewed);
          });
        }
        running--;
      };
      const results: unknown[] = [];
      const renewed = (result: unknown): void => {
        results.push(result);
        for (const resolve of waiting) resolve();
      };
      await Promise.all(Array.from({ length: 6 }, () => driver.transaction?.(work)));
      expect([most, results]).to.deep.equal([2, [[{}]]]);
    });

    it('says that a commit was none where a statement had failed', async () => {
      const driver = await open();
      const outcome = driver.transaction?.(async (transaction) => {
        await driver.put([item('a')], { transaction });
        await transaction.query('SELECT 1 / 0').catch(() => {});
      });
      expect((await rejects(outcome ?? Promise.resolve(), EngineError)).message).to.match(/a statement had failed/);
      expect((await driver.stats([queue]))[0]?.ready ?? 0).to.equal(0);
    });
  });
});

/** Waits until a connection listens, another one than `before`, for somebody who waits. @returns its process */
async function listener(client: pg.Client, before = 0): Promise<number> {
  for (;;) {
    const { rows } = await client.query(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND state = 'idle' AND pid <> $1
         AND EXISTS (SELECT 1 FROM haricot.queues WHERE waiting_until > clock_timestamp())`,
      [before],
    );
    if (rows.length > 0) return rows[0].pid;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
