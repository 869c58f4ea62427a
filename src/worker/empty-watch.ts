import type { QueueStats } from '../queue/driver.js';
import type { DeadlineTimer, HasDeadline } from './deadline-timer.js';

/** How long a worker waits before it asks the engine: a message may be on its way. */
const IDLE_MS = 50;

/** How often it asks again while the queues are not empty and no message arrives, for example because they are paused. */
const INTERVAL_MS = 1000;

/**
 * How long a reserved message may be on its way to this worker: a driver may look something up before it hands a message out, as
 * beanstalkd's does for at most 5 s to find out the attempt.
 */
const ARRIVAL_MS = 6000;

/** How often it asks again meanwhile. */
const ARRIVAL_INTERVAL_MS = 250;

/** How much later than its delay an engine that counts in seconds may deliver a message. */
const LATEST_MS = 1000;

export interface EmptyWatchOptions {
  readonly timer: DeadlineTimer;
  /** The stats of all queues. Never rejects: where the engine cannot be reached, it waits for a while and resolves with undefined. */
  readonly stats: () => Promise<readonly (QueueStats | null)[] | undefined>;
  /** Whether the worker waits for messages and works on none. */
  readonly isIdle: () => boolean;
  readonly onEmpty: () => void;
}

/** Calls `onEmpty` when an idle worker has nothing left to wait for: no message is ready, and no retry of its own is pending. */
export class EmptyWatch implements HasDeadline {
  readonly #options: EmptyWatchOptions;
  #deadlineAt = 0;
  /** From the time that a question is scheduled until it is answered. */
  #isAsking = false;
  /** By `performance.now()`. */
  #lastRetryAt = Number.NEGATIVE_INFINITY;
  /** Since when the worker has been idle. */
  #idleSince = 0;

  constructor(options: EmptyWatchOptions) {
    this.#options = options;
  }

  get deadlineAt(): number {
    return this.#deadlineAt;
  }

  onDeadline(): void {
    if (this.#options.isIdle()) void this.#ask();
    else this.#isAsking = false;
  }

  /** The worker has released a message for a retry. */
  expectRetry(delayMs: number): void {
    this.#lastRetryAt = Math.max(this.#lastRetryAt, performance.now() + delayMs + LATEST_MS);
  }

  /** To be called when the worker may have become idle. */
  check(): void {
    if (!this.#options.isIdle()) return;
    this.#idleSince = performance.now();
    if (!this.#isAsking) this.#askIn(IDLE_MS);
  }

  #askIn(ms: number): void {
    this.#isAsking = true;
    this.#deadlineAt = performance.now() + ms;
    this.#options.timer.set(this);
  }

  async #ask(): Promise<void> {
    const { stats, isIdle, onEmpty } = this.#options;
    const counts = await stats();
    if (!isIdle()) this.#isAsking = false;
    else if (counts === undefined || !this.#isEmpty(counts)) this.#askIn(INTERVAL_MS);
    else if (this.#mayArrive(counts)) this.#askIn(ARRIVAL_INTERVAL_MS);
    else onEmpty();
  }

  #mayArrive(counts: readonly (QueueStats | null)[]): boolean {
    const isEarly = performance.now() - this.#idleSince < ARRIVAL_MS;
    return isEarly && counts.some((count) => count !== null && count.reserved > 0);
  }

  #isEmpty(counts: readonly (QueueStats | null)[]): boolean {
    const awaitsRetry = performance.now() < this.#lastRetryAt;
    return counts.every((count) => count === null || (count.ready === 0 && !(awaitsRetry && count.delayed > 0)));
  }
}
