type Run = () => Promise<string | undefined>;

/** Runs tests several at a time. */
export class Overlap {
  readonly #atOnce: number;
  readonly #waiting: Run[] = [];
  readonly #running: Promise<void>[] = [];

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** @returns what the test is to run in its turn: it may have begun, or ended, long before */
  add(run: Run): Run {
    let outcome: Promise<string | undefined> | undefined;
    const start: Run = () => {
      outcome ??= run();
      return outcome;
    };
    this.#waiting.push(start);
    return () => {
      const own = start();
      while (this.#running.length < this.#atOnce) this.#running.push(this.#runInTurn());
      return own;
    };
  }

  /** Where some have been left out, others may still run. */
  async end(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all(this.#running);
  }

  async #runInTurn(): Promise<void> {
    for (let start = this.#waiting.shift(); start; start = this.#waiting.shift()) {
      // Its own test tells how it went, perhaps later.
      await start().catch(() => {});
    }
  }
}
