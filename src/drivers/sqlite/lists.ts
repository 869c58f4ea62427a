// Lists of messages to store: cut into transactions, and those into steps, between which the event loop gets its turn.
import { checkSize as check, split } from '../sql/lists.js';
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

/** @throws InvalidOptionError */
export function checkSize(body: Uint8Array): void {
  check(body, MAX_BODY_BYTES, 'SQLite');
}
