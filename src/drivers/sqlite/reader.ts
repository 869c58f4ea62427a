import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PeekState, QueueStats, StoredMessage } from '../../queue/driver.js';
import { parseFailure } from '../../queue/failure.js';
import { type Connection, type Statement, toBuffer } from './binding.js';
import { type Candidate, DueScan, FIRST, isBefore, mergeInOrder } from './due-scan.js';
import { BURIED, DELAYED, READY, RESERVED, STATES } from './states.js';

/** How many rows are counted, or found, before the event loop gets its turn: one or two milliseconds. */
const COUNTED_AT_ONCE = 20_000;
const FOUND_AT_ONCE = 500;

/** How long bodies are read before the event loop gets its turn. */
const SLICE_MS = 5;

/** As many as these whose time has come are sorted; more are looked for in order. */
const FEW = 1000;

/** Below and above any rank. */
const LOWEST = -1;
const HIGHEST = Number.MAX_SAFE_INTEGER;

/** A message in the order of its state. */
interface Place {
  readonly rank: number;
  readonly id: number;
}

/**
 * Looks into the queues, in a read transaction of its own. What may be much is read in steps, between which the event loop
 * gets its turn. All times are ms since the epoch.
 */
export class MessageReader {
  readonly #queue: Statement;
  readonly #queues: Statement;
  readonly #end: Statement;
  readonly #rest: Statement;
  readonly #endOfRank: Statement;
  readonly #restOfRank: Statement;
  readonly #above: Statement;
  readonly #ofRank: Statement;
  readonly #overdue: Statement;
  readonly #message: Statement;
  readonly #due: DueScan;

