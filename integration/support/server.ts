import { describeEngine } from './container-engine.js';
import {
  aptInstall,
  canApt,
  endProcessServersNow,
  findOnPath,
  startProcessServer,
  unpackedServer,
} from './process-server.js';
import { chooseServer, type ServerChoice } from './server-choice.js';

export interface ServerOptions {
  /** Flags for beanstalkd, such as `['-z', '10']`. */
  flags?: readonly string[];
  /** Keeps jobs in a fresh directory, which survives `restart()`. */
  binlog?: boolean;
  /** The test kills, pauses or restarts its server: it cannot be somebody's running one. */
  control?: boolean;
}

/** A beanstalkd to test against. */
export interface TestServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly source: 'url' | 'container' | 'binary';
  /** Kills the server with SIGKILL; resolves when it is dead and its port refuses connections. */
  kill(): Promise<void>;
  /** Brings it up again, killing it first if it runs: same port, same flags, same binlog. Resolves when it answers. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and are accepted, nothing is answered. */
  pause(): Promise<void>;
  /** SIGCONT. */
  resume(): Promise<void>;
  /** SIGUSR1: no more puts until a restart. */
  drain(): Promise<void>;
  /** Ends it and leaves nothing behind. May be called again. */
  stop(): Promise<void>;
}

const running = new Set<TestServer>();
const starting = new Set<Promise<unknown>>();

/** Starts a server from the best source there is; see `chooseServer`. */
export function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const start = startAndRemember(options);
  starting.add(start);
  const settled = () => void starting.delete(start);
  start.then(settled, settled);
  return start;
}

async function startAndRemember({ flags = [], binlog = false, control }: ServerOptions): Promise<TestServer> {
  const choice = await decide(binlog || flags.length > 0 || control === true);
  if (choice.source === 'url') return runningServer(choice.url);

  if (ending) throw new Error('the test process is ending');
  stopAllAtProcessEnd();
  const server = await startChosen(choice, flags, binlog);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    running.delete(remembered);
    stopped ??= server.stop();
    return stopped;
  };
  const remembered = { ...server, stop };
  running.add(remembered);
  return remembered;
}

let shared: Promise<TestServer> | undefined;

/** One server for the whole test process, for tests that only need tube names of their own. */
export function sharedServer(): Promise<TestServer> {
  shared ??= startServer();
  return shared;
}

/** Stops every server that was started and not stopped. */
export async function stopAllServers(): Promise<void> {
  shared = undefined;
  // A hook that ran out of time leaves a server that is still being started.
  await Promise.allSettled(starting);
  await Promise.all([...running].map((server) => server.stop()));
}

/**
 * Does what takes long, once: asks for an engine, builds the image, installs the program. So that it is not counted
 * against the timeout of the first test that needs a server.
 */
export async function prepareServers(): Promise<void> {
  const choice = await decide(false);
  if (choice.source === 'url') await decide(true);
  if (choice.source === 'container') await (await import('./container-server.js')).beanstalkdImage();
}

type ReadyChoice = Exclude<ServerChoice, { source: 'install' | 'unpack' }>;

const decisions = new Map<boolean, Promise<ReadyChoice>>();

function decide(control: boolean): Promise<ReadyChoice> {
  let decision = decisions.get(control);
  if (decision === undefined) {
    decision = announce(control);
    decisions.set(control, decision);
  }
  return decision;
}

const announced = new Set<string>();

function say(text: string): void {
  // Of mocha's processes only the first one tells, which chooses before the others begin.
  if (process.env['MOCHA_WORKER_ID'] !== undefined || announced.has(text)) return;
  announced.add(text);
  process.stderr.write(`haricot: ${text}\n`);
}

async function announce(control: boolean): Promise<ReadyChoice> {
  const { HARICOT_TEST_SERVER: forced } = process.env;
  let engine: string | undefined;
  const choice = await chooseServer(
    {
      env: process.env,
      engineAnswers: async () => {
        // Forced, there is nothing to go on to: give a slow engine its time.
        engine = await describeEngine(forced === 'container' ? 15_000 : 2000);
        return engine !== undefined;
      },
      onPath: () => findOnPath(),
      canApt,
    },
    control,
  );
  switch (choice.source) {
    case 'url':
      say(`beanstalkd is the running server ${choice.url}`);
      return choice;
    case 'container':
      say(`beanstalkd runs in containers (${engine})`);
      return choice;
    case 'binary':
      say(`beanstalkd is ${choice.path}, started as a process`);
      return choice;
    case 'unpack': {
      const path = await unpackedServer(choice.version);
      say(`beanstalkd is ${path}, unpacked from Debian's package and started as a process`);
      return { source: 'binary', path };
    }
    case 'install': {
      say(
        "installing Debian's package beanstalkd as root with apt-get, because there is no container engine and no beanstalkd" +
          ' here; HARICOT_TEST_INSTALL=no prevents it',
      );
      const path = await aptInstall();
      say(`beanstalkd is ${path}, started as a process`);
      return { source: 'binary', path };
    }
  }
}

async function startChosen(
  choice: Exclude<ReadyChoice, { source: 'url' }>,
  flags: readonly string[],
  binlog: boolean,
): Promise<TestServer> {
  if (choice.source === 'binary') return startProcessServer(choice.path, flags, binlog);
  // Loaded only where containers are used: Testcontainers is slow to load.
  const { startContainerServer } = await import('./container-server.js');
  return startContainerServer(flags, binlog);
}

function runningServer(address: string): TestServer {
  const url = new URL(address.includes('://') ? address : `beanstalkd://${address}`);
  const refuse = async () => {
    throw new Error(`${address} is not ours to control: start the server of this test with { control: true }`);
  };
  return {
    url: url.href,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 11300),
    source: 'url',
    kill: refuse,
    restart: refuse,
    pause: refuse,
    resume: refuse,
    drain: refuse,
    stop: async () => {},
  };
}

let watching = false;
let ending = false;

/** However this process ends, short of SIGKILL, its servers end too. */
function stopAllAtProcessEnd(): void {
  if (watching) return;
  watching = true;
  process.once('exit', endProcessServersNow);
  // A signal alone would end this process without an `exit` event.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      ending = true;
      void stopAllServers().finally(() => process.kill(process.pid, name));
    });
  }
}
