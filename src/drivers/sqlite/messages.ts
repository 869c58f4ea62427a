import type { MessageCounts, PeekState, PutItem, PutOptions } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { type Failure, serializeFailure } from '../../queue/failure.js';
import type { Connection, Row, SqlValue, Statement } from './binding.js';

/** The states of a message, as the schema knows them. From 2 on: SQLite stores 0 and 1 in a narrower column. */
const READY = 2;
const DELAYED = 3;
const RESERVED = 4;
const BURIED = 5;

const STATES: Readonly<Record<PeekState, number>> = { ready: READY, delayed: DELAYED, buried: BURIED };

const NAMES: Readonly<Record<number, keyof MessageCounts>> = {
  [READY]: 'ready',
  [DELAYED]: 'delayed',
  [RESERVED]: 'reserved',
  [BURIED]: 'buried',
};

/** What stands where nobody holds the message. As wide as a holder's token, see the schema. */
const NOBODY = 2 ** 46;

/** The longest delay, lease and pause: that of beanstalkd, so that an application can move. 136 years. */
const LONGEST_MS = 4_294_967_295_000;

/** @throws InvalidOptionError */
export function checkDuration(ms: number): number {
  if (ms <= LONGEST_MS) return ms;
  throw new InvalidOptionError(`the longest time is ${LONGEST_MS} ms, got ${ms} ms`);
}

/** How many messages become ready at once whose time has come: it is done while the file is locked for others. */
const PROMOTED_AT_ONCE = 500;

/** How many messages one statement stores: calling libsql costs as much as storing one. */
const GROUP = 16;

/** A message that was taken. */
export interface Claimed {
  readonly id: number;
  readonly priority: number;
  readonly ttr: number;
  readonly attempts: number;
  /** For `toBuffer`. */
  readonly body: unknown;
}

/** What a waiting consumer wants to know of a queue. */
export interface Outlook {
  /** Whether a message is to be had now. */
  readonly promising: boolean;
  /** When that may change by itself, in ms since the epoch. */
  readonly changesAt: number;
}

/**
 * The SQL, a method for each thing that happens to messages. All times are ms since the epoch, `now` is the caller's.
 * Methods that write are called inside of a transaction.
 */
