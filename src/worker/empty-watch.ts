import type { QueueStats } from '../queue/driver.js';
import type { DeadlineTimer, HasDeadline } from './deadline-timer.js';

/** How long a worker has had nothing to do before the engine is asked: a message may be on its way. */
const IDLE_MS = 50;

/** How often it is asked again while the queues are not empty and no message comes, as when they are paused. */
const INTERVAL_MS = 1000;

/**
 * A driver may look something up before it hands a message out: beanstalkd's reads for at most 5 s which attempt it is. So long
 * a message that is reserved may be on its way to this worker.
 */
const ARRIVAL_MS = 6000;

/** How often it is asked again meanwhile. */
const ARRIVAL_INTERVAL_MS = 250;

/** Engines that count in seconds deliver a delayed message by so much later. */
const LATEST_MS = 1000;

export interface EmptyWatchOptions {
  readonly timer: DeadlineTimer;
  /** Of all queues; never rejects, but waits while the engine cannot be reached, and answers undefined then. */
  readonly stats: () => Promise<readonly (QueueStats | null)[] | undefined>;
  /** Whether the worker waits for messages, and has none. */
  readonly isIdle: () => boolean;
  readonly onEmpty: () => void;
}

/** Tells when an idle worker has nothing left to wait for: no message is ready, and none of its own retries is due. */
export class EmptyWatch implements HasDeadline {
  readonly #options: EmptyWatchOptions;
  #deadlineAt = 0;
  /** From the time that a question is planned until it is answered. */
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

  /** The worker has released a message to be retried. */
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
