import type { Connection, Statement } from './binding.js';
import { DELAYED } from './states.js';

/** A message that can be delivered, by what the order of delivery depends on. */
export interface Candidate {
  readonly id: number;
  readonly priority: number;
}

/** Before every message. */
export const FIRST: Candidate = { priority: -1, id: 0 };

/** How many messages one step looks at: some milliseconds. */
const STEP = 2000;

/** What was found in one step. */
export interface DueFound {
  /** In order of delivery. */
  readonly due: readonly Candidate[];
  /** Where the next step goes on; undefined where there is nothing behind it, or enough was found. */
  readonly end: Candidate | undefined;
}

/**
 * Finds delayed messages whose time has come in order of delivery, which the order of time says nothing about. A step looks
 * at a bounded number of messages, due or not.
 */
export class DueScan {
  readonly #due: Statement;
  readonly #end: Statement;

  constructor(connection: Connection) {
    // `+ 0`: see messages.ts.
    const inOrder = `FROM messages INDEXED BY delayed_in_order
      WHERE queue = ?1 AND state = ${DELAYED} AND (priority, id) > (?2, ?3) ORDER BY priority, id`;
    this.#due = connection.prepare(
      `SELECT id, priority FROM (SELECT id, priority, due ${inOrder} LIMIT ${STEP}) WHERE due <= ?4 LIMIT ?5 + 0`,
    );
    this.#end = connection.prepare(`SELECT id, priority ${inOrder} LIMIT 1 OFFSET ${STEP - 1}`);
  }

  step(queue: number, after: Candidate, limit: number, now: number): DueFound {
    const place = [queue, after.priority, after.id];
    const due = this.#due.all([...place, now, limit]) as unknown as Candidate[];
    const end = due.length < limit ? (this.#end.get(place) as unknown as Candidate | undefined) : undefined;
    return { due, end };
  }
}

/** Both lists, each in order of delivery, as one. */
export function mergeInOrder(first: readonly Candidate[], second: readonly Candidate[]): Candidate[] {
  const merged: Candidate[] = [];
  let at = 0;
  for (const candidate of first) {
    for (let other = second[at]; other !== undefined && isBefore(other, candidate); other = second[++at])
      merged.push(other);
    merged.push(candidate);
  }
  return merged.concat(second.slice(at));
}

/** Whether the one is delivered before the other. */
export function isBefore(one: Candidate, other: Candidate): boolean {
  return one.priority < other.priority || (one.priority === other.priority && one.id < other.id);
}
