import { randomInt } from 'node:crypto';
import { BatchStatement, MOST_AT_ONCE, parameters } from './batch-statement.js';
import type { Connection, Statement } from './binding.js';
import { type Candidate, DueScan, FIRST, isBefore, mergeInOrder } from './due-scan.js';
import { DELAYED, READY, RESERVED } from './states.js';

/** How many messages become ready at once whose time has come: some milliseconds, in which the file is locked for others. */
const PROMOTED_AT_ONCE = 256;

/** Bodies up to this size are read with the message, larger ones one by one. */
const SMALL_BODY_BYTES = 64 * 1024;

/** How many bytes of bodies one transaction reads for those who wait. */
export const CLAIM_BYTES: number = 4 * 1024 * 1024;

/** A message that was taken. */
export interface Claimed {
  readonly id: number;
  readonly ttr: number;
  readonly attempts: number;
  /** Guards this delivery: whoever takes the message next puts another one in its place. */
  readonly token: number;
  /** For `toBuffer`. */
  readonly body: unknown;
}

/** What one claim has taken. */
export interface Claim {
  readonly messages: readonly Claimed[];
  /** Whether there may be more that the same transaction has no time for, or that cannot be put in order yet. */
  readonly isCut: boolean;
}

/** How many bytes of bodies one transaction may still read. */
export interface ClaimBudget {
  bytes: number;
}

interface NextRow {
  readonly id: number;
  readonly ttr: number;
  /** Before this delivery. */
  readonly attempts: number;
  readonly body: { readonly byteLength: number } | null;
}

/** What is known of a message that can be taken. `body` is null where it is large. */
const NEXT_COLUMNS = `id, ttr, attempts,
  CASE WHEN length(body) <= ${SMALL_BODY_BYTES} THEN body END AS body`;

/** Whether a message of queue ?1 is to be made ready first, because its delay or lease has ended at ?2. `IN` would take 2 µs. */
const isOverdue = (state: number): string =>
  `EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND state = ${state} AND rank <= ?2)`;
const IS_PAUSED = 'EXISTS (SELECT 1 FROM queues WHERE id = ?1 AND paused_until > ?2)';

/** The SQL by which messages are taken. All times are ms since the epoch, `now` is the caller's. Called inside of a transaction. */
export class Claims {
  readonly #next: Statement;
  readonly #claim: BatchStatement;
  readonly #promote: Statement;
  readonly #promoteEnded: Statement;
  readonly #ready: Statement;
  readonly #row: Statement;
  readonly #bytes: Statement;
  readonly #body: Statement;
  readonly #pause: Statement;
  readonly #dueScan: DueScan;
  /** Queues in which more was overdue than becomes ready at once. */
  readonly #backlogs = new Set<number>();
  /** Random at first, so that no two drivers use the same; and as wide as {@link NOBODY}. */
  #token = randomInt(2 ** 45, 2 ** 45 + 2 ** 44);

