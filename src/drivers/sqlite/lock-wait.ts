/** How late a try may be because the machine is busy. What is beyond that is an event loop that was blocked. */
const LATENESS_MS = 20;

/**
 * How long somebody waits for the lock of another process. It counts only the time in which the event loop could run:
 * while that is blocked, nobody tries.
 */
export class LockWait {
  readonly #limitMs: number;
  readonly #began = performance.now();
  #waitedMs = 0;
  #triedAt = this.#began;
  #delayMs = 0;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** How long it has been, whether the event loop was blocked or not. */
  get passedMs(): number {
    return performance.now() - this.#began;
  }

  /** To be asked after each try that has failed. */
  isOver(): boolean {
    const now = performance.now();
    this.#waitedMs += Math.min(now - this.#triedAt, this.#delayMs + LATENESS_MS);
    this.#triedAt = now;
    return this.#waitedMs >= this.#limitMs;
  }

  /** How long until the next try; random, so that processes do not keep step. */
  delayMs(): number {
    this.#delayMs = 1 + Math.random() * 4;
    return this.#delayMs;
  }
}
