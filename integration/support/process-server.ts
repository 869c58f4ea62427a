import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, waitUntilAnswers } from './network.js';
import type { TestServer } from './server.js';

const host = '127.0.0.1';
/** What beanstalkd exits with when its port is busy. */
const PORT_BUSY = 111;

const children = new Set<ChildProcess>();
const directories = new Set<string>();

/** Ends all servers without waiting, for the moment when this process ends. */
export function endProcessServersNow(): void {
  for (const child of children) child.kill('SIGKILL');
  for (const directory of directories) removeDirectory(directory);
}

/** A beanstalkd that runs as a child of the test process. */
export async function startProcessServer(path: string, flags: readonly string[], binlog: boolean): Promise<TestServer> {
  const directory = binlog ? await mkdtemp(join(tmpdir(), 'haricot-binlog-')) : undefined;
  if (directory !== undefined) directories.add(directory);
  const allFlags = directory === undefined ? flags : [...flags, '-b', directory];
  try {
    const { port, child } = await launchOnFreePort(path, allFlags);
    return managed(path, allFlags, port, child, directory);
  } catch (error) {
    removeDirectory(directory);
    throw error;
  }
}

function removeDirectory(directory: string | undefined): void {
  if (directory === undefined) return;
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}

function managed(
  path: string,
  flags: readonly string[],
  port: number,
  firstChild: ChildProcess,
  directory: string | undefined,
): TestServer {
  let child = firstChild;
  let restarting: Promise<void> = Promise.resolve();
  const running = () => child.exitCode === null && child.signalCode === null;
  const signal = (name: NodeJS.Signals) => {
    if (!running()) throw new Error(`beanstalkd on port ${port} is not running`);
    child.kill(name);
  };
  const kill = () => killChild(child);
  const restart = async () => {
    await kill();
    child = await launch(path, flags, port);
  };
  return {
    url: `beanstalkd://${host}:${port}`,
    host,
    port,
    source: 'binary',
    kill,
    restart: () => {
      restarting = restart();
      return restarting;
    },
    pause: async () => signal('SIGSTOP'),
    resume: async () => signal('SIGCONT'),
    drain: async () => signal('SIGUSR1'),
    stop: async () => {
      // A test that ran out of time may have left a restart under way, with a new child to come.
      await restarting.catch(() => {});
      await kill();
      removeDirectory(directory);
    },
  };
}

async function launchOnFreePort(path: string, flags: readonly string[]) {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      return { port, child: await launch(path, flags, port) };
    } catch (error) {
      // Somebody may take the port between our look and the server's bind.
      if (attempt === 5 || !(error instanceof ServerExit) || error.code !== PORT_BUSY) throw error;
    }
  }
}

class ServerExit extends Error {
  readonly code: number | null;

  constructor(code: number | null, text: string) {
    super(text);
    this.code = code;
  }
}

async function launch(path: string, flags: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(path, ['-l', host, '-p', String(port), ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(child);
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    // A server out of descriptors complains without end.
    if (complaints.length < 10_000) complaints += text;
  });
  const ended = new AbortController();
  child.once('error', (error) => ended.abort(error));
  child.once('close', (code, name) => {
    children.delete(child);
    ended.abort(new ServerExit(code, `beanstalkd on port ${port} ended (${name ?? code}): ${complaints.trim()}`));
  });
  try {
    const pid = await waitUntilAnswers(host, port, () => ended.signal.throwIfAborted());
    // Where the port was taken first, that server may answer before our child has given up.
    if (pid !== child.pid) throw new ServerExit(PORT_BUSY, `process ${pid} has port ${port}`);
    return child;
  } catch (error) {
    await killChild(child);
    throw ended.signal.aborted ? ended.signal.reason : error;
  }
}

async function killChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** The path of the `beanstalkd` program, if there is one on the PATH. */
export function findOnPath(name = 'beanstalkd'): string | undefined {
  const { PATH = '' } = process.env;
  return PATH.split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether apt-get can install programs here: Debian or Ubuntu, as root. */
export function canApt(): boolean {
  if (process.getuid?.() !== 0 || findOnPath('apt-get') === undefined) return false;
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

/** The path of a beanstalkd of that version, from Debian's package, which is not installed. */
export async function unpackedServer(version: string): Promise<string> {
  const script = fileURLToPath(new URL('../../.ci/beanstalkd', import.meta.url));
  const { stdout } = await promisify(execFile)(script, [version]);
  return stdout.trim();
}

/** Installs beanstalkd from the distribution and answers its path. */
export async function aptInstall(): Promise<string> {
  const run = (...args: string[]) =>
    promisify(execFile)('apt-get', args, {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      maxBuffer: 64 * 1024 * 1024,
    });
  await run('update');
  await run('install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', 'beanstalkd');
  const path = findOnPath();
  if (path === undefined) throw new Error('apt-get installed beanstalkd, but it is not on the PATH.');
  return path;
}
