import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HANG_MS } from './until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Not those of whoever runs the tests: what they would change, the tests say themselves. */
const UNSET = { HARICOT_URL: undefined, NODE_OPTIONS: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined };

const running = new Set<Haricot>();

export interface HaricotOptions {
  /** Standard input. */
  readonly input?: string;
  /** On top of that of the tests. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: the project's root. */
  readonly cwd?: string;
  /** The folder of a compiled package; without one, the sources are run with a loader. */
  readonly build?: string | undefined;
}

/** One run of the command-line program, as a process of its own. */
export class Haricot {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  /** The whole lines on standard output. */
  readonly lines: string[] = [];
  #rest = '';
  stderr = '';
  #wake: () => void = () => {};

  static start(args: readonly string[], { input = '', env = {}, cwd = ROOT, build }: HaricotOptions = {}): Haricot {
    const program = build === undefined ? ['--import', TSX, `${ROOT}src/cli/main.ts`] : [`${build}/cli/main.js`];
    const child = spawn(process.execPath, [...program, ...args], { cwd, env: { ...process.env, ...UNSET, ...env } });
    const haricot = new Haricot(child);
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    return haricot;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#closed = once(child, 'close').finally(() => running.delete(this));
    running.add(this);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.lines.push(...lines);
      this.#wake();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    child.once('close', () => this.#wake());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get stdout(): string {
    return this.lines.map((line) => `${line}\n`).join('') + this.#rest;
  }

  /** Waits for a line that matches. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    let at = 0;
    let found: RegExpExecArray | null = null;
    await this.until(`a line like ${pattern}`, () => {
      for (; found === null && at < this.lines.length; at++) found = pattern.exec(this.lines[at] ?? '');
      return found !== null;
    });
    return found as unknown as RegExpExecArray;
  }

  /** Waits until a condition on the output holds. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(HANG_MS);
    deadline.addEventListener('abort', () => this.#wake());
    while (!condition()) {
      const ended = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (ended || deadline.aborted)
        throw new Error(`${what}: ${ended ? 'the process ended' : 'not in time'}; ${this}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#child.kill(name)) throw new Error(`could not send ${name}; ${this}`);
  }

  /** Waits for the end of the process. @returns its exit code, or the signal that killed it */
  async exit(): Promise<number | NodeJS.Signals> {
    const timer = setTimeout(() => this.#child.kill('SIGABRT'), HANG_MS);
    await this.#closed;
    clearTimeout(timer);
    return this.#child.exitCode ?? this.#child.signalCode ?? -1;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  toString(): string {
    return `standard output: ${JSON.stringify(this.stdout.slice(-2000))}, standard error: ${JSON.stringify(this.stderr)}`;
  }
}

/** A run from beginning to end. */
export async function haricot(
  args: readonly string[],
  options?: HaricotOptions,
): Promise<{ readonly code: number | NodeJS.Signals; readonly stdout: string; readonly stderr: string }> {
  const run = Haricot.start(args, options);
  const code = await run.exit();
  return { code, stdout: run.stdout, stderr: run.stderr };
}

/** Kills what a test has left running; registered before the queues that it works on are removed. */
export function killLeftovers(): void {
  afterEach(() => Promise.all([...running].map((process) => process.kill())));
}

process.once('exit', () => {
  for (const leftover of running) void leftover.kill();
});
