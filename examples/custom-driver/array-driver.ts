// A driver for an engine of one's own. The engine is an array in this process; the rest is what every driver has to do.
import { EventEmitter } from 'node:events';
import type { ConsumeOptions, Consumer, Driver, DriverOptions, Failure, MessageCounts, Reservation } from 'haricot';
import {
  checkConsume,
  checkDecimalId,
  checkLimit,
  checkMs,
  checkPut,
  checkPutMany,
  checkQueueName,
  checkReserve,
  checkSettlement,
  DriverClosedError,
  LeaseLostError,
} from 'haricot';

type State = keyof MessageCounts;

/** A message in the engine. */
interface Row {
  readonly id: string;
  /** Its place among the messages of the engine, in order of publication. */
  readonly age: number;
  readonly body: Buffer;
  readonly ttrMs: number;
  state: State;
  priority: number;
  /** When its delay ends, by `performance.now()`. */
  dueAt: number;
  /** When it was buried, as a place in the order of burial. */
  buriedAt: number;
  attempt: number;
  failure?: Failure | undefined;
}

/** Which of two messages in the same state comes first. */
const ORDER: Readonly<Record<State, (a: Row, b: Row) => number>> = {
  ready: (a, b) => a.priority - b.priority || a.age - b.age,
  delayed: (a, b) => a.dueAt - b.dueAt || a.age - b.age,
  reserved: (a, b) => a.age - b.age,
  buried: (a, b) => a.buriedAt - b.buriedAt,
};

/**
 * The messages of one queue: an array for each state, in order. A place in it is found by bisection, so no step looks at
 * all messages, and the work for n of them does not grow with the square of n.
 */
class ArrayQueue {
  readonly #rows = new Map<string, Row>();
  readonly #lists: Record<State, Row[]> = { ready: [], delayed: [], reserved: [], buried: [] };
  pausedUntil = 0;

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** The messages in one state, the first to be delivered first. */
  list(state: State): readonly Row[] {
    const now = performance.now();
    const { delayed } = this.#lists;
    for (let due = delayed[0]; due !== undefined && due.dueAt <= now; due = delayed[0])
      this.move(due, { state: 'ready' });
    return this.#lists[state];
  }

  next(): Row | undefined {
    return this.pausedUntil > performance.now() ? undefined : this.list('ready')[0];
  }

  get(id: string): Row | undefined {
    return this.#rows.get(id);
  }

