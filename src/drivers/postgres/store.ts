import { randomInt } from 'node:crypto';
import type { MessageState } from '../../queue/capabilities.js';
import type {
  ListOptions,
  MessagePage,
  QueueStats,
  Selection,
  StoredMessage,
  Transaction,
  TransactionClient,
} from '../../queue/driver.js';
import { type HaricotError, InvalidOptionError } from '../../queue/errors.js';
import { preview } from '../../shared/text.js';
import type {
  ClaimedRow,
  ClaimRequest,
  JoinedTransaction,
  NewRow,
  Round,
  RoundResult,
  RowSettlement,
  SqlStore,
} from '../sql/store.js';
import { claimFromEach } from '../sql/turns.js';
import type { Database, Rows } from './database.js';
import { Notifications } from './notifications.js';
import { changeValues, heldValues, putValues, toStoredMessage } from './rows.js';
import { migrate } from './schema.js';
import { KIND, STEP_ROWS, Statements } from './statements.js';
import { PostgresClient, UserTransaction } from './transaction.js';
import type { PostgresAddress } from './url.js';

interface QueueRow {
  readonly id: number;
  readonly name: string;
}

/** Bodies travel as text, twice as long; a string of JavaScript holds about 512 MiB. */
const MAX_BODY_BYTES = 128 * 1024 * 1024;

/** A safety net: notifications wake those who wait. Without them, it is how soon a message is found. */
const POLL_MS = [50, 250, 1000, 5000, 30_000, 300_000];
const POLL_MS_WITHOUT_NOTIFICATIONS = [50, 250, 1000];

/** Below any place in a list. */
const FIRST = ['-1', '0'] as const;

/** The tables of haricot in a PostgreSQL database. */
export class PostgresStore implements SqlStore {
  readonly system = 'postgresql';
  readonly maxBodyBytes: number = MAX_BODY_BYTES;
  readonly putRows = 1000;
  readonly putBytes: number = 4 * 1024 * 1024;
  readonly pollMs: readonly number[];
  readonly #database: Database;
  readonly #schema: string;
  readonly #statements: Statements;
  readonly #notifications: Notifications;

  constructor(database: Database, { schema, isPrepared }: PostgresAddress) {
    this.#database = database;
    this.#schema = schema;
    this.#statements = new Statements(schema);
    this.#notifications = new Notifications(database, this.#statements, schema);
    this.pollMs = isPrepared ? POLL_MS : POLL_MS_WITHOUT_NOTIFICATIONS;
  }

  set onNotification(listener: SqlStore['onNotification']) {
    this.#notifications.onNotification = listener;
  }

  async setUp(): Promise<void> {
    await this.#database.with((client) => migrate(client, this.#schema), `cannot set up schema ${this.#schema}`, false);
  }

  async queueIds(names: readonly string[], create: boolean): Promise<ReadonlyMap<string, number>> {
    const what = 'cannot look up a queue';
    let rows = await this.#rows(this.#statements.queueIds, [names], what);
    if (create && rows.length < names.length) {
      await this.#database.run(this.#statements.addQueues, [names], what, false);
      rows = await this.#rows(this.#statements.queueIds, [names], what);
    }
    return new Map(rows.map(({ name, id }) => [String(name), Number(id)]));
  }

  async put(rows: readonly NewRow[]): Promise<readonly string[]> {
    const result = await this.#database.run(this.#statements.put, putValues(rows), 'cannot store messages');
    return result.rows.map(({ id }) => String(id));
  }

