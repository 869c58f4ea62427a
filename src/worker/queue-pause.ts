import type { Queue } from '../queue/queue.js';

/** Pauses a queue at the request of slots. A request never shortens the pause of an earlier one. */
export class QueuePause {
  readonly #queue: Queue;
  /** By `performance.now()`. */
  #endsAt = Number.NEGATIVE_INFINITY;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** @throws EngineError */
  async extend(ms: number): Promise<void> {
    const endsAt = performance.now() + ms;
    // A pause of 0 would end the present one.
    if (ms === 0 || endsAt <= this.#endsAt) return;
    this.#endsAt = endsAt;
    await this.#queue.driver.pause(this.#queue.name, ms);
  }
}
