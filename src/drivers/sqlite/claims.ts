import { randomInt } from 'node:crypto';
import type { Connection, Statement } from './binding.js';
import { DueScan, FIRST, isBefore, mergeInOrder } from './due-scan.js';
import { GIVE_BACK } from './insert.js';
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
  readonly priority: number;
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
  readonly priority: number;
  readonly ttr: number;
  /** Before this delivery. */
  readonly attempts: number;
  readonly body: { readonly byteLength: number } | null;
  /** 1 where others are to be made ready first; missing where that was looked at before. */
  readonly overdue?: number;
}

/** What is known of a message that can be taken. `body` is null where it is large. */
const NEXT_COLUMNS = `id, priority, ttr, attempts,
  CASE WHEN length(body) <= ${SMALL_BODY_BYTES} THEN body END AS body`;

/** Whether a message of queue ?1 is to be made ready first, because its delay or lease has ended at ?2. */
const IS_OVERDUE = `EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND state IN (${DELAYED}, ${RESERVED}) AND rank <= ?2)`;
const IS_PAUSED = 'EXISTS (SELECT 1 FROM queues WHERE id = ?1 AND paused_until > ?2)';

/** From how many on one statement takes messages, instead of one that finds them and one for each. */
const MANY = 8;

/** The SQL by which messages are taken. All times are ms since the epoch, `now` is the caller's. Called inside of a transaction. */
export class Claims {
  readonly #ready: Statement;
  readonly #claimMany: Statement;
  readonly #claim: Statement;
  readonly #promote: Statement;
  readonly #promoteEnded: Statement;
  readonly #giveBack: Statement;
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
    this.#ready = connection.prepare(
      `SELECT ${NEXT_COLUMNS}, ${IS_OVERDUE} AS overdue FROM messages
       WHERE queue = ?1 AND state = ${READY} AND NOT ${IS_PAUSED} ORDER BY rank, id LIMIT ?3 + 0`,
    );
    this.#claimMany = connection.prepare(
      `UPDATE messages SET state = ${RESERVED}, due = ?2 + ttr, token = ?4, attempts = attempts + 1 WHERE id IN (
         SELECT id FROM messages WHERE queue = ?1 AND state = ${READY} AND NOT ${IS_PAUSED} AND NOT ${IS_OVERDUE}
         ORDER BY rank, id LIMIT ?3 + 0)
       RETURNING id, priority, ttr, attempts - 1 AS attempts,
         CASE WHEN length(body) <= ${SMALL_BODY_BYTES} THEN body END AS body`,
    );
    this.#claim = connection.prepare(
      `UPDATE messages SET state = ${RESERVED}, due = ?2, token = ?3, attempts = attempts + 1 WHERE id = ?1`,
    );
    this.#promote = connection.prepare(promoteSql(`${DELAYED}, ${RESERVED}`));
    this.#promoteEnded = connection.prepare(promoteSql(String(RESERVED)));
    this.#giveBack = connection.prepare(GIVE_BACK);
    this.#row = connection.prepare(`SELECT ${NEXT_COLUMNS} FROM messages WHERE id = ?1`);
    this.#bytes = connection.prepare('SELECT length(body) AS bytes FROM messages WHERE id = ?1');
    this.#body = connection.prepare('SELECT body FROM messages WHERE id = ?1');
    this.#pause = connection.prepare('SELECT 1 FROM queues WHERE id = ?1 AND paused_until > ?2');
    this.#dueScan = new DueScan(connection);
  }

  /** Takes up to `limit` messages, the next ones in order. */
  claim(queue: number, limit: number, budget: ClaimBudget, now: number): Claim {
    const token = ++this.#token;
    const isBacklog = this.#backlogs.has(queue);
    const many = limit >= MANY && !isBacklog ? this.#takeMany(queue, limit, token, now) : [];
    const isTaken = many.length > 0;
    const { rows, isCut } = isTaken ? { rows: many, isCut: false } : this.#next(queue, limit, isBacklog, now);
    const messages: Claimed[] = [];
    for (const { id, priority, ttr, attempts, body } of rows) {
      const bytes = body === null ? this.#bodyBytes(id) : body.byteLength;
      // One is taken at least, however large it is.
      if (bytes > budget.bytes && budget.bytes < CLAIM_BYTES) {
        if (isTaken) for (const row of rows.slice(messages.length)) this.#giveBack.run([row.id, token, now]);
        return { messages, isCut: true };
      }
      budget.bytes -= bytes;
      if (!isTaken) this.#claim.run([id, now + ttr, token]);
      messages.push({ id, priority, ttr, attempts, token, body: body ?? this.#bodyOf(id) });
    }
    return { messages, isCut };
  }

  /** None where a message is to be made ready first. */
  #takeMany(queue: number, limit: number, token: number, now: number): readonly NextRow[] {
    const rows = this.#claimMany.all([queue, now, limit, token]) as unknown as NextRow[];
    // They come in no order.
    return rows.sort((one, other) => (isBefore(one, other) ? -1 : 1));
  }

  /** The next ones in order, after those were made ready whose time has come. */
  #next(queue: number, limit: number, isBacklog: boolean, now: number): { rows: readonly NextRow[]; isCut: boolean } {
    if (isBacklog) return this.#nextInBacklog(queue, limit, now);
    const first = this.#nextReady(queue, limit, now);
    if (first.rows[0]?.overdue === 0) return first;
    return this.#promoteDue(queue, now) ? this.#nextInBacklog(queue, limit, now) : this.#nextReady(queue, limit, now);
  }

  #nextReady(queue: number, limit: number, now: number): { rows: readonly NextRow[]; isCut: boolean } {
    const values = [queue, now, limit];
    // One row is had for less.
    if (limit > 1) return { rows: this.#ready.all(values) as unknown as readonly NextRow[], isCut: false };
    const row = this.#ready.get(values) as unknown as NextRow | undefined;
    return { rows: row === undefined ? [] : [row], isCut: false };
  }

  /** @returns whether more may be overdue than have become ready */
  #promoteDue(queue: number, now: number): boolean {
    const isBacklog = this.#promote.run([queue, now]).changes === PROMOTED_AT_ONCE;
    if (isBacklog) this.#backlogs.add(queue);
    else this.#backlogs.delete(queue);
    return isBacklog;
  }

  /**
   * The next ones where so many are overdue that making all of them ready would take too long: what is ready and what is
   * delayed but overdue, both in order of delivery, as far as they could be looked through.
   */
  #nextInBacklog(queue: number, limit: number, now: number): { rows: readonly NextRow[]; isCut: boolean } {
    // Ended leases are in no order that helps; there are seldom many.
    const { changes } = this.#promoteEnded.run([queue, now]);
    if (changes === PROMOTED_AT_ONCE) return { rows: [], isCut: true };
    const { rows: ready } = this.#nextReady(queue, limit, now);
    if (this.#isPaused(queue, now)) return { rows: [], isCut: false };
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
