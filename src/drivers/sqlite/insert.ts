// Storing messages: the statement, its values, and what a message to store is.
import type { PutOptions } from '../../queue/driver.js';
import { MOST_AT_ONCE } from './batch-statement.js';
import type { SqlValue } from './binding.js';
import { DELAYED, READY } from './states.js';

/** What stands where nobody holds the message. As wide as a holder's token, see the schema. */
export const NOBODY: number = 2 ** 46;

/** A message to store in a queue of the file. */
export interface NewMessage {
  readonly queue: number;
  readonly body: Uint8Array;
  readonly options: PutOptions;
}

/** An id that no message has had. */
export const NEXT_ID: string = '(SELECT max(id, (SELECT coalesce(max(id), 0) FROM messages)) FROM highest_id) + 1';

/** The statements that take part in a transaction of the user, on a connection of the user. */
export const INSERT: string = `${insertSql(1)} RETURNING id`;
export const ACK: string = 'DELETE FROM messages WHERE id = ?1 AND token = ?2 RETURNING id';

/**
 * Notes that an id was used whose message is gone, where no message is left that tells so. Before a commit, and before the next
 * message is stored.
 */
export const REMEMBER_HIGHEST: string = `UPDATE highest_id SET id = ?1
  WHERE id < ?1 AND ?1 > (SELECT coalesce(max(id), 0) FROM messages)`;

/** The values of {@link INSERT}. */
export function insertValues({ queue, body, options }: NewMessage, now: number): SqlValue[] {
  return [...columns(queue, options, now), body];
}

/**
 * Stores so many messages that differ in their bodies alone. Ids are never used again, and by their order the oldest message is
 * found. AUTOINCREMENT would do that too, but writes a page more for each message that is put alone.
 */
export function insertSql(count: number): string {
  const rows = Array.from({ length: count }, (_, index) => {
    // Behind the first, SQLite itself gives the next one.
    const id = index === 0 ? NEXT_ID : 'NULL';
    return `(${id}, ?1, ?2, ?3, ?4, ${NOBODY}, ?5, ?6, ?${7 + index})`;
  });
  return `INSERT INTO messages (id, queue, state, priority, due, token, ttr, created, body) VALUES ${rows.join(', ')}`;
}

/** The values of {@link insertSql} before the bodies. */
export function columns(queue: number, { priority, delayMs, ttrMs }: PutOptions, now: number): SqlValue[] {
  const state = delayMs > 0 ? DELAYED : READY;
  return [queue, state, priority, dueAfter(delayMs, now), Math.max(1, Math.ceil(ttrMs)), now];
}

/** A millisecond more than asked for, because `now` may be as good as over. */
export function dueAfter(delayMs: number, now: number): number {
  return delayMs > 0 ? now + Math.ceil(delayMs) + 1 : now;
}

/** The messages from one on that differ in their bodies alone, as far as one statement can store them. */
export function alikeFrom(messages: readonly NewMessage[], start: number): readonly NewMessage[] {
  const first = messages[start];
  const limit = Math.min(messages.length, start + MOST_AT_ONCE);
  let end = start + 1;
  while (end < limit && isAlike(messages[end], first)) end++;
  return messages.slice(start, end);
}

function isAlike(one: NewMessage | undefined, other: NewMessage | undefined): boolean {
  if (one === undefined || one.queue !== other?.queue) return false;
  if (one.options === other.options) return true;
  const { priority, delayMs, ttrMs } = one.options;
  const { options } = other;
  return options.priority === priority && options.delayMs === delayMs && options.ttrMs === ttrMs;
}