export class Messages {
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();
  readonly #put: Statement;
  readonly #putAlike: Statement;
  readonly #next: Statement;
  readonly #claim: Statement;
  readonly #promote: Statement;
  readonly #ack: Statement;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#put = connection.prepare(insertSql(1));
    this.#putAlike = connection.prepare(insertSql(GROUP));
    // `+ 0`: newer SQLite (3.51, not 3.45) prepares a statement anew each time a plain LIMIT is bound, which takes 5 µs.
    this.#next = connection.prepare(
      `SELECT id, priority, ttr, attempts, body FROM messages WHERE queue = ?1 AND state = ${READY}
         AND NOT EXISTS (SELECT 1 FROM queues WHERE id = ?1 AND paused_until > ?2)
       ORDER BY rank, id LIMIT ?3 + 0`,
    );
    this.#claim = connection.prepare(
      `UPDATE messages SET state = ${RESERVED}, due = ?2, token = ?3, attempts = attempts + 1 WHERE id = ?1`,
    );
    // Its holder may still settle it as long as nobody else has taken it: the token stays.
    this.#promote = connection.prepare(
      `UPDATE messages SET state = ${READY} WHERE id IN
       (SELECT id FROM messages WHERE queue = ?1 AND state IN (${DELAYED}, ${RESERVED}) AND rank <= ?2 LIMIT ${PROMOTED_AT_ONCE})`,
    );
    this.#ack = connection.prepare('DELETE FROM messages WHERE id = ?1 AND token = ?2');
  }

  /** The queue's number in this file; it gets one when it has none. */
  addQueue(name: string): number {
    const known = this.queueId(name);
    if (known !== undefined) return known;
    return this.#run('INSERT INTO queues (name) VALUES (?1)', [name]).lastInsertRowid;
  }

  queueId(name: string): number | undefined {
    return this.#prepared('SELECT id FROM queues WHERE name = ?1').get([name])?.['id'] as number | undefined;
  }

  /** Those that have messages, by name. */
  queueNames(): string[] {
    const rows = this.#prepared(
      'SELECT name FROM queues WHERE EXISTS (SELECT 1 FROM messages WHERE queue = queues.id) ORDER BY name',
    ).all([]);
    return rows.map(({ name }) => String(name));
  }

  /** @returns its id */
  put(queue: number, body: Uint8Array, options: PutOptions, now: number): number {
    return Number(this.#put.run([...columns(queue, options, now), body]).lastInsertRowid);
  }

  /** @returns their ids, in order */
  putMany(queue: number, items: readonly PutItem[], now: number): number[] {
    const ids: number[] = [];
    for (let at = 0; at < items.length; at += GROUP) {
      const group = items.slice(at, at + GROUP);
      if (areAlike(group)) ids.push(...this.#putGroup(queue, group, now));
      else for (const { body, options } of group) ids.push(this.put(queue, body, options, now));
    }
    return ids;
  }

  #putGroup(queue: number, group: readonly PutItem[], now: number): number[] {
    const [first] = group;
    if (first === undefined) return [];
    const values: SqlValue[] = columns(queue, first.options, now);
    for (const { body } of group) values.push(body);
    const last = Number(this.#putAlike.run(values).lastInsertRowid);
    return group.map((_, index) => last - group.length + 1 + index);
  }

  /** Takes up to `limit` messages for the holder of `token`, the next ones in order. */
  claim(queue: number, limit: number, token: number, now: number): Claimed[] {
    this.#promote.run([queue, now]);
    const messages = this.#all(this.#next, limit, [queue, now, limit]) as unknown as Claimed[];
    for (const { id, ttr } of messages) this.#claim.run([id, now + ttr, token]);
    return messages;
  }

  /** @returns whether the holder of `token` still had it */
  ack(id: number, token: number): boolean {
    return this.#ack.run([id, token]).changes === 1;
  }

  /** @returns whether the holder of `token` still had it */
  release(id: number, token: number, priority: number, delayMs: number, now: number): boolean {
    return this.#changes(
      `UPDATE messages SET state = ?3, priority = ?4, due = ?5, token = ${NOBODY} WHERE id = ?1 AND token = ?2`,
      [id, token, delayMs > 0 ? DELAYED : READY, priority, dueAfter(delayMs, now)],
    );
  }

  /** As it was, where the holder of `token` still had it. */
  giveBack(id: number, token: number, now: number): void {
    this.#run(`UPDATE messages SET state = ${READY}, due = ?3, token = ${NOBODY} WHERE id = ?1 AND token = ?2`, [
      id,
      token,
      now,
    ]);
  }

  /** @returns whether the holder of `token` still had it */
  bury(id: number, token: number, priority: number, failure: Failure | undefined): boolean {
    return this.#changes(
      `UPDATE messages SET state = ${BURIED}, priority = ?3, reason = ?4, token = ${NOBODY} WHERE id = ?1 AND token = ?2`,
      [id, token, priority, failure === undefined ? null : serializeFailure(failure)],
    );
  }

  /** @returns whether the holder of `token` still had it */
  touch(id: number, token: number, now: number): boolean {
    return this.#changes(`UPDATE messages SET state = ${RESERVED}, due = ?3 + ttr WHERE id = ?1 AND token = ?2`, [
      id,
      token,
      now,
    ]);
  }

  outlook(queue: number, now: number): Outlook {
    const { ready, next, paused } = this.#prepared(
      `SELECT EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND state = ${READY}) AS ready,
        (SELECT min(due) FROM (
          SELECT (SELECT min(rank) FROM messages WHERE queue = ?1 AND state = ${DELAYED}) AS due
          UNION ALL SELECT (SELECT min(rank) FROM messages WHERE queue = ?1 AND state = ${RESERVED}))) AS next,
        (SELECT paused_until FROM queues WHERE id = ?1) AS paused`,
    ).get([queue]) as { ready: number; next: number | null; paused: number };
    if (paused > now) return { promising: false, changesAt: paused };
    const due = next ?? Number.POSITIVE_INFINITY;
    return { promising: ready === 1 || due <= now, changesAt: due };
  }

  stats(queue: number, now: number): MessageCounts {
    const counts = { ready: 0, delayed: 0, reserved: 0, buried: 0 };
    const rows = this.#prepared(
      `SELECT state, 0 AS over, count(*) AS count FROM messages WHERE queue = ?1 GROUP BY state
       UNION ALL SELECT state, 1, count(*) FROM messages
         WHERE queue = ?1 AND state IN (${DELAYED}, ${RESERVED}) AND rank <= ?2 GROUP BY state`,
    ).all([queue, now]) as { state: number; over: number; count: number }[];
    for (const { state, over, count } of rows) {
      const name = NAMES[state];
      if (name === undefined) continue;
      // Those whose time has come are ready, though nobody has made them so yet.
      counts[name] += over === 1 ? -count : count;
      if (over === 1) counts.ready += count;
    }
    return counts;
  }

  /** Messages at rest, the next to be delivered first. */
  peek(queue: number, state: PeekState, limit: number, now: number): Row[] {
    if (state === 'ready') return this.#peekReady(queue, limit, now);
    return this.#prepared(
      `SELECT id, body, reason FROM messages WHERE queue = ?1 AND state = ?2 AND (state = ${BURIED} OR rank > ?3)
       ORDER BY rank, id LIMIT ?4`,
    ).all([queue, STATES[state], now, limit]);
  }

  /** Those too whose time has come, though nobody has made them ready yet. */
  #peekReady(queue: number, limit: number, now: number): Row[] {
    return this.#prepared(
      `SELECT m.id, m.body, m.reason FROM (
        SELECT id FROM (SELECT id, priority FROM messages WHERE queue = ?1 AND state = ${READY} ORDER BY rank, id LIMIT ?3)
        UNION SELECT id FROM messages WHERE queue = ?1 AND state IN (${DELAYED}, ${RESERVED}) AND rank <= ?2
      ) JOIN messages m USING (id) ORDER BY m.priority, m.id LIMIT ?3`,
    ).all([queue, now, limit]);
  }

  /** Makes buried messages ready, as if they had never been delivered. @returns how many */
  kickBuried(queue: number, limit: number): number {
    return this.#kick(queue, BURIED, limit);
  }

  /** Makes delayed messages ready, as if they had never been delivered. @returns how many */
  kickDelayed(queue: number, limit: number): number {
    return this.#kick(queue, DELAYED, limit);
  }

  #kick(queue: number, state: number, limit: number): number {
    return this.#run(
      `UPDATE messages SET state = ${READY}, attempts = 0, reason = NULL, token = ${NOBODY}
       WHERE id IN (SELECT id FROM messages WHERE queue = ?1 AND state = ?2 ORDER BY rank, id LIMIT ?3)`,
      [queue, state, limit],
    ).changes;
  }

  /** @returns whether there was such a message that nobody held */
  delete(queue: number, id: number, now: number): boolean {
    return this.#changes(`DELETE FROM messages WHERE id = ?1 AND queue = ?2 AND (state <> ${RESERVED} OR due <= ?3)`, [
      id,
      queue,
      now,
    ]);
  }

  /** Removes up to `limit` messages that nobody holds. @returns how many */
  flush(queue: number, limit: number, now: number): number {
    return this.#run(
      `DELETE FROM messages WHERE id IN
       (SELECT id FROM messages WHERE queue = ?1 AND (state <> ${RESERVED} OR rank <= ?2) LIMIT ?3)`,
      [queue, now, limit],
    ).changes;
  }

  /** When its pause ends; `null` where it is not paused. */
  pausedUntil(queue: number, now: number): Date | null {
    const until = Number(
      this.#prepared('SELECT paused_until AS until FROM queues WHERE id = ?1').get([queue])?.['until'],
    );
    return until > now ? new Date(until) : null;
  }

  pause(queue: number, until: number): void {
    this.#run('UPDATE queues SET paused_until = ?2 WHERE id = ?1', [queue, until]);
  }

  /** One row is had for less. */
  #all(statement: Statement, limit: number, values: readonly SqlValue[]): readonly Row[] {
    if (limit > 1) return statement.all(values);
    const row = statement.get(values);
    return row === undefined ? [] : [row];
  }

  #changes(sql: string, values: readonly SqlValue[]): boolean {
    return this.#run(sql, values).changes === 1;
  }

  #run(sql: string, values: readonly SqlValue[]): ReturnType<Statement['run']> {
    return this.#prepared(sql).run(values);
  }

  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * Stores so many messages that differ in their bodies alone. Ids are never used again, and by their order the oldest message is
 * found. AUTOINCREMENT would do that too, but writes a page more for each message that is put alone.
 */