  constructor(connection: Connection) {
    // `+ 0`: newer SQLite (3.51, not 3.45) prepares a statement anew each time a plain LIMIT is bound, which takes 5 µs.
    this.#next = connection.prepare(
      `SELECT ${NEXT_COLUMNS} FROM messages
       WHERE queue = ?1 AND state = ${READY} AND NOT ${IS_PAUSED} AND NOT ${isOverdue(DELAYED)} AND NOT ${isOverdue(RESERVED)}
       ORDER BY rank, id LIMIT ?3 + 0`,
    );
    this.#claim = new BatchStatement(
      connection,
      (count) =>
        `UPDATE messages SET state = ${RESERVED}, due = ?1 + ttr, token = ?2, attempts = attempts + 1
         WHERE id IN (${parameters(3, count)})`,
    );
    this.#promote = connection.prepare(promoteSql(`${DELAYED}, ${RESERVED}`));
    this.#promoteEnded = connection.prepare(promoteSql(String(RESERVED)));
    this.#ready = connection.prepare(
      `SELECT id, priority FROM messages WHERE queue = ?1 AND state = ${READY} ORDER BY rank, id LIMIT ?2 + 0`,
    );
    this.#row = connection.prepare(`SELECT ${NEXT_COLUMNS} FROM messages WHERE id = ?1`);
    this.#bytes = connection.prepare('SELECT length(body) AS bytes FROM messages WHERE id = ?1');
    this.#body = connection.prepare('SELECT body FROM messages WHERE id = ?1');
    this.#pause = connection.prepare('SELECT 1 FROM queues WHERE id = ?1 AND paused_until > ?2');
    this.#dueScan = new DueScan(connection);
  }

  /** Takes up to `limit` messages, the next ones in order. */
  claim(queue: number, limit: number, budget: ClaimBudget, now: number): Claim {
    const { rows, isCut } = this.#nextRows(queue, limit, now);
    const messages: Claimed[] = [];
    const token = ++this.#token;
    let isOverBudget = false;
    for (const { id, ttr, attempts, body } of rows) {
      const bytes = body === null ? this.#bodyBytes(id) : body.byteLength;
      // One is taken at least, however large it is.
      isOverBudget = bytes > budget.bytes && budget.bytes < CLAIM_BYTES;
      if (isOverBudget) break;
      budget.bytes -= bytes;
      messages.push({ id, ttr, attempts, token, body: body ?? this.#bodyOf(id) });
    }
    this.#reserve(messages, token, now);
    return { messages, isCut: isCut || isOverBudget };
  }

  #reserve(messages: readonly Claimed[], token: number, now: number): void {
    for (let at = 0; at < messages.length; at += MOST_AT_ONCE) {
      const ids = messages.slice(at, at + MOST_AT_ONCE).map(({ id }) => id);
      this.#claim.of(ids.length).run([now, token, ...ids]);
    }
  }

  /** The next ones in order, after those were made ready whose time has come. */
  #nextRows(queue: number, limit: number, now: number): { rows: readonly NextRow[]; isCut: boolean } {
    if (!this.#backlogs.has(queue)) {
      const rows = this.#nextReady(queue, limit, now);
      if (rows.length > 0) return { rows, isCut: false };
      const promoted = this.#promoteDue(queue, now);
      if (promoted === 0) return { rows, isCut: false };
      if (promoted < PROMOTED_AT_ONCE) return { rows: this.#nextReady(queue, limit, now), isCut: false };
    }
    return this.#nextInBacklog(queue, limit, now);
  }

  /** None where a message is to be made ready first. */
  #nextReady(queue: number, limit: number, now: number): readonly NextRow[] {
    const values = [queue, now, limit];
    // One row is had for less.
    if (limit > 1) return this.#next.all(values) as unknown as readonly NextRow[];
    const row = this.#next.get(values) as unknown as NextRow | undefined;
    return row === undefined ? [] : [row];
  }

  /** @returns how many have become ready; where it is {@link PROMOTED_AT_ONCE}, more may be overdue */
  #promoteDue(queue: number, now: number): number {
    const { changes } = this.#promote.run([queue, now]);
    if (changes === PROMOTED_AT_ONCE) this.#backlogs.add(queue);
    else this.#backlogs.delete(queue);
    return changes;
  }

  /**
   * The next ones where so many are overdue that making all of them ready would take too long: what is ready and what is
   * delayed but overdue, both in order of delivery, as far as they could be looked through.
   */
  #nextInBacklog(queue: number, limit: number, now: number): { rows: readonly NextRow[]; isCut: boolean } {
    // Ended leases are in no order that helps; there are seldom many.
    const { changes } = this.#promoteEnded.run([queue, now]);
    if (changes === PROMOTED_AT_ONCE) return { rows: [], isCut: true };
    if (this.#isPaused(queue, now)) return { rows: [], isCut: false };
    const ready = this.#ready.all([queue, limit]) as unknown as readonly Candidate[];
    const { due, end } = this.#dueScan.step(queue, FIRST, limit, now);
    // Behind the end of the scan there may be some that come before those that are ready.
    const known = mergeInOrder(ready, due).filter((candidate) => end === undefined || !isBefore(end, candidate));
    const rows = known.slice(0, limit).map(({ id }) => this.#rowOf(id));
    if (rows.length === limit) return { rows, isCut: false };
    this.#promoteDue(queue, now);
    return { rows, isCut: end !== undefined };
  }

  #rowOf(id: number): NextRow {
    return this.#row.get([id]) as unknown as NextRow;
  }

  #bodyBytes(id: number): number {
    return Number(this.#bytes.get([id])?.['bytes']);
  }

  #bodyOf(id: number): unknown {
    return this.#body.get([id])?.['body'];
  }

  #isPaused(queue: number, now: number): boolean {
    return this.#pause.get([queue, now]) !== undefined;
  }
}

/** Makes messages in these states ready whose time has come. Their holders may still settle them: the token stays. */
function promoteSql(states: string): string {
  return `UPDATE messages SET state = ${READY} WHERE id IN
    (SELECT id FROM messages WHERE queue = ?1 AND state IN (${states}) AND rank <= ?2 LIMIT ${PROMOTED_AT_ONCE})`;
}