  async round({ settlements, claims }: Round): Promise<RoundResult> {
    const [only, ...others] = claims;
    const [queue, ...otherQueues] = only?.queues ?? [];
    // One queue, and one that wants of it: all in one statement.
    if (only && queue !== undefined && others.length + otherQueues.length === 0) {
      const first = await this.#runRound(settlements, queue, only.limit);
      return { settled: first.settled, claimed: [await this.#rest(queue, only.limit, first)] };
    }
    const settled = settlements.length > 0 ? (await this.#runRound(settlements)).settled : [];
    const claimed: (readonly ClaimedRow[] | Error)[] = [];
    for (const claim of claims) claimed.push(await this.#claimFromEach(claim).catch((error: HaricotError) => error));
    return { settled, claimed };
  }

  join(transaction: Transaction): JoinedTransaction {
    return new UserTransaction(transaction, this.#statements, this.#schema);
  }

  transaction<T>(work: (client: TransactionClient) => Promise<T>): Promise<T> {
    return this.#database.transaction(async (client) => {
      const own = new PostgresClient(client);
      try {
        return await work(own);
      } finally {
        own.end();
      }
    });
  }

  async tokenOf(id: string): Promise<number | undefined> {
    const [row] = await this.#rows(this.#statements.token, [id], 'cannot look up a message');
    return row && Number(row['token']);
  }

  async stats(names: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    const rows = await this.#rows(this.#statements.stats, [names], 'cannot count messages');
    const found = new Map(rows.map((row) => [String(row['name']), toStats(row)]));
    return names.map((name) => found.get(name) ?? null);
  }

  async list({ id, name }: QueueRow, { state, limit, after }: ListOptions): Promise<MessagePage> {
    const place = after === undefined ? FIRST : parsePlace(after);
    // One more than was asked for tells whether there are more.
    const rows = await this.#rows(this.#statements.list(state), [id, ...place, limit + 1], 'cannot list messages');
    const messages = rows.slice(0, limit).map((row) => toStoredMessage(row, name));
    const last = rows[limit - 1];
    return rows.length > limit && last ? { messages, next: `${last['place']}-${last['id']}` } : { messages };
  }

  async find({ id, name }: QueueRow, jobId: string): Promise<StoredMessage | null> {
    const [row] = await this.#rows(this.#statements.find, [id, jobId], 'cannot find a message');
    return row ? toStoredMessage(row, name) : null;
  }

  retry(queue: number, selection: Selection, body: Buffer | undefined): Promise<number> {
    return this.#makeReady('buried', queue, selection, body);
  }

  promote(queue: number, selection: Selection): Promise<number> {
    return this.#makeReady('delayed', queue, selection, undefined);
  }

  async delete(queue: number, ids: readonly string[]): Promise<readonly string[]> {
    const { rows } = await this.#database.run(this.#statements.delete, [queue, ids], 'cannot delete messages');
    return rows.map(({ id }) => String(id));
  }

  async flush(queue: number, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number> {
    const what = 'cannot flush a queue';
    // What is published meanwhile stays, so that it ends.
    const [last] = await this.#rows(this.#statements.highestId, [], what);
    let count = 0;
    for (const state of ['delayed', 'buried', 'ready'] as const) {
      if (!states.includes(state)) continue;
      for (let removed = STEP_ROWS; removed === STEP_ROWS; count += removed) {
        removed = await this.#change(this.#statements.flush(state), [queue, last?.['id']], what);
      }
    }
    return count;
  }

  move(queue: number, target: number, ids: readonly string[]): Promise<number> {
    return this.#change(this.#statements.move, [queue, target, ids], 'cannot move messages');
  }

  async queueNames(prefix: string): Promise<readonly string[]> {
    const rows = await this.#rows(this.#statements.queueNames, [prefix], 'cannot list the queues');
    return rows.map(({ name }) => String(name));
  }

  async pause(queue: number, ms: number): Promise<void> {
    await this.#change(this.#statements.pause, [queue, Math.ceil(ms)], 'cannot pause a queue');
  }

  async nextDueMs(queues: readonly number[]): Promise<number> {
    const [row] = await this.#rows(this.#statements.nextDue, [queues], 'cannot wait for messages');
    const ms = row?.['ms'];
    return typeof ms === 'string' ? Math.max(0, Number(ms)) : Number.POSITIVE_INFINITY;
  }

  listen(queues: readonly number[]): Promise<boolean> {
    return this.#notifications.listen(queues);
  }

  notify(queues: readonly number[]): void {
    this.#notifications.notify(queues);
  }

  async close(): Promise<void> {
    await this.#notifications.close();
    await this.#database.close();
  }

  async #makeReady(
    state: 'buried' | 'delayed',
    queue: number,
    selection: Selection,
    body: Buffer | undefined,
  ): Promise<number> {
    const what = state === 'buried' ? 'cannot retry messages' : 'cannot promote messages';
    if ('ids' in selection) {
      const sql = this.#statements.makeReady(state, 'ids', body !== undefined);
      return this.#change(sql, [queue, selection.ids, ...(body ? [body] : [])], what);
    }
    // No more than there are now: those that are buried or delayed again meanwhile stay.
    const [row] = await this.#rows(this.#statements.count(state), [queue], what);
    const most = Math.min(selection.limit, Number(row?.['count']));
    let count = 0;
    while (count < most) {
      const step = Math.min(STEP_ROWS, most - count);
      const changed = await this.#change(this.#statements.makeReady(state, 'limit'), [queue, step], what);
      if (changed === 0) break;
      count += changed;
    }
    return count;
  }

  async #claimFromEach(claim: ClaimRequest): Promise<readonly ClaimedRow[]> {
    const { queues } = claim;
    // Most of many queues are empty, most of the time.
    const asked =
      queues.length === 1
        ? queues
        : (await this.#rows(this.#statements.candidates, [queues], 'cannot reserve messages')).map(({ id }) =>
            Number(id),
          );
    return claimFromEach({ ...claim, queues: asked }, async (queue, limit) =>
      this.#rest(queue, limit, await this.#runRound([], queue, limit)),
    );
  }

  /** What was claimed, and more where messages have just become ready. */
  async #rest(queue: number, limit: number, first: RoundRows): Promise<readonly ClaimedRow[]> {
    const rows = [...first.claimed];
    let { hasPromoted } = first;
    try {
      while (hasPromoted && rows.length < limit) {
        const next = await this.#runRound([], queue, limit - rows.length);
        rows.push(...next.claimed);
        hasPromoted = next.hasPromoted;
      }
    } catch {
      // What was claimed counts; whatever is wrong, the next claim meets it.
    }
    return rows;
  }

  async #runRound(settlements: readonly RowSettlement[], queue?: number, limit = 0): Promise<RoundRows> {
    const acks = settlements.filter(({ kind }) => kind === 'ack');
    const touches = settlements.filter(({ kind }) => kind === 'touch');
    const changes = settlements.filter(({ kind }) => kind === 'release' || kind === 'bury');
    const token = randomInt(1, 2 ** 48 - 1);
    const statement = this.#statements.round({
      ack: acks.length > 0,
      touch: touches.length > 0,
      change: changes.length > 0,
      claim: queue !== undefined,
    });
    const values = [
      ...(acks.length > 0 ? heldValues(acks) : []),
      ...(touches.length > 0 ? heldValues(touches) : []),
      ...(changes.length > 0 ? changeValues(changes) : []),
      ...(queue === undefined ? [] : [queue, limit, token]),
    ];
    const what = settlements.length > 0 ? 'cannot settle messages' : 'cannot reserve messages';
    const { rows } = await this.#database.run(statement, values, what, settlements.length > 0);
    return toRoundRows(rows, settlements, queue ?? 0, token);
  }

  async #rows(sql: Parameters<Database['run']>[0], values: readonly unknown[], what: string): Promise<Rows> {
    return (await this.#database.run(sql, values, what, false)).rows;
  }

  async #change(sql: string, values: readonly unknown[], what: string): Promise<number> {
    return (await this.#database.run(sql, values, what)).rowCount ?? 0;
  }
}