  /** When the first delay or the pause ends, if it ends after `since`. */
  nextEnd(since: number): number {
    const ends = [this.#lists.delayed[0]?.dueAt ?? 0, this.pausedUntil].filter((time) => time > since);
    return Math.min(...ends);
  }

  add(row: Row): void {
    this.#rows.set(row.id, row);
    const list = this.#lists[row.state];
    list.splice(placeOf(row, list), 0, row);
  }

  remove(row: Row): void {
    const list = this.#lists[row.state];
    list.splice(placeOf(row, list), 1);
    this.#rows.delete(row.id);
  }

  move(row: Row, changes: Partial<Row>): void {
    this.remove(row);
    this.add(Object.assign(row, changes));
  }

  /** Removes all but what is held. */
  clear(): number {
    const before = this.#rows.size;
    for (const state of ['ready', 'delayed', 'buried'] as const) {
      for (const { id } of this.#lists[state].splice(0)) this.#rows.delete(id);
    }
    return before - this.#rows.size;
  }
}

/** The index of the message in a list of its state, or where it is to be inserted. */
function placeOf(row: Row, list: readonly Row[]): number {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const other = list[middle];
    if (other !== undefined && ORDER[row.state](other, row) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Queues by name, and an event whenever something has changed. */
class Engine extends EventEmitter<{ change: [] }> {
  readonly queues = new Map<string, ArrayQueue>();
  #lastNumber = 0;

  queue(name: string): ArrayQueue {
    const queue = this.queues.get(name) ?? new ArrayQueue();
    this.queues.set(name, queue);
    return queue;
  }

  /** Numbers in ascending order: for ages and burials. */
  nextNumber(): number {
    return ++this.#lastNumber;
  }

  /** Resolves when something changes, when a delay or pause of these queues ends after `since`, or at `deadline`. */
  async changed(queues: readonly ArrayQueue[], since: number, deadline: number): Promise<void> {
    const next = Math.min(deadline, ...queues.map((queue) => queue.nextEnd(since)));
    await new Promise<void>((resolve) => {
      const timer = after(next - performance.now(), () => this.emit('change'));
      this.once('change', () => resolve(clearTimeout(timer)));
    });
  }
}

/** Node's timers hold no more than 31 bits. */
function after(ms: number, callback: () => void): NodeJS.Timeout {
  return setTimeout(callback, Math.min(Math.ceil(ms), 2 ** 31 - 1));
}

/** Drivers with the same URL share an engine, as they would share a server. */
const engines = new Map<string, Engine>();

/** What `registerDriver` is given. */
export async function openArray(url: string, { prefix }: DriverOptions): Promise<Driver> {
  const engine = engines.get(url) ?? new Engine().setMaxListeners(0);
  engines.set(url, engine);
  const consumers: Consumer[] = [];
  let closed = false;

  const open = (): Engine => {
    if (closed) throw new DriverClosedError('cannot use the driver: it is closed');
    return engine;
  };
  // Wrong calls are refused as on every engine, before anything is done.
  const find = (queue: string): ArrayQueue => open().queue(prefix + checkQueueName(queue));

  const driver: Driver = {
    // Honest: what is denied here must throw when it is asked for. Other processes do not see our arrays.
    capabilities: { peekMany: true, failures: 'buried', shared: false },

    async setUp(queue) {
      find(queue);
    },

    async put(queue, body, options) {
      checkPut(body, options);
      const { priority, delayMs, ttrMs } = options;
      const rows = find(queue);
      const age = engine.nextNumber();
      // Bodies are copied on the way in and out: whoever has such a buffer may write to it.
      const message = { id: String(age), age, body: Buffer.from(body), ttrMs, priority, attempt: 0, buriedAt: 0 };
      rows.add({ ...message, state: delayMs > 0 ? 'delayed' : 'ready', dueAt: performance.now() + delayMs });
      engine.emit('change');
      return message.id;
    },

    async putMany(queue, items) {
      checkPutMany(items);
      return Promise.all(items.map(({ body, options }) => driver.put(queue, body, options)));
    },

    async consume(queues, _slots, options) {
      checkConsume(queues, options);
      const consumer = consume(open(), new Map(queues.map((queue) => [find(queue), queue])), options);
      consumers.push(consumer);
      return consumer;
    },

    async peek(queue, state, limit) {
      const rows = find(queue).list(state).slice(0, checkLimit(limit));
      return rows.map(({ id, body, failure }) => ({ id, state, body: Buffer.alloc(body.length, body), failure }));
    },

    async kick(queue, limit) {
      const rows = find(queue);
      const kicked = rows.list(rows.list('buried').length > 0 ? 'buried' : 'delayed').slice(0, checkLimit(limit));
      // Whoever kicks a message wants it to be tried as often as a new one.
      for (const row of kicked) rows.move(row, { state: 'ready', attempt: 0, failure: undefined });
      engine.emit('change');
      return kicked.length;
    },

    async delete(queue, id) {
      const rows = find(queue);
      const row = rows.get(checkDecimalId(id));
      if (row === undefined || row.state === 'reserved') return false;
      rows.remove(row);
      return true;
    },

    async flush(queue) {
      return find(queue).clear();
    },

    async stats(queue) {
      const rows = open().queues.get(prefix + checkQueueName(queue));
      if (rows === undefined) return null;
      const count = (state: State): number => rows.list(state).length;
      const pausedMs = rows.pausedUntil - performance.now();
      return {
        ready: count('ready'),
        delayed: count('delayed'),
        reserved: count('reserved'),
        buried: count('buried'),
        pausedUntil: pausedMs > 0 ? new Date(Date.now() + pausedMs) : null,
      };
    },

    async queues() {
      const isUsed = (queue: ArrayQueue): boolean => !queue.isEmpty || queue.pausedUntil > performance.now();
      const used = [...open().queues].filter(([name, queue]) => name.startsWith(prefix) && isUsed(queue));
      return used.map(([name]) => name.slice(prefix.length));
    },

    async pause(queue, ms) {
      find(queue).pausedUntil = performance.now() + checkMs('the pause', ms);
      engine.emit('change');
    },

    async close() {
      closed = true;
      await Promise.all(consumers.map((consumer) => consumer.close()));
    },
  };
  return driver;
}

/** Tells the holder of a message that it is the holder no more. */
type Lose = (why: string) => void;

/** Takes messages from queues, given with the names that the user knows, for one worker. */
function consume(engine: Engine, names: ReadonlyMap<ArrayQueue, string>, { order }: ConsumeOptions = {}): Consumer {
  const holders = new Set<Lose>();
  let queues = [...names.keys()];
  let closed = false;

  const next = (): Reservation | null => {
    for (const queue of queues) {
      const row = queue.next();
      if (row === undefined) continue;
      // They take turns: this one is asked last next time.
      if (order !== 'strict') queues = [...queues.filter((other) => other !== queue), queue];
      return hold(engine, queue, names.get(queue) ?? '', row, holders);
    }
    return null;
  };

  return {
    async reserve(options = {}) {
      checkReserve(options);
      const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
      if (closed) throw new DriverClosedError('cannot reserve: the consumer is closed');
      const deadline = performance.now() + timeoutMs;
      const wake = (): void => void engine.emit('change');
      signal?.addEventListener('abort', wake);
      try {
        for (;;) {
          signal?.throwIfAborted();
          if (closed) return null;
          const now = performance.now();
          const reservation = next();
          if (reservation || now >= deadline) return reservation;
          await engine.changed(queues, now, deadline);
        }
      } finally {
        signal?.removeEventListener('abort', wake);
      }
    },

    async close() {
      closed = true;
      for (const lose of holders) lose('its consumer was closed');
      engine.emit('change');
    },
  };
}

/** Gives a message to a holder until it is settled or its lease ends. */
function hold(engine: Engine, rows: ArrayQueue, queue: string, row: Row, holders: Set<Lose>): Reservation {
  const { id, ttrMs } = row;
  const lost = new AbortController();
  let over: LeaseLostError | undefined;
  let lease: NodeJS.Timeout;
  let leaseEndsAt = 0;

  const end = (why: string, change: () => void): void => {
    if (over) throw over;
    over = new LeaseLostError(`message ${id} is not ours any more: ${why}`);
    clearTimeout(lease);
    holders.delete(lose);
    change();
    engine.emit('change');
  };
  const lose: Lose = (why) => {
    end(why, () => rows.move(row, { state: 'ready' }));
    lost.abort(over);
  };
  const startLease = (): void => {
    leaseEndsAt = performance.now() + ttrMs;
    lease = after(ttrMs, () => lose('its lease ended'));
  };

  rows.move(row, { state: 'reserved', attempt: row.attempt + 1 });
  holders.add(lose);
  startLease();
  return {
    ...{ id, queue, body: Buffer.alloc(row.body.length, row.body), ttrMs, attempt: row.attempt, lost: lost.signal },

    get leaseEndsAt() {
      return leaseEndsAt;
    },

    async ack() {
      end('it was acknowledged', () => rows.remove(row));
    },

    async release(options = {}) {
      checkSettlement(options);
      const { priority = row.priority, delayMs = 0 } = options;
      const dueAt = performance.now() + delayMs;
      end('it was released', () => rows.move(row, { state: delayMs > 0 ? 'delayed' : 'ready', priority, dueAt }));
    },

    async bury(options = {}) {
      checkSettlement(options);
      const { priority = row.priority, failure } = options;
      const buriedAt = engine.nextNumber();
      end('it was buried', () => rows.move(row, { state: 'buried', priority, failure, buriedAt }));
    },

    async touch() {
      if (over) throw over;
      clearTimeout(lease);
      startLease();
    },
  };
}
