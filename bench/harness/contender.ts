import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer } from './child.js';

/** What a contender's `open` answers: methods that take and answer what JSON can hold. */
// biome-ignore lint/suspicious/noExplicitAny: the methods of a service have whatever arguments they have.
export type Service = Readonly<Record<string, (...args: any[]) => unknown>>;

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));

export interface ContenderOptions {
  /** What its `open` is called with. */
  readonly options?: object;
  /** Flags of its Node process. */
  readonly execArgv?: readonly string[];
}

/** Where profiles of the contenders' processes go; none are taken without it. */
let profiles: string | undefined;

export function profileInto(folder: string): void {
  profiles = folder;
}

/** A contender in a process of its own, which is started when it is called first, and anew after a failure. */
export class Contender<S extends Service> {
  readonly name: string;
  readonly #module: string;
  readonly #options: ContenderOptions;
  #child: ChildProcess | undefined;

  /** @param module file in `contenders/`, without its extension */
  constructor(name: string, module: string, options: ContenderOptions = {}) {
    this.name = name;
    this.#module = new URL(`../contenders/${module}.ts`, import.meta.url).href;
    this.#options = options;
  }

  /**
   * Calls a method of its service.
   * @param limitMs then its process is ended, for nobody can tell whether it will ever answer
   */
  call<K extends keyof S & string>(
    method: K,
    args: Parameters<S[K]>,
    limitMs = 60_000,
  ): Promise<Awaited<ReturnType<S[K]>>> {
    this.#child ??= this.#start();
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
      };
      const fail = (why: string): void => {
        settle();
        this.#kill();
        reject(new Error(why));
      };
      const onMessage = (message: unknown): void => {
        const answer = message as Answer;
        if ('error' in answer) {
          fail(answer.error);
        } else {
          settle();
          resolve(answer.value as Awaited<ReturnType<S[K]>>);
        }
      };
      const onExit = (): void => fail('its process ended');
      const timer = setTimeout(() => fail(`not done within ${limitMs / 1000} s`), limitMs);
      child.on('message', onMessage);
      child.once('exit', onExit);
      child.send({ method, args });
    });
  }

  /** Ends its process. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }

  #kill(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  #start(): ChildProcess {
    const { options = {}, execArgv = [] } = this.#options;
    const profiling = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}/${this.name}`];
    return fork(CHILD, [this.#module, JSON.stringify(options)], {
      execArgv: [...process.execArgv, '--no-deprecation', ...execArgv, ...profiling],
      // What a peer prints is of no interest.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }
}