interface RoundRows {
  readonly settled: readonly boolean[];
  readonly claimed: readonly ClaimedRow[];
  readonly hasPromoted: boolean;
}

function toRoundRows(rows: Rows, settlements: readonly RowSettlement[], queue: number, token: number): RoundRows {
  const done = new Set<string>();
  const claimed: (ClaimedRow & { readonly priority: number })[] = [];
  let hasPromoted = false;
  for (const row of rows) {
    const id = String(row['id']);
    if (row['kind'] === KIND.promoted) {
      hasPromoted = true;
    } else if (row['kind'] === KIND.claimed) {
      const [priority, ttrMs, attempt] = [Number(row['priority']), Number(row['ttr']), Number(row['attempts'])];
      claimed.push({ id, queue, token, priority, ttrMs, attempt, body: row['body'] as Buffer });
    } else {
      done.add(id);
    }
  }
  // The server returns them in no order.
  claimed.sort((one, other) => one.priority - other.priority || compareIds(one.id, other.id));
  return { settled: settlements.map(({ id }) => done.has(id)), claimed, hasPromoted };
}

function compareIds(one: string, other: string): number {
  return one.length - other.length || (one < other ? -1 : 1);
}

function toStats(row: Rows[number]): QueueStats {
  const { pausedUntil, oldestReadyMs } = row;
  return {
    ready: Number(row['ready']),
    delayed: Number(row['delayed']),
    reserved: Number(row['reserved']),
    buried: Number(row['buried']),
    pausedUntil: pausedUntil === null ? null : new Date(Number(pausedUntil)),
    oldestReadyMs: oldestReadyMs === null ? null : Math.max(0, Number(oldestReadyMs)),
  };
}

/** @throws InvalidOptionError for what no page has told */
function parsePlace(after: string): readonly [string, string] {
  const [, place, id] = /^(-?[0-9]{1,18})-([0-9]{1,18})$/.exec(after) ?? [];
  if (place !== undefined && id !== undefined) return [place, id];
  throw new InvalidOptionError(`after must be the next of an earlier page, got ${preview(after)}`);
}
