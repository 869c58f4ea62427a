// An engine to write a driver for: the messages of each queue, in arrays. A real one would be a server or a database.
import { EventEmitter } from 'node:events';
import { checkDecimalId, type Failure, type MessageState, type Selection } from 'haricot';

/** The place of a message among those in the same state: the lowest comes first. */
export interface Place {
  /** Ready: the priority. Delayed and reserved: when that ends, by `performance.now()`. Buried: the number of the burial. */
  rank: number;
  /** The number of the message, in order of publication. */
  readonly age: number;
}

/** A message in the engine. */
export interface Row extends Place {
  readonly id: string;
  readonly createdAt: Date;
  readonly ttrMs: number;
  body: Buffer;
  state: MessageState;
  priority: number;
  /** Deliveries since it was put or retried. */
  attempts: number;
  failure?: Failure | undefined;
  /** Tells the holder that it is the holder no more. */
  lose?: (why: string) => void;
}

/** The messages of one queue, in order in each state. A place is found by bisection, so no step looks at all of them. */
export class ArrayQueue {
  readonly #rows = new Map<string, Row>();
  readonly #lists: Readonly<Record<MessageState, Row[]>> = { ready: [], delayed: [], reserved: [], buried: [] };
  pausedUntil = 0;

  get isUsed(): boolean {
    return this.#rows.size > 0 || this.pausedUntil > performance.now();
  }

  /** The messages in a state, after every delay and lease that has ended. */
  list(state: MessageState): readonly Row[] {
    const now = performance.now();
    for (const list of [this.#lists.delayed, this.#lists.reserved]) {
      for (let row = list[0]; row !== undefined && row.rank <= now; row = list[0]) {
        if (row.state === 'reserved') row.lose?.('its lease ended');
        this.move(row, 'ready', row.priority);
      }
    }
    return this.#lists[state];
  }

  /** The messages with these ids, each once. */
  find(ids: readonly string[]): Row[] {
    this.list('ready');
    return [...new Set(ids.map(checkDecimalId))].flatMap((id) => this.#rows.get(id) ?? []);
  }

  select(state: MessageState, selection: Selection): Row[] {
    if ('limit' in selection) return this.list(state).slice(0, selection.limit);
    return this.find(selection.ids).filter((row) => row.state === state);
  }

  /** When the first delay, lease or pause ends that does so after `since`. */
  nextEnd(since: number): number {
    const ends = [this.#lists.delayed[0]?.rank ?? 0, this.#lists.reserved[0]?.rank ?? 0, this.pausedUntil];
    return Math.min(...ends.filter((time) => time > since));
  }

  add(row: Row): void {
    this.#rows.set(row.id, row);
    const list = this.#lists[row.state];
    list.splice(indexOf(row, list), 0, row);
  }

  remove(row: Row): void {
    const list = this.#lists[row.state];
    list.splice(indexOf(row, list), 1);
    this.#rows.delete(row.id);
  }

  move(row: Row, state: MessageState, rank: number): void {
    this.remove(row);
    this.add(Object.assign(row, { state, rank }));
  }
}

/** The index of a place in a list, or where it is to be inserted. */
export function indexOf({ rank, age }: Place, list: readonly Place[]): number {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const other = list[middle];
    if (other !== undefined && (other.rank - rank || other.age - age) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Queues by name, and an event whenever something has changed. */
export class Engine extends EventEmitter<{ change: [] }> {
  readonly queues = new Map<string, ArrayQueue>();
  /** For ages and burials. */
  lastNumber = 0;

  queue(name: string): ArrayQueue {
    const queue = this.queues.get(name) ?? new ArrayQueue();
    this.queues.set(name, queue);
    return queue;
  }

  /** Resolves when something changes, when a delay, lease or pause of these ends after `since`, or at `deadline`. */
  async changed(queues: Iterable<ArrayQueue>, since: number, deadline: number): Promise<void> {
    const next = Math.min(deadline, ...Array.from(queues, (queue) => queue.nextEnd(since)));
    await new Promise<void>((resolve) => {
      // Node's timers hold no more than 31 bits.
      const ms = Math.min(Math.ceil(next - performance.now()), 2 ** 31 - 1);
      const timer = setTimeout(() => this.emit('change'), ms);
      this.once('change', () => resolve(clearTimeout(timer)));
    });
  }
}
