import type { StopReason } from '../signals/signals.js';
import type { DeadlineTimer, HasDeadline } from './deadline-timer.js';
import type { Outcome } from './disposition.js';
import type { Settings } from './options.js';

/** How often the size of the process is looked at while no message comes. */
const MEMORY_INTERVAL_MS = 1000;

/** Counts what a worker has done, and tells when one of its limits is reached. */
export class Limits {
  readonly #settings: Settings;
  readonly #onReached: (reason: StopReason) => void;
  #finished = 0;
  #failed = 0;
  #released = 0;
  /** Messages that were or are being reserved. */
  #claimed = 0;
  /** Burials that the engine has not answered yet. */
  #burying = 0;
  #burialAnswered: Promise<void> | undefined;
  #onBurialAnswered: () => void = () => {};

  constructor(settings: Settings, onReached: (reason: StopReason) => void) {
    this.#settings = settings;
    this.#onReached = onReached;
  }

  get finished(): number {
    return this.#finished;
  }

  get failed(): number {
    return this.#failed;
  }

  get released(): number {
    return this.#released;
  }

  /** Looks at the time and, while no message comes, at the size of the process. */
  watch(timer: DeadlineTimer): void {
    const { timeLimitMs, memoryLimit } = this.#settings;
    if (timeLimitMs !== undefined) {
      timer.set({
        deadlineAt: performance.now() + timeLimitMs,
        onDeadline: () => this.#onReached('timeLimit'),
      });
    }
    if (memoryLimit !== Number.POSITIVE_INFINITY) this.#watchMemory(timer);
  }

  #watchMemory(timer: DeadlineTimer): void {
    const look: HasDeadline = {
      deadlineAt: performance.now() + MEMORY_INTERVAL_MS,
      onDeadline: () => {
        this.checkMemory();
        this.#watchMemory(timer);
      },
    };
    timer.set(look);
  }

  /** Whether one more message may be reserved, which counts it. */
  claim(): boolean {
    if (this.#claimed >= this.#settings.maxMessages) return false;
    this.#claimed++;
    return true;
  }

  /** None came. */
  unclaim(): void {
    this.#claimed--;
  }

  /** Before each message, so that none is begun too late. */
  checkMemory(): void {
    const { memoryLimit } = this.#settings;
    if (memoryLimit !== Number.POSITIVE_INFINITY && process.memoryUsage.rss() > memoryLimit) {
      this.#onReached('memoryLimit');
    }
  }

  /** A message is about to be buried. */
  startBurying(): void {
    this.#burying++;
  }

  /** What became of a message, once the engine has answered; undefined where it answered with an error. */
  count(outcome: Outcome | undefined, wasBuried: boolean): void {
    if (outcome === 'finished') this.#finished++;
    else if (outcome === 'released') this.#released++;
    else if (outcome === 'failed') this.#failed++;
    if (this.#failed >= this.#settings.failureLimit) this.#onReached('failureLimit');
    if (!wasBuried) return;
    this.#burying--;
    this.#burialAnswered = undefined;
    this.#onBurialAnswered();
  }

  /**
   * @returns what is to be awaited before a message is begun, while the burials that are on their way may reach
   * `failureLimit`; undefined where none can
   */
  untilCertain(): Promise<void> | undefined {
    if (this.#burying === 0 || this.#failed + this.#burying < this.#settings.failureLimit) return undefined;
    this.#burialAnswered ??= new Promise((resolve) => {
      this.#onBurialAnswered = resolve;
    });
    return this.#burialAnswered;
  }
}
