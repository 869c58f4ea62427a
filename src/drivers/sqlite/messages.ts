import type { RowSettlement } from '../sql/store.js';
import { BatchStatement, parameters } from './batch-statement.js';
import type { Connection, SqlValue, Statement } from './binding.js';
import { type Claim, type ClaimBudget, Claims } from './claims.js';
import {
  alikeFrom,
  columns,
  dueAfter,
  insertSql,
  insertValues,
  NEXT_ID,
  type NewMessage,
  NOBODY,
  REMEMBER_HIGHEST,
} from './insert.js';
import { BURIED, DELAYED, READY, RESERVED } from './states.js';

/** How many rows one step of a kick or flush changes, and how many bytes of bodies they have. */
const STEP_ROWS = 256;
const STEP_BYTES = 4 * 1024 * 1024;

/** A message that is given back. */
export interface Released {
  readonly id: number;
  readonly token: number;
  /** `null` keeps the one that it has. */
  readonly priority: number | null;
  readonly delayMs: number;
  readonly counted: boolean;
  readonly failure: string | null;
}

/** What a waiting consumer wants to know of a queue. */
export interface Outlook {
  /** Whether a message can be taken now. */
  readonly hasWork: boolean;
  /** When that may change by itself, in ms since the epoch. */
  readonly nextDue: number;
}

/** What a retry, promotion or flush goes through, step by step. */
export type Range = 'buried' | 'delayed' | 'overdue' | 'ready' | 'ended';

const RANGES: Readonly<Record<Range, number>> = {
  buried: BURIED,
  delayed: DELAYED,
  overdue: DELAYED,
  ready: READY,
  ended: RESERVED,
};

/** The messages of a state in order, above one rank and up to another, and up to an id. */
const STEP_FROM = `FROM messages WHERE queue = ?1 AND state = ?2 AND rank > ?3 AND rank <= ?4 AND id <= ?5
  ORDER BY rank, id`;
const LOWEST = -1;
const HIGHEST = Number.MAX_SAFE_INTEGER;

/** What a retry changes. */
const RETRY = `state = ${READY}, attempts = 0, failure = NULL, token = ${NOBODY}`;

/**
 * The SQL that changes messages, a method for each thing that happens to them. All times are ms since the epoch, `now` is the
 * caller's. Called inside of a transaction.
 */
