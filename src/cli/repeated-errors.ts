/** Between two lines about an error that comes again and again, in milliseconds. */
const SUMMARY_MS = 60_000;

/** How many different errors are remembered. */
const REMEMBERED = 20;

interface Repeated {
  /** How often it came since it was told. */
  count: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Tells an error when it comes, and one that comes again and again once a minute, with how often: neither a flood nor
 * silence.
 */
export class RepeatedErrors {
  readonly #tell: (text: string, repeats: number) => void;
  readonly #errors = new Map<string, Repeated>();

  /** @param tell `repeats` is 0 for an error that is new, otherwise how often it came again since it was told */
  constructor(tell: (text: string, repeats: number) => void) {
    this.#tell = tell;
  }

  add(text: string): void {
    const known = this.#errors.get(text);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const [oldest] = this.#errors.keys();
    if (this.#errors.size >= REMEMBERED && oldest !== undefined) this.#forget(oldest);
    this.#errors.set(text, { count: 0, timer: setInterval(() => this.#summarise(text), SUMMARY_MS).unref() });
    this.#tell(text, 0);
  }

  /** Tells what was not told yet, and begins anew. */
  flush(): void {
    for (const text of [...this.#errors.keys()]) this.#forget(text);
  }

  #summarise(text: string): void {
    const repeated = this.#errors.get(text);
    // It came no more: should it come again, it is new.
    if (repeated === undefined || repeated.count === 0) {
      this.#forget(text);
      return;
    }
    this.#tell(text, repeated.count);
    repeated.count = 0;
  }

  #forget(text: string): void {
    const { count = 0, timer } = this.#errors.get(text) ?? {};
    clearInterval(timer);
    this.#errors.delete(text);
    if (count > 0) this.#tell(text, count);
  }
}
