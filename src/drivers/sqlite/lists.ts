// Lists of messages to store: cut into transactions, and those into steps, between which the event loop gets its turn.
import type { PutResult } from '../../queue/driver.js';
import { EngineError, InvalidOptionError } from '../../queue/errors.js';
import type { NewMessage } from './insert.js';

/** How many messages `put` stores in one step of a transaction, and how many bytes. */
const STEP_MESSAGES = 64;
const STEP_BYTES = 128 * 1024;

/** How many messages `put` stores in one transaction, and how many bytes: moving more into the file takes too long. */
const MAX_LIST_MESSAGES = 10_000;
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/** What SQLite can hold in a row, with some room for the rest of it. */
const MAX_BODY_BYTES = 999_990_000;

/** The parts of a list that are stored in one transaction each. */
export function toTransactions(items: readonly NewMessage[]): NewMessage[][] {
  return split(items, MAX_LIST_MESSAGES, MAX_LIST_BYTES);
}

/** The parts of a transaction. */
export function toSteps(items: readonly NewMessage[]): NewMessage[][] {
  return split(items, STEP_MESSAGES, STEP_BYTES);
}

/** One part after another, each of so many messages and bytes at most, or of one message. */
function split(items: readonly NewMessage[], maxMessages: number, maxBytes: number): NewMessage[][] {
  const parts: NewMessage[][] = [];
  let part: NewMessage[] = [];
  let bytes = 0;
  for (const item of items) {
    if (part.length === maxMessages || (part.length > 0 && bytes + item.body.length > maxBytes)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += item.body.length;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/** @throws EngineError that tells which are stored */
export function storedIds(parts: readonly NewMessage[][], stored: readonly PromiseSettledResult<string[]>[]): string[] {
  const ids = stored.map((part, index) =>
    part.status === 'fulfilled' ? part.value : new Array<undefined>(parts[index]?.length ?? 0).fill(undefined),
  );
  const failed = stored.find((part) => part.status === 'rejected');
  if (failed === undefined) return ids.flat() as string[];
  const { reason } = failed;
  const all = ids.flat();
  const count = all.filter((id) => id !== undefined).length;
  if (count === 0 || !(reason instanceof EngineError)) throw reason;
  throw new EngineError(
    `cannot store all ${all.length} messages: only ${count} are known to be stored; ${reason.message}`,
    {
      cause: reason,
      retryable: reason.retryable,
      outcome: 'partial',
      storedIds: all,
    },
  );
}

/** What was stored, part by part. Several parts are not stored together. */
export function stored(ids: readonly string[], parts = 1): PutResult {
  return { atomic: parts <= 1, stored: ids.map((jobId) => ({ jobId, isNew: true })) };
}

/** @throws InvalidOptionError, before something that SQLite refuses spoils the transaction that it shares with others */
export function checkSize(body: Uint8Array): void {
  if (body.length <= MAX_BODY_BYTES) return;
  throw new InvalidOptionError(`a body must be at most ${MAX_BODY_BYTES} bytes in SQLite, got ${body.length}`);
}
