/** How often it is looked whether the event loop turns. */
const LOOK_EVERY_MS = 5;

/** After this time without a turn, work waits for one. */
const LONGEST_TURN_MS = 10;

/**
 * Lets the event loop turn. Where an engine answers without I/O and slots are synchronous, promises alone would keep it from
 * ever running a timer. Beside an engine that does I/O the loop turns by itself, and nothing waits here.
 */
export class EventLoop {
  /** A turn that was asked for, and when. */
  #turn: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param now by `performance.now()`
   * @returns what is to be awaited before going on; undefined while the loop turns
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