function insertSql(count: number): string {
  const highest = '(SELECT max(id, (SELECT coalesce(max(id), 0) FROM messages)) FROM highest_id)';
  const rows = Array.from({ length: count }, (_, index) => {
    // Behind the first, SQLite itself gives the next one.
    const id = index === 0 ? `${highest} + 1` : 'NULL';
    return `(${id}, ?1, ?2, ?3, ?4, ${NOBODY}, ?5, ?6, ?${7 + index})`;
  });
  return `INSERT INTO messages (id, queue, state, priority, due, token, ttr, created, body) VALUES ${rows.join(', ')}`;
}

/** The values of {@link insertSql} before the bodies. */
function columns(queue: number, { priority, delayMs, ttrMs }: PutOptions, now: number): SqlValue[] {
  const state = delayMs > 0 ? DELAYED : READY;
  return [queue, state, priority, dueAfter(delayMs, now), Math.max(1, Math.ceil(ttrMs)), now];
}

/** A millisecond more than asked for, because `now` may be as good as over. */
export function dueAfter(delayMs: number, now: number): number {
  return delayMs > 0 ? now + Math.ceil(delayMs) + 1 : now;
}

function areAlike(group: readonly PutItem[]): boolean {
  const [first] = group;
  if (first === undefined || group.length < GROUP) return false;
  const { priority, delayMs, ttrMs } = first.options;
  return group.every(
    ({ options }) =>
      options === first.options ||
      (options.priority === priority && options.delayMs === delayMs && options.ttrMs === ttrMs),
  );
}
