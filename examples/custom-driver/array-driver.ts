// A driver for an engine of your own, which is array-engine.ts: what every driver has to do, and nothing else. Arguments need
// no checks: they were checked before they arrive here.
import {
  type Capabilities,
  type ConsumeOptions,
  type Consumer,
  checkPrefixedName,
  type Driver,
  DriverClosedError,
  type DriverOptions,
  InvalidOptionError,
  LeaseLostError,
  type MessageState,
  queuesBehind,
  type ReservedMessage,
  type Settlement,
  type SettlementResult,
  type StoredMessage,
} from 'haricot';
import { type ArrayQueue, Engine, indexOf, type Place, type Row } from './array-engine.js';

// What is denied here is refused above the driver, and left out by the tests. What is not named is promised.
const CAPABILITIES: Capabilities = {
  // Other processes do not see our arrays.
  shared: false,
  returnsOnDisconnect: false,
  transactions: false,
  // An engine may do these; without them this one is shorter.
  deleteReserved: false,
  deduplication: 'none',
  groups: false,
  expiry: false,
};

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
  const find = (queue: string): ArrayQueue => open().queue(checkPrefixedName(prefix, queue));

  return {
    system: 'array',
    capabilities: CAPABILITIES,

    async setUp(queue) {
      find(queue);
    },

    async put(items) {
      const now = performance.now();
      const createdAt = new Date();
      // All of them are made before the first is stored: what throws leaves nothing behind.
      const made = items.map(({ queue, body, options: { priority, delayMs, ttrMs } }): [ArrayQueue, Row] => {
        const age = ++engine.lastNumber;
        const [state, rank]: [MessageState, number] = delayMs > 0 ? ['delayed', now + delayMs] : ['ready', priority];
        // Bodies are copied on the way in and out: whoever has such a buffer may write to it.
        const message = { id: String(age), age, createdAt, ttrMs, body: Buffer.from(body), priority, attempts: 0 };
        return [find(queue), { ...message, state, rank }];
      });
      for (const [rows, row] of made) rows.add(row);
      engine.emit('change');
      return { atomic: true, stored: made.map(([, { id }]) => ({ jobId: id, isNew: true })) };
    },

    async consume(queues, options) {
      const consumer = consume(open(), new Map(queues.map((queue) => [find(queue), queue])), options);
      consumers.push(consumer);
      return consumer;
    },

    async stats(queues) {
      return queues.map((queue) => {
        const rows = open().queues.get(checkPrefixedName(prefix, queue));
        if (rows === undefined) return null;
        const count = (state: MessageState): number => rows.list(state).length;
        const pausedMs = rows.pausedUntil - performance.now();
        return {
          ready: count('ready'),
          delayed: count('delayed'),
          reserved: count('reserved'),
          buried: count('buried'),
          pausedUntil: pausedMs > 0 ? new Date(Date.now() + pausedMs) : null,
        };
      });
    },

    async list(queue, { state, limit, after }) {
      const rows = find(queue).list(state);
      const start = after === undefined ? 0 : indexOf(placeOf(after), rows);
      const page = rows.slice(start, start + limit);
      const next = rows[start + limit];
      return { messages: page.map((row) => show(row, queue)), next: next && `${next.rank}:${next.age}` };
    },

    async find(queue, jobId) {
      const [row] = find(queue).find([jobId]);
      return row ? show(row, queue) : null;
    },

    async retry(queue, selection) {
      const rows = find(queue);
      const retried = rows.select('buried', selection);
      for (const row of retried) {
        // Who retries a message wants it to be tried as often as a new one.
        Object.assign(row, { attempts: 0, failure: undefined });
        if ('body' in selection) row.body = Buffer.from(selection.body);
        rows.move(row, 'ready', row.priority);
      }
      engine.emit('change');
      return retried.length;
    },

    async promote(queue, selection) {
      const rows = find(queue);
      const promoted = rows.select('delayed', selection);
      for (const row of promoted) rows.move(row, 'ready', row.priority);
      engine.emit('change');
      return promoted.length;
    },

    async delete(queue, ids) {
      const rows = find(queue);
      const deleted = rows.find(ids).filter(({ state }) => state !== 'reserved');
      for (const row of deleted) rows.remove(row);
      return deleted.length;
    },

    async flush(queue, states) {
      const rows = find(queue);
      // From the end, where taking one out moves no other.
      const flushed = [...new Set(states)].flatMap((state) => [...rows.list(state)].reverse());
      for (const row of flushed) rows.remove(row);
      return flushed.length;
    },

    async queues() {
      const used = [...open().queues].filter(([, rows]) => rows.isUsed).map(([name]) => name);
      return queuesBehind(prefix, used);
    },

    async pause(queue, ms) {
      find(queue).pausedUntil = performance.now() + ms;
      engine.emit('change');
    },

    async close() {
      closed = true;
      await Promise.all(consumers.map((consumer) => consumer.close()));
    },
  };
}