  constructor(connection: Connection) {
    const prepare = (sql: string): Statement => connection.prepare(sql);
    this.#queue = prepare('SELECT id, paused_until AS until FROM queues WHERE name = ?1');
    this.#queues = prepare(
      `SELECT name FROM queues
       WHERE name > ?1 AND (paused_until > ?2 OR EXISTS (SELECT 1 FROM messages WHERE queue = queues.id))
       ORDER BY name LIMIT ${FOUND_AT_ONCE}`,
    );
    // Two statements for one order: SQLite would skip all of a rank for `(rank, id) > (…)`, one by one.
    const above = 'FROM messages WHERE queue = ?1 AND state = ?2 AND rank > ?3 AND rank <= ?4';
    const ofRank = 'FROM messages WHERE queue = ?1 AND state = ?2 AND rank = ?3 AND id > ?4';
    this.#end = prepare(`SELECT rank, id ${above} ORDER BY rank, id LIMIT 1 OFFSET ${COUNTED_AT_ONCE - 1}`);
    this.#rest = prepare(`SELECT count(*) AS count ${above}`);
    this.#endOfRank = prepare(`SELECT rank, id ${ofRank} ORDER BY id LIMIT 1 OFFSET ${COUNTED_AT_ONCE - 1}`);
    this.#restOfRank = prepare(`SELECT count(*) AS count ${ofRank}`);
    this.#above = prepare(`SELECT rank, id ${above} ORDER BY rank, id LIMIT ?5 + 0`);
    this.#ofRank = prepare(`SELECT rank, id ${ofRank} ORDER BY id LIMIT ?5 + 0`);
    this.#overdue = prepare(
      `SELECT rank, id, priority FROM messages WHERE queue = ?1 AND state = ?2 AND rank <= ?3 ORDER BY rank, id
       LIMIT ${FEW} OFFSET ?4`,
    );
    this.#message = prepare('SELECT body, failure FROM messages WHERE id = ?1');
    this.#due = new DueScan(connection);
  }

  /** The first statement of the transaction: from now on it sees one state of the file. */
  begin(): void {
    this.#queue.get(['']);
  }

  /** The queue's number in this file; undefined where there is none of that name. */
  queueId(name: string): number | undefined {
    return this.#queue.get([name])?.['id'] as number | undefined;
  }

  /** Those with that prefix that have messages or are paused, by name. */
  async queueNames(prefix: string, now: number): Promise<string[]> {
    const names: string[] = [];
    let after = prefix;
    for (;;) {
      const page = this.#queues.all([after, now]).map(({ name }) => String(name));
      names.push(...page.filter((name) => name.startsWith(prefix)));
      const last = page.at(-1);
      if (page.length < FOUND_AT_ONCE || last === undefined || !last.startsWith(prefix)) return names;
      after = last;
      await nextTurn();
    }
  }

  /** Undefined where there is no such queue. */
  async stats(name: string, now: number): Promise<QueueStats | undefined> {
    const row = this.#queue.get([name]) as { id: number; until: number } | undefined;
    if (row === undefined) return undefined;
    const { id, until } = row;
    // Those whose time has come are ready, though nobody has made them so yet.
    return {
      ready:
        (await this.#count(id, READY, LOWEST, HIGHEST)) +
        (await this.#count(id, DELAYED, LOWEST, now)) +
        (await this.#count(id, RESERVED, LOWEST, now)),
      delayed: await this.#count(id, DELAYED, now, HIGHEST),
      reserved: await this.#count(id, RESERVED, now, HIGHEST),
      buried: await this.#count(id, BURIED, LOWEST, HIGHEST),
      pausedUntil: until > now ? new Date(until) : null,
    };
  }

  /** How many messages are buried, or are delayed and not due yet. */
  count(queue: number, state: 'buried' | 'delayed', now: number): Promise<number> {
    return this.#count(queue, STATES[state], state === 'delayed' ? now : LOWEST, HIGHEST);
  }

  /** Messages at rest, the next to be delivered first. */
  async peek(queue: number, state: PeekState, limit: number, now: number): Promise<StoredMessage[]> {
    const ids =
      state === 'ready' ? await this.#ready(queue, limit, now) : await this.#inState(queue, state, limit, now);
    const messages: StoredMessage[] = [];
    let end = performance.now() + SLICE_MS;
    for (const { id } of ids) {
      const { body, failure } = this.#message.get([id]) ?? {};
      messages.push({
        id: String(id),
        state,
        body: toBuffer(body),
        ...(typeof failure === 'string' && { failure: parseFailure(failure) }),
      });
      if (performance.now() < end) continue;
      await nextTurn();
      end = performance.now() + SLICE_MS;
    }
    return messages;
  }

  /** How many have a rank above `from`, and not above `to`. */
  async #count(queue: number, state: number, from: number, to: number): Promise<number> {
    let count = 0;
    let rank = from;
    for (;;) {
      const end = this.#end.get([queue, state, rank, to]) as unknown as Place | undefined;
      if (end === undefined) return count + countOf(this.#rest, [queue, state, rank, to]);
      await nextTurn();
      count += COUNTED_AT_ONCE + (await this.#countOfRank(queue, state, end));
      rank = end.rank;
    }
  }

  /** How many have the same rank and come behind. */
  async #countOfRank(queue: number, state: number, { rank, id }: Place): Promise<number> {
    let count = 0;
    let after = id;
    for (;;) {
      const end = this.#endOfRank.get([queue, state, rank, after]) as unknown as Place | undefined;
      if (end === undefined) return count + countOf(this.#restOfRank, [queue, state, rank, after]);
      await nextTurn();
      count += COUNTED_AT_ONCE;
      after = end.id;
    }
  }

  #inState(queue: number, state: PeekState, limit: number, now: number): Promise<Place[]> {
    return this.#list(queue, STATES[state], state === 'delayed' ? now : LOWEST, limit);
  }

  /** Those with a rank above `from`, in order. */
  async #list(queue: number, state: number, from: number, limit: number): Promise<Place[]> {
    const found: Place[] = [];
    let last: Place = { rank: from, id: HIGHEST };
    while (found.length < limit) {
      const count = Math.min(FOUND_AT_ONCE, limit - found.length);
      const page = this.#ofRank.all([queue, state, last.rank, last.id, count]);
      if (page.length < count) page.push(...this.#above.all([queue, state, last.rank, HIGHEST, count - page.length]));
      found.push(...(page as unknown as Place[]));
      const end = found.at(-1);
      if (page.length < count || end === undefined) break;
      last = end;
      await nextTurn();
    }
    return found;
  }

  /** Those too whose time has come, though nobody has made them ready yet. */
  async #ready(queue: number, limit: number, now: number): Promise<Candidate[]> {
    const ready = (await this.#list(queue, READY, LOWEST, limit)).map(({ rank, id }) => ({ priority: rank, id }));
    const ended = await this.#firstOverdue(queue, RESERVED, limit, now);
    const due = await this.#dueDelayed(queue, limit, now);
    return mergeInOrder(mergeInOrder(ready, ended), due).slice(0, limit);
  }

  async #dueDelayed(queue: number, limit: number, now: number): Promise<Candidate[]> {
    const few = this.#overdue.all([queue, DELAYED, now, 0]);
    if (few.length < FEW) return inOrder(few as unknown as Candidate[]).slice(0, limit);
    const found: Candidate[] = [];
    let after: Candidate | undefined = FIRST;
    while (after !== undefined && found.length < limit) {
      const { due, end }: ReturnType<DueScan['step']> = this.#due.step(queue, after, limit - found.length, now);
      found.push(...due);
      after = end;
      if (after !== undefined) await nextTurn();
    }
    return found;
  }

  /** Looks at all that are overdue. */
  async #firstOverdue(queue: number, state: number, limit: number, now: number): Promise<Candidate[]> {
    let first: Candidate[] = [];
    for (let offset = 0; ; offset += FEW) {
      const page = this.#overdue.all([queue, state, now, offset]) as unknown as Candidate[];
      first = mergeInOrder(first, inOrder(page)).slice(0, limit);
      if (page.length < FEW) return first;
      await nextTurn();
    }
  }
}

function countOf(statement: Statement, values: readonly number[]): number {
  return Number(statement.get(values)?.['count']);
}

function inOrder(candidates: readonly Candidate[]): Candidate[] {
  return candidates.toSorted((one, other) => (isBefore(one, other) ? -1 : 1));
}
