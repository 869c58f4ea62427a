import { AsyncResource } from 'node:async_hooks';

/** Something that is done at a time, unless it is cancelled before. */
export interface HasDeadline {
  /** By `performance.now()`; it may not change while the deadline is set. */
  readonly deadlineAt: number;
  onDeadline(): void;
}

/**
 * One timer for the deadlines of all messages that are worked on. Nearly all are cancelled within a millisecond, and a
 * timer for each would cost as much as the rest of a delivery. So it is not reset with its deadline: at worst it fires for
 * nothing, once.
 *
 * Before a deadline passes, what has arrived is read: while the event loop was blocked, an answer may have come.
 */
export class DeadlineTimer {
  // Not a Set: V8 chains the tables that a Set or Map outgrows, and at thousands of changes a second the dead ones keep alive
  // what they held until the next full collection. With one, a delivery took twice the time.
  readonly #deadlines: HasDeadline[] = [];
  /** Whichever delivery needs the timer, it belongs to none: no delivery may see the AsyncLocalStorage of another. */
  readonly #context = new AsyncResource('haricot.DeadlineTimer');
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** When the timer fires. */
  #firesAt = Number.POSITIVE_INFINITY;

  set(deadline: HasDeadline): void {
    this.#deadlines.push(deadline);
    if (deadline.deadlineAt < this.#firesAt) this.#setTimer(deadline.deadlineAt);
  }

  /** @returns whether it was set */
  cancel(deadline: HasDeadline): boolean {
    const position = this.#deadlines.indexOf(deadline);
    if (position < 0) return false;
    const last = this.#deadlines.pop();
    if (last !== undefined && last !== deadline) this.#deadlines[position] = last;
    return true;
  }

  /** No deadline passes any more. */
  stop(): void {
    this.#deadlines.length = 0;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#firesAt = Number.POSITIVE_INFINITY;
  }

  #setTimer(at: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = at;
    this.#context.runInAsyncScope(() => {
      this.#timer = setTimeout(() => this.#onTimer(), Math.ceil(at - performance.now()));
    });
  }

  #onTimer(): void {
    this.#firesAt = Number.POSITIVE_INFINITY;
    // After the timers Node reads what has arrived, and then runs immediates.
    clearImmediate(this.#immediate);
    this.#immediate = setImmediate(() => this.#passDeadlines());
  }

  #passDeadlines(): void {
    const now = performance.now();
    for (const deadline of [...this.#deadlines]) {
      // One that passed before it may have cancelled it.
      if (deadline.deadlineAt <= now && this.cancel(deadline)) deadline.onDeadline();
    }
    for (const { deadlineAt } of this.#deadlines) if (deadlineAt < this.#firesAt) this.#setTimer(deadlineAt);
  }
}
