import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './network.js';
import { canApt, findOnPath } from './process-server.js';

/** A PostgreSQL server for tests. */
export interface PostgresServer {
  readonly url: string;
  /** A server that was named cannot be killed. */
  readonly isOwn: boolean;
  /** Ends it without warning; what was committed is kept. */
  kill(): Promise<void>;
  /** Starts it again after `kill`. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
/** Where Debian has the programs of each version. */
const DEBIAN = '/usr/lib/postgresql';
const LONGEST_START_MS = 60_000;

/**
 * Starts a server: the one that HARICOT_POSTGRES_URL names; the newest installed one, as a process; one that apt-get installs.
 * `HARICOT_TEST_POSTGRES` names a version, or the folder of the programs.
 * @throws where there is no way to one
 */
export async function startPostgres(): Promise<PostgresServer> {
  // Set but empty is how a shell or a CI system says unset.
  const { HARICOT_POSTGRES_URL: url = '' } = process.env;
  if (url !== '') return named(url);
  return launch(programs() ?? installed());
}

function named(url: string): PostgresServer {
  const refuse = async (): Promise<void> => {
    throw new Error('This test kills its server: unset HARICOT_POSTGRES_URL, which names one that others may use.');
  };
  return { url, isOwn: false, kill: refuse, restart: refuse, stop: async () => {} };
}

/** The folder of initdb and postgres, where they are installed. */
function programs(): string | undefined {
  const { HARICOT_TEST_POSTGRES: wanted = '' } = process.env;
  if (wanted !== '') {
    const folder = wanted.includes('/') ? wanted : join(DEBIAN, wanted, 'bin');
    if (existsSync(join(folder, 'initdb'))) return folder;
    throw new Error(`HARICOT_TEST_POSTGRES: there is no initdb in ${folder}.`);
  }
  const onPath = findOnPath('initdb');
  if (onPath !== undefined) return join(onPath, '..');
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const [newest] = versions
    .filter((version) => existsSync(join(DEBIAN, version, 'bin', 'initdb')))
    .toSorted((one, other) => Number(other) - Number(one));
  return newest === undefined ? undefined : join(DEBIAN, newest, 'bin');
}

function installed(): string {
  const { HARICOT_TEST_INSTALL: install = '' } = process.env;
  if (install === 'no' || !canApt()) {
    throw new Error(
      'No PostgreSQL for the tests: set HARICOT_POSTGRES_URL to a database whose user may create schemas, install PostgreSQL, or run the tests as root on Debian or Ubuntu without HARICOT_TEST_INSTALL=no, where apt-get installs it.',
    );
  }
  console.error('haricot: apt-get installs postgresql');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (...args: string[]): unknown => execFileSync('apt-get', args, { env, stdio: 'ignore' });
  run('update');
  run('install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', 'postgresql');
  const folder = programs();
  if (folder === undefined) throw new Error('apt-get installed postgresql, but its initdb is not found.');
  return folder;
}

/** The server refuses to run as root. */
function user(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function launch(folder: string): Promise<PostgresServer> {
  const as = user();
  const directory = mkdtempSync(join(tmpdir(), 'haricot-postgres-'));
  if (as) chownSync(directory, as.uid, as.gid);
  const data = join(directory, 'data');
  const options = { ...as, cwd: directory, stdio: 'ignore' as const };
  execFileSync(
    join(folder, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8'],
    options,
  );
  const port = await freePort();
  const url = `postgres://postgres@${HOST}:${port}/postgres`;
  const settings = [`listen_addresses=${HOST}`, 'fsync=off', 'max_connections=200'].flatMap((each) => ['-c', each]);
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(
      join(folder, 'postgres'),
      ['-D', data, '-p', String(port), '-k', directory, ...settings],
      options,
    );
    await untilAnswers(url, child);
    return child;
  };
  let child = await start();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  };
  const onExit = (): void => {
    child.kill('SIGQUIT');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  return {
    url,
    isOwn: true,
    // As after a crash: it ends all connections at once and recovers from its log when it is started again.
    kill: () => end('SIGQUIT'),
    async restart() {
      await end('SIGQUIT');
      child = await start();
    },
    async stop() {
      await end('SIGQUIT');
      process.off('exit', onExit);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function untilAnswers(url: string, child: ChildProcess): Promise<void> {
  for (const deadline = performance.now() + LONGEST_START_MS; ; ) {
    const client = new pg.Client(url);
    client.on('error', () => {});
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode} when it was started`);
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
