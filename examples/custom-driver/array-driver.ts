// A driver for an engine of one's own. The engine is an array in this process; the rest is what every driver has to do.
import { EventEmitter } from 'node:events';
import type { ConsumeOptions, Consumer, Driver, DriverOptions, QueueStats, Reservation } from 'haricot';
import { DriverClosedError, LeaseLostError } from 'haricot';

type State = keyof QueueStats;

/** A message in the engine. */
interface Row {
  readonly id: string;
  readonly queue: string;
  readonly body: Buffer;
  readonly ttrMs: number;
  priority: number;
  /** Not delivered before, by `performance.now()`. */
  dueAt: number;
  attempt: number;
  place: 'line' | 'reserved' | 'buried';
  reason?: string | undefined;
}

/** Rows from the oldest to the youngest, and an event whenever something has changed. */
class Engine extends EventEmitter<{ change: [] }> {
  rows: Row[] = [];
  lastId = 0;
  readonly pausedUntil = new Map<string, number>();

  /** The messages of a queue in one state, the next to be delivered first; equals stay in the order of their age. */
  find(queue: string, state: State): Row[] {
    const found = this.rows.filter((row) => row.queue === queue && stateOf(row) === state);
    return found.sort((a, b) => (state === 'delayed' ? a.dueAt - b.dueAt : a.priority - b.priority));
  }

  next(queue: string): Row | undefined {
    const paused = (this.pausedUntil.get(queue) ?? 0) > performance.now();
    return paused ? undefined : this.find(queue, 'ready')[0];
  }

  change(row: Row, changes: Partial<Row>): void {
    Object.assign(row, changes);
    this.emit('change');
  }

  remove(rows: readonly Row[]): number {
    this.rows = this.rows.filter((row) => !rows.includes(row));
    return rows.length;
  }

  /** Resolves when something changes, when the first delay or pause ends that had not ended at `since`, or at `deadline`. */
  async changed(since: number, deadline: number): Promise<void> {
    let next = deadline;
    for (const time of [...this.rows.map(({ dueAt }) => dueAt), ...this.pausedUntil.values()]) {
      if (time > since && time < next) next = time;
    }
    await new Promise<void>((resolve) => {
      const timer = after(next - performance.now(), () => this.emit('change'));
      this.once('change', () => resolve(clearTimeout(timer)));
    });
  }
}

function stateOf({ place, dueAt }: Row): State {
  if (place !== 'line') return place;
  return dueAt > performance.now() ? 'delayed' : 'ready';
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
    if (closed) throw new DriverClosedError('the driver is closed');
    return engine;
  };
  const find = (queue: string, ...states: State[]): Row[] => {
    return states.flatMap((state) => open().find(prefix + queue, state));
  };

  const driver: Driver = {
    // Honest: what is denied here must throw when it is asked for. Other processes do not see our array.
    capabilities: { peekMany: true, buryReason: true, shared: false },

    async setUp() {
      open();
    },

    async put(queue, body, { priority, delayMs, ttrMs }) {
      const id = String(++open().lastId);
      const dueAt = performance.now() + delayMs;
      // Bodies are copied on the way in and out: whoever has such a buffer may write to it.
      const message = { id, queue: prefix + queue, body: Buffer.from(body), ttrMs, priority, dueAt };
      engine.rows.push({ ...message, attempt: 0, place: 'line' });
      engine.emit('change');
      return id;
    },

    putMany(queue, items) {
      return Promise.all(items.map(({ body, options }) => driver.put(queue, body, options)));
    },

    async consume(queues, _slots, options) {
      const consumer = consume(open(), prefix, queues, options);
      consumers.push(consumer);
      return consumer;
    },

    async peek(queue, state, limit) {
      const rows = find(queue, state).slice(0, limit);
      return rows.map(({ id, body, reason }) => ({ id, state, body: Buffer.from(body), reason }));
    },

    async kick(queue, limit) {
      const buried = find(queue, 'buried');
      const kicked = (buried.length > 0 ? buried : find(queue, 'delayed')).slice(0, limit);
      // Whoever kicks a message wants it to be tried as often as a new one.
      for (const row of kicked) engine.change(row, { place: 'line', dueAt: 0, attempt: 0, reason: undefined });
      return kicked.length;
    },

    async delete(queue, id) {
      return engine.remove(find(queue, 'ready', 'delayed', 'buried').filter((row) => row.id === id)) === 1;
    },

    async flush(queue) {
      return engine.remove(find(queue, 'ready', 'delayed', 'buried'));
    },

    async stats(queue) {
      const count = (state: State): number => find(queue, state).length;
      return { ready: count('ready'), delayed: count('delayed'), reserved: count('reserved'), buried: count('buried') };
    },

    async queues() {
      const names = [...new Set(open().rows.map(({ queue }) => queue))];
      return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    },

    async pause(queue, ms) {
      open().pausedUntil.set(prefix + queue, performance.now() + ms);
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

/** Takes messages from queues, for one worker. */
function consume(engine: Engine, prefix: string, from: readonly string[], options: ConsumeOptions = {}): Consumer {
  const holders = new Set<Lose>();
  let queues = from;
  let closed = false;

  const next = (): Reservation | null => {
    for (const queue of queues) {
      const row = engine.next(prefix + queue);
      if (row === undefined) continue;
      // They take turns: this one is asked last next time.
      if (options.order !== 'strict') queues = [...queues.filter((other) => other !== queue), queue];
      return hold(engine, row, queue, holders);
    }
    return null;
  };

  return {
    async reserve({ timeoutMs = Number.POSITIVE_INFINITY, signal } = {}) {
      if (closed) throw new DriverClosedError('the consumer is closed');
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
          await engine.changed(now, deadline);
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
function hold(engine: Engine, row: Row, queue: string, holders: Set<Lose>): Reservation {
  const { id, ttrMs } = row;
  const lost = new AbortController();
  let over: LeaseLostError | undefined;
  let lease: NodeJS.Timeout;

  const end = (why: string, changes: Partial<Row> = {}): void => {
    if (over) throw over;
    over = new LeaseLostError(`message ${id} is not ours any more: ${why}`);
    clearTimeout(lease);
    holders.delete(lose);
    engine.change(row, { place: 'line', ...changes });
  };
  const lose: Lose = (why) => {
    end(why);
    lost.abort(over);
  };
  const startLease = (): void => {
    lease = after(ttrMs, () => lose('its lease ended'));
  };

  engine.change(row, { place: 'reserved', attempt: row.attempt + 1 });
  holders.add(lose);
  startLease();
  return {
    ...{ id, queue, body: Buffer.from(row.body), ttrMs, attempt: row.attempt, lost: lost.signal },

    async ack() {
      end('it was acknowledged');
      engine.remove([row]);
    },

    async release({ priority = row.priority, delayMs = 0 } = {}) {
      end('it was released', { priority, dueAt: performance.now() + delayMs });
    },

    async bury({ priority = row.priority, reason } = {}) {
      end('it was buried', { place: 'buried', priority, reason });
    },

    async touch() {
      if (over) throw over;
      clearTimeout(lease);
      startLease();
    },
  };
}
