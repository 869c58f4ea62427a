import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { within } from './assertions.js';
import type { Fixture } from './fixture.js';

/** What the other process is told to do. */
export type Command =
  | { readonly do: 'put'; readonly queue: string; readonly body: string }
  | { readonly do: 'hold' | 'drain' | 'close'; readonly queue: string }
  | { readonly do: 'handled' };

export interface Answer {
  readonly error?: string;
  readonly jobId?: string | undefined;
  readonly attempt?: number | undefined;
  /** The bodies of the messages it has handled. */
  readonly handled?: readonly string[];
}

/** Starting a process and loading a driver takes longer than a message, whatever the pace. */
const START_MS = 60_000;

/** Another process on the same engine. */
export class OtherProcess {
  readonly #fixture: Fixture;
  readonly #child: ChildProcess;
  readonly #ended = new AbortController();
  readonly #exited: Promise<void>;
  #stderr = '';

  static async start(fixture: Fixture): Promise<OtherProcess> {
    const other = new OtherProcess(fixture, urlOf(fixture.engine.processModule));
    fixture.atEnd(() => other.#end());
    await other.#answer(START_MS);
    return other;
  }

  private constructor(fixture: Fixture, module: string) {
    this.#fixture = fixture;
    // As TypeScript where that is what runs here, with the flags of this process, which know how to load it.
    const script = new URL(
      import.meta.url.endsWith('.ts') ? './other-process-main.ts' : './other-process-main.js',
      import.meta.url,
    );
    this.#child = fork(fileURLToPath(script), [module], {
      execArgv: process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#exited = this.#read().then(() => this.#ended.abort());
  }

  /** Until it has ended, and what it said in the end was read. */
  async #read(): Promise<void> {
    // Not until `close`, which does not come when it is we who disconnect.
    const exit = once(this.#child, 'exit');
    exit.catch(() => {});
    try {
      for await (const text of this.#child.stderr?.setEncoding('utf8') ?? []) this.#stderr += text;
      await exit;
    } catch (error) {
      this.#stderr += String(error);
    }
  }

  /** Tells it to do something, and waits until it is done. */
  async ask(command: Command): Promise<Answer> {
    const answer = this.#answer(this.#fixture.patienceMs);
    // Where it has ended, the answer tells.
    this.#child.send(command, () => {});
    return answer;
  }

  /** With SIGKILL: it has no chance to give back what it holds. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Has it give back what it holds, so that it can be removed, and makes sure that it ends. */
  async #end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await within(this.#fixture.patienceMs, 'the other process ends', this.#exited).catch(() => {});
    await this.kill();
  }

  /** Waits until it ends by itself. @returns its exit code */
  async exit(): Promise<number | null> {
    await this.#fixture.answer('the other process ends', this.#exited);
    return this.#child.exitCode;
  }

  async #answer(limitMs: number): Promise<Answer> {
    const limit = AbortSignal.timeout(limitMs);
    const signal = AbortSignal.any([limit, this.#ended.signal]);
    try {
      const [answer] = (await once(this.#child, 'message', { signal })) as [Answer];
      assert.equal(answer.error, undefined, `the other process failed: ${answer.error}`);
      return answer;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      const why = limit.aborted ? `has not answered within ${limitMs} ms` : 'has ended';
      throw new assert.AssertionError({ message: `the other process ${why}\n${this.#stderr}` });
    }
  }
}

/** What the other process can import. */
export function urlOf(module: string | URL | undefined): string {
  if (module instanceof URL) return module.href;
  if (module?.startsWith('file:')) return module;
  if (module !== undefined && isAbsolute(module)) return pathToFileURL(module).href;
  const given = module === undefined ? '' : `, not ${JSON.stringify(module)}`;
  throw new assert.AssertionError({
    message: `the engine is shared by processes, as its capabilities say: testDriver() needs \`processModule\`, the URL or absolute path of a module whose default export opens the engine${given}`,
  });
}
