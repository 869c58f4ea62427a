/** Does step after step, one at a time, as long as there is work. It begins behind what else is called in the same tick. */
export class Loop {
  readonly #hasWork: () => boolean;
  readonly #step: () => Promise<void>;
  #running: Promise<void> | undefined;

  /** @param step never rejects */
  constructor(hasWork: () => boolean, step: () => Promise<void>) {
    this.#hasWork = hasWork;
    this.#step = step;
  }

  /** There is work. */
  start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork()) this.start();
    });
  }

  /** Resolves when the work is done. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => process.nextTick(resolve));
    while (this.#hasWork()) await this.#step();
  }
}
