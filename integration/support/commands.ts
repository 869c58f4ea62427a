import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openBeanstalkd } from '../../src/drivers/beanstalkd/driver.js';
import { openSqlite } from '../../src/drivers/sqlite/driver.js';
import type { Driver } from '../../src/queue/driver.js';
import { type Failure, toFailure } from '../../src/queue/failure.js';
import { Queue } from '../../src/queue/queue.js';
import { type Fixture, onSharedServer } from './fixture.js';
import { Haricot, haricot, killLeftovers } from './haricot.js';
import { onBuild } from './haricot-build.js';

/** The compiled program in a folder of its own, on an engine, with a queue that nobody else has. */
export class Commands {
  #folder: string | undefined;
  readonly #build: () => string;
  #queue: Queue | undefined;
  url = '';
  /** Whether the engine lists ready and delayed messages, not only the first. */
  lists = true;

  private constructor(build: () => string) {
    this.#build = build;
  }

  static onFolder(build: () => string): Commands {
    const commands = new Commands(build);
    beforeEach(async () => {
      commands.#folder = await mkdtemp(join(tmpdir(), 'haricot-cli-'));
    });
    afterEach(async () => {
      // First of all: a server cannot remove the tubes from which somebody reserves.
      await commands.#queue?.driver.close();
      await rm(commands.folder, { recursive: true, force: true });
    });
    return commands;
  }

  /** Where the commands run. */
  get folder(): string {
    if (this.#folder === undefined) throw new Error('the folder is there once a test runs');
    return this.#folder;
  }

  get queue(): Queue {
    if (this.#queue === undefined) throw new Error('the queue is there once a test runs');
    return this.#queue;
  }

  get driver(): Driver {
    return this.queue.driver;
  }

  use(url: string, driver: Driver, name: string): void {
    this.url = url;
    this.#queue = new Queue(driver, name);
  }

  /** One run of the program. */
  readonly run = (...args: string[]): ReturnType<typeof haricot> => this.runWith('', ...args);

  /** One run with this on standard input. */
  readonly runWith = (input: string, ...args: string[]): ReturnType<typeof haricot> => {
    return haricot(args, { build: this.#build(), cwd: this.folder, input, env: { HARICOT_URL: this.url } });
  };

  /** A run that goes on. */
  readonly start = (...args: string[]): Haricot =>
    Haricot.start(args, { build: this.#build(), cwd: this.folder, env: { HARICOT_URL: this.url } });

  /** What the command prints, which must be all that it does. */
  readonly say = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await this.run(...args);
    expect([code, stderr], args.join(' ')).to.deep.equal([0, '']);
    return stdout;
  };

  /** The records that it prints with `--json`. */
  readonly records = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const lines = (await this.say(...args, '--json')).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  };

  /** What the command says when it fails with this exit code. */
  readonly complain = async (expected: number, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await this.run(...args);
    expect([code, stdout], `${args.join(' ')}: ${stderr}`).to.deep.equal([expected, '']);
    return stderr;
  };

  /** Reserves so many messages of the queue and buries them. */
  readonly bury = async (count: number, more: Partial<Failure> = {}): Promise<void> => {
    for (let n = 0; n < count; n++) {
      const failure = { ...toFailure(new Error('no route'), { reason: 'attempts', attempt: 1 }), ...more };
      await (await this.queue.reserve({ timeout: '1m' }))?.bury({ failure });
    }
  };
}

/** Runs the tests that `define` makes on every engine that a command can reach. */
export function onEngines(define: (commands: Commands) => void): void {
  const build = onBuild();
  onSqlite(define, build);
  onBeanstalkd(define, build);
}

function onSqlite(define: (commands: Commands) => void, build: () => string): void {
  describe('on sqlite', () => {
    killLeftovers();
    const commands = Commands.onFolder(build);
    beforeEach(async () => {
      const url = `sqlite:${join(commands.folder, 'haricot.db')}`;
      commands.use(url, await openSqlite(url, { prefix: '' }), 'mail');
      commands.lists = true;
    });
    define(commands);
  });
}

export function onBeanstalkd(
  define: (commands: Commands, server: Fixture) => void,
  build: () => string = onBuild(),
): void {
  describe('on beanstalkd', () => {
    killLeftovers();
    const commands = Commands.onFolder(build);
    const server = onSharedServer();
    beforeEach(() => {
      const { url } = server.server;
      commands.use(url, openBeanstalkd(url, { prefix: '' }), server.tube());
      commands.lists = false;
    });
    define(commands, server);
  });
}
