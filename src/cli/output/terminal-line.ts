// A line at the bottom of a terminal that changes.
import type { Output, Sink } from './output.js';

const CLEAR_LINE = '\r\u001b[2K';

/** A command that ends sooner shows no progress, in milliseconds. */
const PATIENCE_MS = 500;

/** A line that says how far a command has come; nothing is shown where no terminal is, or with `--json`. */
export class Progress {
  readonly #sink: Sink | undefined;
  readonly #began = performance.now();
  #shown = false;

  constructor({ stderr }: Output, json: boolean) {
    this.#sink = stderr.isTTY && !json ? stderr : undefined;
  }

  /** Whether it is shown: finding out how far a command has come may cost something. */
  get wanted(): boolean {
    return this.#sink !== undefined;
  }

  show(text: string): void {
    if (this.#sink === undefined || performance.now() - this.#began < PATIENCE_MS) return;
    this.#sink.write(`${CLEAR_LINE}${text}`);
    this.#shown = true;
  }

  /**
   * Runs `action`, and shows what `look` returns meanwhile. A look that fails shows nothing: the action itself will say what is
   * wrong.
   */
  async during<T>(action: () => Promise<T>, look: () => Promise<string>): Promise<T> {
    const update = async (): Promise<void> => this.show(await look());
    const timer = this.wanted ? setInterval(() => void update().catch(() => {}), LOOK_MS) : undefined;
    try {
      return await action();
    } finally {
      clearInterval(timer);
      this.end();
    }
  }

  /** Removes the line. */
  end(): void {
    if (this.#shown) this.#sink?.write(CLEAR_LINE);
    this.#shown = false;
  }
}

/** Between two looks at how far a command has come, in milliseconds. */
const LOOK_MS = 250;

/**
 * A line that stays at the bottom of the terminal, below whatever else is written there: the streams' `write` removes it and
 * puts it back.
 */
export class LiveLine {
  readonly #draw: (text: string) => void;
  readonly #terminal: Sink;
  readonly #restore: (() => void)[];
  #text = '';
  #shown = false;
  /** What was written last did not end its line: the line at the bottom must wait. */
  #midLine = false;

  /** @param terminal where it is drawn @param streams all that write to that terminal, this one included */
  constructor(terminal: Sink, streams: readonly Sink[]) {
    const { write } = terminal;
    this.#terminal = terminal;
    this.#draw = (text) => write.call(terminal, text);
    this.#restore = streams.map((stream) => this.#keepBelow(stream));
  }

  show(text: string): void {
    this.#text = text;
    if (this.#midLine) return;
    this.#draw(`${CLEAR_LINE}${[...text].slice(0, (this.#terminal.columns ?? 80) - 1).join('')}`);
    this.#shown = true;
  }

  /** Removes it for good. */
  end(): void {
    this.#clear();
    for (const restore of this.#restore) restore();
  }

  #clear(): void {
    if (this.#shown) this.#draw(CLEAR_LINE);
    this.#shown = false;
  }

  #keepBelow(stream: Sink): () => void {
    const { write } = stream;
    stream.write = (...args: Parameters<Sink['write']>) => {
      this.#clear();
      const written = write.apply(stream, args);
      if (args[0].length > 0) this.#midLine = !args[0].toString().endsWith('\n');
      if (this.#text !== '') this.show(this.#text);
      return written;
    };
    return () => {
      stream.write = write;
    };
  }
}
