import type { Sink } from './output.js';

const CLEAR_LINE = '\r\u001b[2K';

/**
 * A line that stays at the bottom of the terminal, below whatever else is written there: the streams' `write` takes it away
 * and puts it back.
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

  /** Takes it away for good. */
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
