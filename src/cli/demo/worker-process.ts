import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How the worker of the demo is called, less where its engine and its slots are. */
export const WORK_OPTIONS: readonly string[] = ['--attempts', '3', '--backoff', '1s'];

/** It ends by itself, some time after a demo that was killed. */
const TIME_LIMIT = ['--time-limit', '2m'];

/** Between being asked to stop and being killed, in milliseconds. */
const PATIENCE_MS = 5000;

export interface WorkerProcessOptions {
  readonly url: string;
  readonly queue: string;
  readonly json: boolean;
  readonly colours: boolean;
  /** Gets what it writes on standard error. */
  readonly onError: (text: string) => void;
}

/** `haricot work` in a process of its own, as one would start it in production. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #killTimer: NodeJS.Timeout | undefined;

  constructor({ url, queue, json, colours, onError }: WorkerProcessOptions) {
    const args = [ours('../main'), 'work', queue, '--slots', ours('./slots'), ...WORK_OPTIONS, ...TIME_LIMIT];
    if (json) args.push('--json', '--verbose');
    this.#child = spawn(process.execPath, [...process.execArgv, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Not as an argument: the URL may have a password in it, and arguments are for everybody to see.
      env: { ...process.env, HARICOT_URL: url, NO_COLOR: undefined, FORCE_COLOR: colours ? '1' : undefined },
    });
    this.#child.stderr?.setEncoding('utf8').on('data', onError);
    this.#closed = once(this.#child, 'close').finally(() => clearTimeout(this.#killTimer));
    // Where it cannot be started, `lines` says so.
    this.#closed.catch(() => {});
  }

  /** What it writes, until it ends. Rejects where it could not be started. */
  async *lines(): AsyncGenerator<string> {
    if (this.#child.stdout) yield* createInterface({ input: this.#child.stdout });
    await this.#closed;
  }

  /** Lets it stop in an orderly way, and kills it where that takes too long. Resolves when it has ended. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    this.#killTimer ??= setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    // Nobody may be reading any more, and it must not wait for that.
    this.#child.stdout?.resume();
    await this.#closed;
  }
}

/** A file of ours: compiled, or TypeScript with a loader, just as this one. */
function ours(module: string): string {
  return fileURLToPath(new URL(module + extname(import.meta.url), import.meta.url));
}