export class Messages {
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();
  readonly #put: BatchStatement;
  readonly #ack: Statement;
  readonly #ackAll: BatchStatement;
  readonly #rememberHighest: Statement;
  readonly #claims: Claims;
  /** The highest id that was removed and that `highest_id` does not know yet; 0 where there is none. */
  #removed = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#put = new BatchStatement(connection, insertSql);
    this.#ack = connection.prepare('DELETE FROM messages WHERE id = ?1 AND token = ?2');
    this.#ackAll = new BatchStatement(connection, ackAllSql);
    this.#rememberHighest = connection.prepare(REMEMBER_HIGHEST);
    this.#claims = new Claims(connection);
  }

  /** The queue's number in this file; it gets one when it has none. */
  addQueue(name: string): number {
    const known = this.queueId(name);
    if (known !== undefined) return known;
    return Number(this.#run('INSERT INTO queues (name) VALUES (?1)', [name]).lastInsertRowid);
  }

  queueId(name: string): number | undefined {
    return this.#prepared('SELECT id FROM queues WHERE name = ?1').get([name])?.['id'] as number | undefined;
  }

  /** @returns its id */
  put(message: NewMessage, now: number): number {
    this.rememberRemoved();
    return Number(this.#put.of(1).run(insertValues(message, now)).lastInsertRowid);
  }

  /** @returns their ids, in order */
  putMany(messages: readonly NewMessage[], now: number): number[] {
    const ids: number[] = [];
    this.rememberRemoved();
    for (let at = 0; at < messages.length; ) {
      const group = alikeFrom(messages, at);
      ids.push(...this.#putGroup(group, now));
      at += group.length;
    }
    return ids;
  }

  #putGroup(group: readonly NewMessage[], now: number): number[] {
    const [first] = group;
    if (first === undefined) return [];
    const values: SqlValue[] = columns(first.queue, first.options, now);
    for (const { body } of group) values.push(body);
    const last = Number(this.#put.of(group.length).run(values).lastInsertRowid);
    return group.map((_, index) => last - group.length + 1 + index);
  }

  /** Takes up to `limit` messages, the next ones in order. */
  claim(queue: number, limit: number, budget: ClaimBudget, now: number): Claim {
    const claim = this.#claims.claim(queue, limit, budget, now);
    // As long as a message is there, the id of one before it need not be remembered.
    for (const { id } of claim.messages) if (id > this.#removed) this.#removed = 0;
    return claim;
  }

  /** Does to a message that is held what is said. @returns whether it was still the delivery with that token */
  settle({ kind, id: jobId, token, queue, ...how }: RowSettlement, now: number): boolean {
    const id = Number(jobId);
    const { priority = null, delayMs = 0, counted = true, failure = null } = how;
    switch (kind) {
      case 'ack':
        return this.ack(id, token);
      case 'touch':
        return this.touch(id, token, now);
      case 'release':
        return this.release({ id, token, priority, delayMs, counted, failure }, now);
      case 'bury':
        return this.bury(queue, id, token, priority, failure, now);
    }
  }

  /** @returns whether it was still the delivery with that token */
  ack(id: number, token: number): boolean {
    return this.#isRemoved(id, this.#ack.run([id, token]).changes === 1);
  }

  /** The same for several deliveries with one token, {@link MOST_AT_ONCE} at most. @returns for each whether it was still that delivery */
  ackMany(ids: readonly number[], token: number): boolean[] {
    const areAllHeld = ids.length > 1 && this.#ackAll.of(ids.length).run([token, ...ids]).changes === ids.length;
    if (!areAllHeld) return ids.map((id) => this.ack(id, token));
    this.#isRemoved(Math.max(...ids), true);
    return ids.map(() => true);
  }

  /** Whoever removes messages calls it before the commit: ids are never used again. */
  rememberRemoved(): void {
    if (this.#removed === 0) return;
    this.#rememberHighest.run([this.#removed]);
    this.#removed = 0;
  }

  #isRemoved(id: number, isRemoved: boolean): boolean {
    if (isRemoved && id > this.#removed) this.#removed = id;
    return isRemoved;
  }

  /**
   * @param counted whether the delivery counts as an attempt
   * @param failure kept with it; `null` keeps the one that it has
   * @returns whether it was still the delivery with that token
   */
  release({ id, token, priority, delayMs, counted, failure }: Released, now: number): boolean {
    return this.#changes(
      `UPDATE messages SET state = ?3, priority = coalesce(?4, priority), due = ?5, token = ${NOBODY}, attempts = attempts - ?6,
         failure = coalesce(?7, failure)
       WHERE id = ?1 AND token = ?2`,
      [id, token, delayMs > 0 ? DELAYED : READY, priority, dueAfter(delayMs, now), counted ? 0 : 1, failure],
    );
  }

  /** As it was before the delivery, where it was still the delivery with that token. */
  giveBack(id: number, token: number, now: number): void {
    this.#run(
      `UPDATE messages SET state = ${READY}, due = ?3, token = ${NOBODY}, attempts = attempts - 1
       WHERE id = ?1 AND token = ?2`,
      [id, token, now],
    );
  }

  /**
   * Puts it behind those that were buried before: `due` is the time of the burial, and a little more where that would not be
   * behind them.
   * @returns whether it was still the delivery with that token
   */
  bury(
    queue: number,
    id: number,
    token: number,
    priority: number | null,
    failure: string | null,
    now: number,
  ): boolean {
    return this.#changes(
      `UPDATE messages SET state = ${BURIED}, priority = coalesce(?3, priority), failure = ?4, token = ${NOBODY},
        due = max(?5, 1 + coalesce((SELECT max(rank) FROM messages WHERE queue = ?6 AND state = ${BURIED}), 0))
       WHERE id = ?1 AND token = ?2`,
      [id, token, priority, failure, now, queue],
    );
  }

  /** @returns whether it was still the delivery with that token */
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
    if (paused > now) return { hasWork: false, nextDue: paused };
    const due = next ?? Number.POSITIVE_INFINITY;
    return { hasWork: ready === 1 || due <= now, nextDue: due };
  }

  /** The highest id that there is. */
  highestId(): number {
    return Number(this.#prepared('SELECT max(id) AS id FROM messages').get([])?.['id'] ?? 0);
  }

  /** Makes the first messages that are buried ready, as if they had never been delivered. @returns how many; 0 when there is none */
  retryFirst(queue: number, limit: number, now: number): number {
    return this.#changeFirst(`${RETRY}, due = ?7`, [queue, BURIED, LOWEST, HIGHEST, HIGHEST], limit, now);
  }

  /** Makes a message that is buried ready, as if it had never been delivered. @param body instead of its own @returns whether it was */
  retry(queue: number, id: number, body: Uint8Array | undefined, now: number): boolean {
    const where = `WHERE id = ?1 AND queue = ?2 AND state = ${BURIED}`;
    if (body === undefined) return this.#changes(`UPDATE messages SET ${RETRY}, due = ?3 ${where}`, [id, queue, now]);
    return this.#changes(`UPDATE messages SET ${RETRY}, due = ?3, body = ?4 ${where}`, [id, queue, now, body]);
  }

  /** Makes the first messages that are delayed ready. @returns how many; 0 when there is none */
  promoteFirst(queue: number, limit: number, now: number): number {
    return this.#changeFirst(`state = ${READY}, due = ?7`, [queue, DELAYED, now, HIGHEST, HIGHEST], limit, now);
  }

  /** Makes a message that is delayed ready. @returns whether it was */
  promote(queue: number, id: number, now: number): boolean {
    return this.#changes(
      `UPDATE messages SET state = ${READY}, due = ?3 WHERE id = ?1 AND queue = ?2 AND state = ${DELAYED} AND due > ?3`,
      [id, queue, now],
    );
  }

  #changeFirst(set: string, values: readonly number[], limit: number, now: number): number {
    const count = this.#countInStep(values, limit);
    if (count === 0) return 0;
    return this.#run(`UPDATE messages SET ${set} WHERE id IN (SELECT id ${STEP_FROM} LIMIT ?6 + 0)`, [
      ...values,
      count,
      now,
    ]).changes;
  }

  /** @returns whether there was such a message, held or not */
  delete(queue: number, id: number): boolean {
    return this.#isRemoved(id, this.#changes('DELETE FROM messages WHERE id = ?1 AND queue = ?2', [id, queue]));
  }

  /** Moves a message to another queue, where it begins anew. @returns whether there was such a message that nobody held */
  move(queue: number, target: number, id: number, now: number): boolean {
    this.rememberRemoved();
    const moved = this.#changes(
      `INSERT INTO messages (id, queue, state, priority, due, token, ttr, created, body)
       SELECT ${NEXT_ID}, ?2, iif(state = ${DELAYED} AND due > ?4, ${DELAYED}, ${READY}), priority,
         iif(state = ${DELAYED}, max(due, ?4), ?4), ${NOBODY}, ttr, created, body
       FROM messages WHERE id = ?1 AND queue = ?3 AND NOT (state = ${RESERVED} AND due > ?4)`,
      [id, target, queue, now],
    );
    return moved && this.delete(queue, id);
  }

  /** Removes the first messages of a range up to an id. @returns how many; 0 when there is none */
  flush(queue: number, range: Range, upTo: number, now: number): number {
    const from = range === 'delayed' ? now : LOWEST;
    const to = range === 'ended' || range === 'overdue' ? now : HIGHEST;
    const values = [queue, RANGES[range], from, to, upTo];
    const count = this.#countInStep(values, STEP_ROWS);
    if (count === 0) return 0;
    // It may be the one that is removed.
    this.#removed = Math.max(this.#removed, this.highestId());
    return this.#run(`DELETE FROM messages WHERE id IN (SELECT id ${STEP_FROM} LIMIT ?6 + 0)`, [...values, count])
      .changes;
  }

  pause(queue: number, until: number): void {
    this.#run('UPDATE queues SET paused_until = ?2 WHERE id = ?1', [queue, until]);
  }

  /** How many messages a step can change: SQLite goes through every page of a large body. */
  #countInStep(values: readonly number[], limit: number): number {
    const row = this.#prepared(
      `SELECT min(count(*), max(1, sum(total < ${STEP_BYTES}))) AS count FROM (
         SELECT sum(bytes) OVER (ROWS UNBOUNDED PRECEDING) AS total
         FROM (SELECT length(body) AS bytes ${STEP_FROM} LIMIT ?6 + 0))`,
    ).get([...values, Math.min(STEP_ROWS, limit)]);
    return Number(row?.['count'] ?? 0);
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

/** Removes all of so many deliveries or none: it cannot be told which of them were removed. */
function ackAllSql(count: number): string {
  const where = `token = ?1 AND id IN (${parameters(2, count)})`;
  return `DELETE FROM messages WHERE ${where} AND (SELECT count(*) FROM messages WHERE ${where}) = ${count}`;
}
