/** Something to be done at a time, unless it is taken back before. */
export interface Alarm {
  /** By `performance.now()`; it may not change while the alarm is set. */
  readonly at: number;
  ring(): void;
}

/**
 * One timer for the deadlines of all messages that are worked on. Nearly all are taken back within a millisecond, and a
 * timer for each would cost as much as the rest of a delivery. So it is not put back with its alarm: at worst it fires for
 * nothing, once.
 */
export class Alarms {
  // Not a Set: V8 chains the tables that a Set or Map outgrows, and at thousands of changes a second the dead ones keep alive
  // what they held until the next full collection. With one, a delivery took twice the time.
  readonly #alarms: Alarm[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #due = Number.POSITIVE_INFINITY;

  set(alarm: Alarm): void {
    this.#alarms.push(alarm);
    if (alarm.at < this.#due) this.#setTimer(alarm.at);
  }

  /** @returns whether it was set */
  cancel(alarm: Alarm): boolean {
    const position = this.#alarms.indexOf(alarm);
    if (position < 0) return false;
    const last = this.#alarms.pop();
    if (last !== undefined && last !== alarm) this.#alarms[position] = last;
    return true;
  }

  /** Nothing rings any more. */
  stop(): void {
    this.#alarms.length = 0;
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
  }

  #setTimer(at: number): void {
    clearTimeout(this.#timer);
    this.#due = at;
    this.#timer = setTimeout(() => this.#ring(), Math.ceil(at - performance.now()));
  }

  #ring(): void {
    this.#due = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (const alarm of [...this.#alarms]) {
      // One that rang before it may have cancelled it.
      if (alarm.at <= now && this.cancel(alarm)) alarm.ring();
    }
    for (const { at } of this.#alarms) if (at < this.#due) this.#setTimer(at);
  }
}
