import { Command } from 'commander';
import type { Define } from '../../src/cli/commands.js';
import { openMemory } from '../../src/drivers/memory/driver.js';
import { registerDriver } from '../../src/drivers/open.js';
import type { Capabilities } from '../../src/queue/capabilities.js';
import type { Driver, MessageCounts, QueueStats } from '../../src/queue/driver.js';
import { type Failure, toFailure } from '../../src/queue/failure.js';
import { defineMessage } from '../../src/queue/message.js';
import type { PublishOptions } from '../../src/queue/publishing.js';
import { Queue, type QueueOptions } from '../../src/queue/queue.js';
import { FakeOutput } from '../support/fake-output.js';

let harnesses = 0;

/** An engine in memory whose methods a test may replace before a command is run. */
export type FakeEngine = { -readonly [M in keyof Driver]: Driver[M] };

/** A memory engine that says it is shared, and writes down what it is asked. It outlives `close`. */
export function fakeEngine(calls: unknown[][] = []): FakeEngine {
  const memory = openMemory('memory:', { prefix: '' });
  const replaced: Partial<Record<keyof Driver, unknown>> = {
    capabilities: { ...memory.capabilities, shared: true } satisfies Capabilities,
    close: async () => {},
  };
  return new Proxy(memory as FakeEngine, {
    get(target, name: keyof Driver) {
      const value: unknown = Object.hasOwn(replaced, name) ? replaced[name] : target[name];
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        calls.push([name, ...args]);
        return value.apply(target, args);
      };
    },
    set(_, name: keyof Driver, value) {
      replaced[name] = value;
      return true;
    },
  });
}

/** One command on a fake engine. */
export class CommandHarness {
  /** What the command asks of the engine; `close` must be the last. */
  readonly calls: unknown[][] = [];
  readonly driver: FakeEngine = fakeEngine(this.calls);
  readonly output: FakeOutput;
  readonly #define: Define;
  /** The URL of the engine. */
  readonly url: string = `fake-cli${++harnesses}:`;

  constructor(define: Define, output: FakeOutput = new FakeOutput()) {
    this.#define = define;
    this.output = output;
    registerDriver(this.url.slice(0, -1), async () => this.driver);
  }

  /** Runs the command with its arguments. Rejects as it does; what Commander says is in the error's message. */
  async run(...args: string[]): Promise<void> {
    const program = new Command('haricot').option('--url <url>').option('--json').exitOverride();
    const command = program.command('tested').configureOutput({ outputError: () => {} });
    this.#define(command, this.output);
    await program.parseAsync(['--url', this.url, 'tested', ...args], { from: 'user' });
  }

  /** The calls of one method. */
  callsOf(method: keyof Driver): unknown[][] {
    return this.calls.filter(([name]) => name === method);
  }

  /** The records of `--json`. */
  get records(): Record<string, unknown>[] {
    return this.output.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** A queue on the engine; what it does is not among the calls. */
  queue(name: string = 'mail', options: QueueOptions = {}): SilentQueue {
    return new SilentQueue(this, name, options);
  }
}

/** Puts messages where a test needs them. */
export class SilentQueue {
  readonly #harness: CommandHarness;
  readonly #queue: Queue;

  constructor(harness: CommandHarness, name: string, options: QueueOptions) {
    this.#harness = harness;
    this.#queue = new Queue(harness.driver, name, options);
  }

  publish(type: string, data: unknown, options?: PublishOptions): Promise<string> {
    return this.#silently(() => this.#queue.publish(defineMessage(type), data, options));
  }

  put(body: string | Uint8Array): Promise<string> {
    return this.#silently(async () => {
      const options = { priority: 1024, delayMs: 0, ttrMs: 60_000 };
      const put = await this.#queue.driver.put([{ queue: this.#queue.name, body: Buffer.from(body), options }]);
      return put.stored[0]?.jobId ?? '';
    });
  }

  /** Publishes a message and buries it. @returns its id */
  async buried(type: string, data: unknown, failure: Partial<Failure> = {}): Promise<string> {
    const id = await this.publish(type, data, { priority: 0 });
    await this.bury(failure);
    return id;
  }

  /** Buries the next message. */
  bury(failure: Partial<Failure> = {}): Promise<void> {
    return this.#silently(async () => {
      const reservation = await this.#queue.reserve({ timeout: 0 });
      const record = toFailure('no route', { reason: 'attempts', attempt: reservation?.attempt });
      await reservation?.bury({ failure: { ...record, name: 'Error', ...failure } });
    });
  }

  /** Holds the next message, as a worker does. */
  async hold(): Promise<void> {
    await this.#silently(() => this.#queue.reserve({ timeout: 0 }));
  }

  async counts(): Promise<MessageCounts | null> {
    const stats = await this.#silently(() => this.#queue.stats());
    if (stats === null) return null;
    const { ready, delayed, reserved, buried } = stats;
    return { ready, delayed, reserved, buried };
  }

  async #silently<T>(action: () => Promise<T>): Promise<T> {
    const before = this.#harness.calls.length;
    const result = await action();
    this.#harness.calls.splice(before);
    return result;
  }
}

/** Lets the engine count the same in every queue. */
export function count(driver: FakeEngine, stats: Partial<QueueStats> | null): void {
  const counted = stats && { ready: 0, delayed: 0, reserved: 0, buried: 0, pausedUntil: null, ...stats };
  driver.stats = async (queues) => queues.map(() => counted);
}

/** A {@link CommandHarness} for each test of the suite this is called in. */
export function useCommand(define: Define): () => CommandHarness {
  let harness: CommandHarness;
  beforeEach(() => {
    harness = new CommandHarness(define);
  });
  return () => harness;
}

/** An output that is a terminal. */
export function terminal(columns = 80): FakeOutput {
  const output = new FakeOutput();
  for (const sink of [output.stdout, output.stderr]) Object.assign(sink, { isTTY: true, columns });
  return output;
}

/** Sets variables of the environment for each test of the suite this is called in. */
export function useEnvironment(variables: Readonly<Record<string, string | undefined>>): void {
  let before: NodeJS.ProcessEnv;
  beforeEach(() => {
    before = { ...process.env };
    for (const [name, value] of Object.entries(variables)) setVariable(name, value);
  });
  afterEach(() => {
    for (const name of Object.keys(variables)) setVariable(name, before[name]);
  });
}

export function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
