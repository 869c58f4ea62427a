import type { Output, Sink } from './output.js';

/** What is over sooner needs no progress, in milliseconds. */
const PATIENCE_MS = 500;

const CLEAR_LINE = '\r\u001b[2K';

/** A line on the terminal that says how far a command has come; nothing where nobody looks, or with `--json`. */
export class Progress {
  readonly #sink: Sink | undefined;
  readonly #began = performance.now();
  #shown = false;

  constructor({ stderr }: Output, json: boolean) {
    this.#sink = stderr.isTTY && !json ? stderr : undefined;
  }

  /** Whether anybody looks: telling how far one has come may cost something. */
  get wanted(): boolean {
    return this.#sink !== undefined;
  }

  show(text: string): void {
    if (this.#sink === undefined || performance.now() - this.#began < PATIENCE_MS) return;
    this.#sink.write(`${CLEAR_LINE}${text}`);
    this.#shown = true;
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown) this.#sink?.write(CLEAR_LINE);
  }
}
