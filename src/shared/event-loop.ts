/** How often to check whether the event loop turns. */
const LOOK_EVERY_MS = 5;

/** How long the event loop may be blocked before work waits for a turn. */
const LONGEST_TURN_MS = 10;

/**
 * Lets the event loop turn. When an engine answers without I/O and the slots are synchronous, promises alone would
 * prevent all timers. With an engine that does I/O, the loop turns by itself, and nothing waits.
 */
export class EventLoop {
  /** A requested turn of the event loop, and when it was requested. */
  #turn: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param now by `performance.now()`
   * @returns a promise to await before continuing; undefined while the loop turns
   */
  turnIfBlocked(now: number): Promise<void> | undefined {
    if (this.#turn !== undefined) return now - this.#askedAt > LONGEST_TURN_MS ? this.#turn : undefined;
    if (now - this.#askedAt < LOOK_EVERY_MS) return undefined;
    this.#askedAt = now;
    this.#turn = new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        resolve();
      });
    });
    return undefined;
  }
}
