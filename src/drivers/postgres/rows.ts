// Between rows and what they stand for.
import type { MessageState } from '../../queue/capabilities.js';
import type { StoredMessage } from '../../queue/driver.js';
import { parseFailure } from '../../queue/failure.js';
import type { NewRow, RowSettlement } from '../sql/store.js';
import type { Rows } from './database.js';
import { BURIED, DELAYED, LIVE } from './statements.js';

type Row = Rows[number];

/** The parameters that store rows: an array for each column. */
export function putValues(rows: readonly NewRow[]): readonly unknown[] {
  return [
    rows.map(({ queue }) => queue),
    rows.map(({ priority }) => priority),
    rows.map(({ ttrMs }) => ttrMs),
    rows.map(({ delayMs }) => delayMs),
    rows.map(({ body }) => body),
  ];
}

/** Ids and tokens. */
export function heldValues(settlements: readonly RowSettlement[]): readonly unknown[] {
  return [settlements.map(({ id }) => id), settlements.map(({ token }) => token)];
}

/** The parameters of releases and burials. */
export function changeValues(settlements: readonly RowSettlement[]): readonly unknown[] {
  return [
    ...heldValues(settlements),
    settlements.map(({ kind, delayMs = 0 }) => (kind === 'bury' ? BURIED : delayMs > 0 ? DELAYED : LIVE)),
    settlements.map(({ priority }) => priority ?? null),
    settlements.map(({ delayMs = 0 }) => Math.ceil(delayMs)),
    settlements.map(({ counted = true }) => (counted ? 0 : 1)),
    settlements.map(({ failure }) => failure ?? null),
  ];
}

export function toStoredMessage(row: Row, queue: string): StoredMessage {
  const { dueMs, failure } = row;
  return {
    jobId: String(row['id']),
    queue,
    state: row['state'] as MessageState,
    body: row['body'] as Buffer,
    priority: Number(row['priority']),
    ttrMs: Number(row['ttr']),
    attempts: Number(row['attempts']),
    createdAt: new Date(Number(row['createdMs'])),
    dueAt: dueMs === null ? undefined : new Date(Number(dueMs)),
    failure: failure === null ? undefined : parseFailure(String(failure)),
  };
}
