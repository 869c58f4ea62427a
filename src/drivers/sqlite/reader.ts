import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MessageState } from '../../queue/capabilities.js';
import type { ListOptions, MessagePage, QueueStats, StoredMessage } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { parseFailure } from '../../queue/failure.js';
import { preview } from '../../shared/text.js';
import { type Connection, type Statement, toBuffer } from './binding.js';
import { type Candidate, DueScan, FIRST, isBefore, mergeInOrder } from './due-scan.js';
import { BURIED, DELAYED, READY, RESERVED, STATES, stateAt } from './states.js';

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

/** Of how many priorities the message that is next is looked at for the oldest one. */
const PRIORITIES = 100;

/** A message in the order of its state. */
interface Place {
  readonly rank: number;
  readonly id: number;
}

/** A queue of the file. */
export interface QueueRow {
  readonly id: number;
  readonly name: string;
}

/** A message as it stands in the file. */
interface MessageRow {
  readonly queue: number;
  readonly state: number;
  readonly priority: number;
  readonly due: number;
  readonly ttr: number;
  readonly attempts: number;
  readonly created: number;
  readonly failure: string | null;
  readonly body: unknown;
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
  readonly #token: Statement;
  readonly #oldest: Statement;
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
    this.#message = prepare(
      `SELECT queue, state, priority, due, ttr, attempts, created, failure, body FROM messages WHERE id = ?1`,
    );
    this.#token = prepare('SELECT token FROM messages WHERE id = ?1');
    // Of each priority the first message: it has been ready for as long as any behind it, unless one was released meanwhile.
    this.#oldest = prepare(
      `WITH RECURSIVE first (rank) AS (
         SELECT min(rank) FROM messages WHERE queue = ?1 AND state = ${READY}
         UNION ALL
         SELECT (SELECT min(rank) FROM messages WHERE queue = ?1 AND state = ${READY} AND rank > first.rank) FROM first
         WHERE first.rank IS NOT NULL LIMIT ${PRIORITIES}
       )
       SELECT min(since) AS since FROM (
         SELECT (SELECT due FROM messages WHERE queue = ?1 AND state = ${READY} AND rank = first.rank ORDER BY id LIMIT 1) AS since
         FROM first
         UNION ALL SELECT (SELECT min(rank) FROM messages WHERE queue = ?1 AND state = ${DELAYED} AND rank <= ?2)
         UNION ALL SELECT (SELECT min(rank) FROM messages WHERE queue = ?1 AND state = ${RESERVED} AND rank <= ?2))`,
    );
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
      oldestReadyMs: this.#oldestReadyMs(id, now),
    };
  }

  #oldestReadyMs(queue: number, now: number): number | null {
    const since = this.#oldest.get([queue, now])?.['since'];
    return typeof since === 'number' ? Math.max(0, now - since) : null;
  }

  /** How many messages are buried, or are delayed and not due yet. */
  count(queue: number, state: 'buried' | 'delayed', now: number): Promise<number> {
    return this.#count(queue, STATES[state], state === 'delayed' ? now : LOWEST, HIGHEST);
  }

  /** A page of the messages of a state, the next to be delivered first; of the reserved the one whose lease ends first. */
  async list(queue: QueueRow, { state, limit, after }: ListOptions, now: number): Promise<MessagePage> {
    const place = after === undefined ? undefined : parsePlace(after);
    // One more than was asked for tells whether there are more.
    const found =
      state === 'ready'
        ? await this.#ready(queue.id, limit + 1, now, place && { priority: place.rank, id: place.id })
        : await this.#inState(queue.id, state, limit + 1, now, place);
    const messages: StoredMessage[] = [];
    let end = performance.now() + SLICE_MS;
    for (const { id } of found.slice(0, limit)) {
      const message = this.#stored(queue, id, now);
      if (message !== undefined) messages.push(message);
      if (performance.now() < end) continue;
      await nextTurn();
      end = performance.now() + SLICE_MS;
    }
    const last = found[limit - 1];
    return found.length > limit && last !== undefined ? { messages, next: `${rankOf(last)}-${last.id}` } : { messages };
  }

  /** One message of the queue, whatever its state. */
  find(queue: QueueRow, id: number, now: number): StoredMessage | undefined {
    return this.#stored(queue, id, now);
  }

  /** The token of the latest delivery of a message; undefined where there is no such message. */
  tokenOf(id: number): number | undefined {
    return this.#token.get([id])?.['token'] as number | undefined;
  }

  #stored(queue: QueueRow, id: number, now: number): StoredMessage | undefined {
    const row = this.#message.get([id]) as unknown as MessageRow | undefined;
    if (row?.queue !== queue.id) return undefined;
    const state = stateAt(row.state, row.due, now);
    return {
      jobId: String(id),
      queue: queue.name,
      state,
      body: toBuffer(row.body),
      priority: row.priority,
      ttrMs: row.ttr,
      attempts: row.attempts,
      createdAt: new Date(row.created),
      dueAt: state === 'delayed' || state === 'reserved' ? new Date(row.due) : undefined,
      failure: row.failure === null ? undefined : parseFailure(row.failure),
    };
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

  #inState(queue: number, state: MessageState, limit: number, now: number, after: Place | undefined): Promise<Place[]> {
    // Those whose delay or lease has ended are ready.
    const first: Place = { rank: state === 'buried' ? LOWEST : now, id: HIGHEST };
    return this.#list(queue, STATES[state], after !== undefined && after.rank > first.rank ? after : first, limit);
  }

  /** Those behind a place, in order. */
  async #list(queue: number, state: number, after: Place, limit: number): Promise<Place[]> {
    const found: Place[] = [];
    let last = after;
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
  async #ready(queue: number, limit: number, now: number, from: Candidate = FIRST): Promise<Candidate[]> {
    const place = { rank: from.priority, id: from.id };
    const ready = (await this.#list(queue, READY, place, limit)).map(({ rank, id }) => ({ priority: rank, id }));
    const ended = await this.#firstOverdue(queue, RESERVED, limit, now, from);
    const due = await this.#dueDelayed(queue, limit, now, from);
    return mergeInOrder(mergeInOrder(ready, ended), due).slice(0, limit);
  }

  async #dueDelayed(queue: number, limit: number, now: number, from: Candidate): Promise<Candidate[]> {
    const few = this.#overdue.all([queue, DELAYED, now, 0]);
    if (few.length < FEW) return inOrder(few as unknown as Candidate[], from).slice(0, limit);
    const found: Candidate[] = [];
    let after: Candidate | undefined = from;
    while (after !== undefined && found.length < limit) {
      const { due, end }: ReturnType<DueScan['step']> = this.#due.step(queue, after, limit - found.length, now);
      found.push(...due);
      after = end;
      if (after !== undefined) await nextTurn();
    }
    return found;
  }

  /** Looks at all that are overdue. */
  async #firstOverdue(queue: number, state: number, limit: number, now: number, from: Candidate): Promise<Candidate[]> {
    let first: Candidate[] = [];
    for (let offset = 0; ; offset += FEW) {
      const page = this.#overdue.all([queue, state, now, offset]) as unknown as Candidate[];
      first = mergeInOrder(first, inOrder(page, from)).slice(0, limit);
      if (page.length < FEW) return first;
      await nextTurn();
    }
  }
}

function countOf(statement: Statement, values: readonly number[]): number {
  return Number(statement.get(values)?.['count']);
}

/** Those behind `from`. */
function inOrder(candidates: readonly Candidate[], from: Candidate): Candidate[] {
  return candidates
    .filter((candidate) => isBefore(from, candidate))
    .toSorted((one, other) => (isBefore(one, other) ? -1 : 1));
}

function rankOf(place: Place | Candidate): number {
  return 'rank' in place ? place.rank : place.priority;
}

/** @throws InvalidOptionError for what no page has told */
function parsePlace(after: string): Place {
  const [, rank, id] = /^([0-9]{1,16})-([0-9]{1,16})$/.exec(after) ?? [];
  if (rank !== undefined && id !== undefined) return { rank: Number(rank), id: Number(id) };
  throw new InvalidOptionError(`after must be the next of an earlier page, got ${preview(after)}`);
}
