import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openPostgres } from '../../src/drivers/postgres/driver.js';
import { openSqlite } from '../../src/drivers/sqlite/driver.js';
import type { Driver } from '../../src/queue/driver.js';
import { type PostgresServer, startPostgres } from './postgres-server.js';
import { onOwnQueues, onSharedQueues, type Queues } from './queues.js';

/** An engine that several processes can work on, for the tests of one `describe`. Drivers are closed after each test. */
export interface Engine {
  /** By which other processes open it. */
  readonly url: string;
  /** Not `openDriver`: what that imports late is loaded a second time by tsx under mocha. */
  open(): Promise<Driver>;
  /** The name of a queue that nobody else has. */
  queueName(): string;
  /** Waits until leases of `ttrMs` that nobody renews meanwhile have ended. */
  passLease(ttrMs: number): Promise<void>;
}

type OnEngine = (options?: { alone: boolean }) => Engine;

const ALL: Readonly<Record<string, OnEngine>> = {
  beanstalkd: ({ alone } = { alone: false }) => onBeanstalkd(alone ? onOwnQueues() : onSharedQueues()),
  sqlite: onSqlite,
  postgres: onPostgres,
};

/** Set but empty is how a shell or a CI system says unset. */
const NAMES = (process.env['HARICOT_TEST_ENGINES'] || 'beanstalkd,sqlite').split(',');

/**
 * What promises are kept on; `HARICOT_TEST_ENGINES` names others. `alone`: for a test that lets leases end, where that needs a
 * server of its own.
 */
export const ENGINES: Readonly<Record<string, OnEngine>> = Object.fromEntries(
  NAMES.map((name) => [name, engineOf(name)]),
);

function engineOf(name: string): OnEngine {
  const engine = ALL[name];
  if (engine) return engine;
  throw new Error(`HARICOT_TEST_ENGINES must name some of ${Object.keys(ALL).join(', ')}, got ${JSON.stringify(name)}`);
}

export function onBeanstalkd(queues: Queues): Engine {
  return {
    get url() {
      return queues.fixture.server.url;
    },
    open: async () => queues.open(),
    queueName: () => queues.name(),
    passLease: async (ttrMs) => {
      // While it runs it may miss the end of a TTR (protocol-notes).
      await queues.fixture.server.pause();
      await sleep(ttrMs + 100);
      await queues.fixture.server.resume();
    },
  };
}

/** A file for each test. */
function onSqlite(): Engine {
  const drivers = new Set<Driver>();
  let folder = '';
  let queues = 0;
  const url = (): string => `sqlite:${join(folder, 'haricot.db')}`;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-'));
  });
  afterEach(async () => {
    await Promise.all([...drivers].map((driver) => driver.close()));
    drivers.clear();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    get url() {
      return url();
    },
    async open() {
      const driver = await openSqlite(url(), { prefix: '' });
      drivers.add(driver);
      return driver;
    },
    queueName: () => `queue-${++queues}`,
    passLease: (ttrMs) => sleep(ttrMs + 100),
  };
}

/** One server for the tests of a `describe`, a database for each test. */
function onPostgres(): Engine {
  const drivers = new Set<Driver>();
  let server: PostgresServer;
  let queues = 0;
  let url = '';
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());
  beforeEach(async () => {
    const database = `test_${++queues}`;
    const client = new pg.Client(server.url);
    await client.connect();
    await client.query(`CREATE DATABASE ${database}`);
    await client.end();
    url = Object.assign(new URL(server.url), { pathname: `/${database}` }).href;
  });
  afterEach(async () => {
    await Promise.all([...drivers].map((driver) => driver.close()));
    drivers.clear();
  });
  return {
    get url() {
      return url;
    },
    async open() {
      const driver = await openPostgres(url, { prefix: '' });
      drivers.add(driver);
      return driver;
    },
    queueName: () => `queue-${++queues}`,
    passLease: (ttrMs) => sleep(ttrMs + 100),
  };
}
