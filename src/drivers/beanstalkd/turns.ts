import type { QueueOrder } from '../../queue/driver.js';

/** Tubes to be watched together, and no others. */
export type WatchList = readonly string[];

/**
 * Which of several tubes is asked first. To the server all watched tubes are one queue, in which the oldest job comes first:
 * what waits behind a backlog in another tube waits for the whole of it. So each tube is asked by itself, and only when
 * none has a job are all watched together: then whatever comes first is right.
 */
export class Turns {
  readonly all: WatchList;
  readonly #isFair: boolean;
  /** For each tube the order that begins with it. */
  readonly #rotations: readonly (readonly WatchList[])[];
  #turn = 0;

  constructor(tubes: readonly string[], order: QueueOrder) {
    this.all = tubes;
    this.#isFair = order === 'fair';
    const single = tubes.map((tube) => [tube]);
    this.#rotations = tubes.map((_, first) => [...single.slice(first), ...single.slice(0, first)]);
  }

  /** The tubes to ask one after another for what is ready. */
  get tries(): readonly WatchList[] {
    return this.#rotations[this.#turn] ?? [];
  }

  /** Something came from `tube`: the next is asked first from now on, where they take turns. */
  served(tube: string): void {
    if (this.#isFair) this.#turn = (this.all.indexOf(tube) + 1) % this.all.length;
  }
}