/** A message as the user may see it, changeable without harm. */
function show({ id, state, rank, body, ...row }: Row, queue: string): StoredMessage {
  const isDue = state === 'delayed' || state === 'reserved';
  const dueAt = isDue ? new Date(Date.now() + Math.ceil(rank - performance.now())) : undefined;
  const { priority, ttrMs, attempts, createdAt, failure } = row;
  return { jobId: id, queue, state, body: copy(body), priority, ttrMs, attempts, createdAt, dueAt, failure };
}

/** In memory of its own, where `Buffer.from` may use some that others share. */
function copy(body: Buffer): Buffer {
  return Buffer.alloc(body.length, body);
}

/** Reads the `next` of a page. */
function placeOf(cursor: string): Place {
  const [rank, age] = cursor.split(':').map(Number);
  if (rank !== undefined && age !== undefined && rank >= 0 && age >= 0) return { rank, age };
  throw new InvalidOptionError('after must be the next of an earlier page');
}

/** Takes messages from queues, given with the names that the user knows. */
function consume(engine: Engine, names: ReadonlyMap<ArrayQueue, string>, { order }: ConsumeOptions = {}): Consumer {
  const held = new Map<ReservedMessage, { readonly rows: ArrayQueue; readonly row: Row }>();
  let queues = [...names.keys()];
  let closed = false;

  const take = (): ReservedMessage | undefined => {
    for (const rows of queues) {
      const row = rows.pausedUntil > performance.now() ? undefined : rows.list('ready')[0];
      if (row === undefined) continue;
      // They take turns: this one is asked last next time.
      if (order !== 'strict') queues = [...queues.filter((other) => other !== rows), rows];
      return hold(rows, row);
    }
    return undefined;
  };

  const hold = (rows: ArrayQueue, row: Row): ReservedMessage => {
    const lost = new AbortController();
    const leaseEndsAt = performance.now() + row.ttrMs;
    const message: ReservedMessage = {
      ...{ jobId: row.id, queue: names.get(rows) ?? '', body: copy(row.body), attempt: ++row.attempts },
      ...{ ttrMs: row.ttrMs, leaseEndsAt, lost: lost.signal },
    };
    row.lose = (why) => {
      held.delete(message);
      lost.abort(lostError(message, why));
    };
    held.set(message, { rows, row });
    rows.move(row, 'reserved', leaseEndsAt);
    return message;
  };

  const settle = (settlement: Settlement): SettlementResult => {
    const { message } = settlement;
    const { rows, row } = held.get(message) ?? {};
    if (!rows || !row) return { error: lostError(message, 'it was settled, or its lease ended') };
    held.delete(message);
    if (settlement.kind === 'ack') {
      rows.remove(row);
      return {};
    }
    row.priority = settlement.priority ?? row.priority;
    if (settlement.kind === 'bury') {
      row.failure = settlement.failure;
      rows.move(row, 'buried', ++engine.lastNumber);
    } else {
      const { delayMs = 0, failure = row.failure, counted = true } = settlement;
      row.failure = failure;
      if (!counted) row.attempts--;
      if (delayMs > 0) rows.move(row, 'delayed', performance.now() + delayMs);
      else rows.move(row, 'ready', row.priority);
    }
    engine.emit('change');
    return {};
  };

  const touch = (message: ReservedMessage): SettlementResult => {
    const { rows, row } = held.get(message) ?? {};
    if (!rows || !row) return { error: lostError(message, 'it was settled, or its lease ended') };
    const leaseEndsAt = performance.now() + row.ttrMs;
    rows.move(row, 'reserved', leaseEndsAt);
    Object.assign(message, { leaseEndsAt });
    return {};
  };

  return {
    async reserve({ max = 1, timeoutMs = Number.POSITIVE_INFINITY, signal } = {}) {
      if (closed) throw new DriverClosedError('cannot reserve: the consumer is closed');
      const deadline = performance.now() + timeoutMs;
      const wake = (): void => void engine.emit('change');
      signal?.addEventListener('abort', wake);
      try {
        for (;;) {
          signal?.throwIfAborted();
          const reserved: ReservedMessage[] = [];
          if (closed) return reserved;
          const now = performance.now();
          for (let next = take(); next; next = reserved.length < max ? take() : undefined) reserved.push(next);
          if (reserved.length > 0 || now >= deadline) return reserved;
          await engine.changed(queues, now, deadline);
        }
      } finally {
        signal?.removeEventListener('abort', wake);
      }
    },

    async settle(settlements) {
      return settlements.map(settle);
    },

    async touch(messages) {
      return messages.map(touch);
    },

    async close() {
      closed = true;
      for (const [message, { row }] of held) {
        settle({ kind: 'release', message, counted: false });
        row.lose?.('its consumer was closed');
      }
      engine.emit('change');
    },
  };
}

function lostError({ jobId, queue }: ReservedMessage, why: string): LeaseLostError {
  return new LeaseLostError(`cannot settle message ${jobId} of queue "${queue}": it is no longer held: ${why}`);
}
