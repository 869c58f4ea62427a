import { runOutside } from './async-context.js';

/** The longest time that a Node timer can hold. A longer one would fire at once. */
export const LONGEST_TIMER_MS = 2_147_483_647;

/** The part of its time after which a deadline checks whether the event loop was blocked. */
const SLICE = 1 / 4;
const SHORTEST_SLICE_MS = 10;
const LONGEST_SLICE_MS = 1000;

/** A timer that fires later than it was set for, by more than this, shows that the event loop was blocked. */
const LATENESS_MS = 5;

/** A deadline passes after this multiple of its time even if the event loop is blocked. */
const MAX_EXTENSION = 4;

export interface DeadlineOptions {
  /** Whether the process may end before the deadline. Default false. */
  readonly unref?: boolean | undefined;
  /**
   * Called each time the deadline checks the event loop, once a second at most. If it returns false, the deadline is cancelled, so
   * that it sets no further timers. Default: the deadline is always needed.
   */
  readonly isNeeded?: (() => boolean) | undefined;
}

/**
 * A time limit on an event outside the process, such as a reply.
 *
 * It counts only the time in which the event loop could run: nothing can be read while the loop is blocked, and the other side is
 * not responsible for that. Before the deadline passes, data that has arrived is read once more. When the loop is blocked nearly
 * always, the deadline passes after four times its time at the latest.
 */
export class Deadline {
  readonly #onDeadline: () => void;
  readonly #unref: boolean;
  readonly #isNeeded: (() => boolean) | undefined;
  // Tests of programs replace the timer functions. A deadline keeps those that it began with: the others would not clear its timers,
  // and it would set timers in a test that knows nothing of it.
  readonly #timers = { setTimeout, clearTimeout, setImmediate, clearImmediate } as const;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #ms = 0;
  /** How long the timer was set for. It is counted again when it fires late, because the loop may have been blocked all the time. */
  #slice = 0;
  /** What remains after the slice. */
  #left = 0;
  /** When the timer should fire, by `performance.now()`. */
  #firesAt = 0;
  #latest = 0;

  /** @param ms how long; `Infinity` for no limit. More than 24.8 days are counted in parts. */
  constructor(ms: number, onDeadline: () => void, { unref = false, isNeeded }: DeadlineOptions = {}) {
    this.#onDeadline = onDeadline;
    this.#unref = unref;
    this.#isNeeded = isNeeded;
    this.restart(ms);
  }

  /** Starts the time again, whether the deadline has passed, was cancelled, or neither. @param ms default: the time as before */
  restart(ms: number = this.#ms): void {
    this.cancel();
    this.#ms = ms;
    if (ms === Number.POSITIVE_INFINITY) return;
    this.#latest = performance.now() + ms * MAX_EXTENSION;
    this.#wait(ms);
  }

  /** Prevents the deadline from passing. */
  cancel(): void {
    const { clearTimeout, clearImmediate } = this.#timers;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  /** @param left milliseconds until the deadline */
  #wait(left: number): void {
    // Rounded up to whole milliseconds: timers drop fractions, and the deadline would pass too early.
    const part = Math.max(SHORTEST_SLICE_MS, Math.min(LONGEST_SLICE_MS, this.#ms * SLICE));
    const slice = Math.ceil(Math.min(left, part));
    this.#slice = slice;
    this.#left = left - slice;
    this.#firesAt = performance.now() + slice;
    // The timer must not keep the AsyncLocalStorage of the request that set it.
    this.#timer = runOutside(() => this.#timers.setTimeout(() => this.#onTimer(), slice));
    if (this.#unref) this.#timer.unref();
  }

  #onTimer(): void {
    if (this.#isNeeded?.() === false) {
      this.cancel();
      return;
    }
    const now = performance.now();
    const wasBlocked = now > this.#firesAt + LATENESS_MS;
    const left = wasBlocked ? this.#left + this.#slice : this.#left;
    if (left > 0 && now < this.#latest) this.#wait(left);
    // Node reads what has arrived after the timers, and then runs immediates.
    else this.#immediate = this.#timers.setImmediate(this.#onDeadline);
  }
}
