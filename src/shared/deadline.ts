import { runOutside } from './async-context.js';

/** What Node's timers can hold; longer ones would fire at once. */
export const LONGEST_TIMER_MS = 2_147_483_647;

/** Part of the time after which a deadline looks whether the event loop was blocked. */
const SLICE = 1 / 4;
const SHORTEST_SLICE_MS = 10;
const LONGEST_SLICE_MS = 1000;

/** A timer that fires this much later than it was set for says that the event loop was blocked. */
const LATENESS_MS = 5;

/** However long the event loop is blocked, a deadline passes after this multiple of its time. */
const MOST_EXTENSION = 4;

export interface DeadlineOptions {
  /** Whether the process may end before the deadline. Default false. */
  readonly unref?: boolean | undefined;
}

/**
 * A time limit on something that comes from outside the process, such as a reply.
 *
 * It counts only the time in which the event loop could run: while that is blocked nothing can be read, and what is late
 * then is not the other side's fault. Before the deadline passes, what has arrived is read once more. When the loop is
 * blocked nearly always, it passes after four times its time at the latest.
 */
export class Deadline {
  readonly #onDeadline: () => void;
  readonly #unref: boolean;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #ms = 0;
  /** How long the timer was set for: counted again when it fires late, because the loop may have been blocked all the while. */
  #slice = 0;
  /** What is left behind that. */
  #left = 0;
  /** By `performance.now()`. */
  #firesAt = 0;
  #latest = 0;

  /** @param ms how long; `Infinity` for ever. Longer than 24.8 days is counted in parts. */
  constructor(ms: number, onDeadline: () => void, { unref = false }: DeadlineOptions = {}) {
    this.#onDeadline = onDeadline;
    this.#unref = unref;
    this.restart(ms);
  }

  /** Counts anew, whether it has passed, was cancelled, or neither. @param ms default: as long as before */
  restart(ms: number = this.#ms): void {
    this.cancel();
    this.#ms = ms;
    if (ms === Number.POSITIVE_INFINITY) return;
    this.#latest = performance.now() + ms * MOST_EXTENSION;
    this.#wait(ms);
  }

  /** The deadline does not pass any more. */
  cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
  }

  /** @param left milliseconds until the deadline */
  #wait(left: number): void {
    // Whole milliseconds: timers cut off fractions, and the deadline would pass too early.
    const part = Math.max(SHORTEST_SLICE_MS, Math.min(LONGEST_SLICE_MS, this.#ms * SLICE));
    const slice = Math.ceil(Math.min(left, part));
    this.#slice = slice;
    this.#left = left - slice;
    this.#firesAt = performance.now() + slice;
    // It may have been set in a request, and that must not be kept.
    const timer = runOutside(() =>
      setTimeout(() => {
        // One that could not be cleared, because the program has replaced the timers meanwhile, is over all the same.
        if (timer === this.#timer) this.#look();
      }, slice),
    );
    if (this.#unref) timer.unref();
    this.#timer = timer;
  }

  #look(): void {
    const now = performance.now();
    const wasBlocked = now > this.#firesAt + LATENESS_MS;
    const left = wasBlocked ? this.#left + this.#slice : this.#left;
    if (left > 0 && now < this.#latest) this.#wait(left);
    // After the timers Node reads what has arrived, and then runs immediates.
    else this.#immediate = setImmediate(this.#onDeadline);
  }
}
