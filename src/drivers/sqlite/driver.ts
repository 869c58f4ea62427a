import type { Capabilities, MessageState } from '../../queue/capabilities.js';
import { checkDecimalId } from '../../queue/checks.js';
import type {
  ConsumeOptions,
  Consumer,
  Driver,
  ListOptions,
  MessagePage,
  PutItem,
  PutResult,
  QueueStats,
  RetrySelection,
  Selection,
  StoredMessage,
  Transaction,
  TransactionClient,
} from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { checkPrefix, checkPrefixedName, queuesBehind } from '../../queue/name.js';
import { keepBytes } from '../../shared/bytes.js';
import type { ConsumedQueue } from '../sql/base-consumer.js';
import { stored, storedIds } from '../sql/lists.js';
import { ClaimScheduler } from './claim-scheduler.js';
import { SqliteConsumer } from './consumer.js';
import { type OpenOptions, SqliteFile } from './file.js';
import { GroupCommit } from './group-commit.js';
import { dueAfter, type NewMessage } from './insert.js';
import { checkSize, toSteps, toTransactions } from './lists.js';
import { join, leave } from './local-notifier.js';
import type { Messages, Range } from './messages.js';
import type { QueueRow } from './reader.js';
import { UserTransaction } from './transaction.js';
import { parseUrl } from './url.js';

/**
 * Opens the file, which is made when there is none.
 * @param url `sqlite:./haricot.db?synchronous=normal|full&busyTimeout=5s`
 * @throws InvalidOptionError for what is no such URL, EngineError when the file cannot be used
 */
export async function openSqlite(
  url: string,
  { prefix }: { readonly prefix: string },
  options: OpenOptions = {},
): Promise<Driver> {
  const address = parseUrl(url);
  checkPrefix(prefix);
  return new SqliteDriver(await SqliteFile.open(address, options), prefix);
}

/** How long a call that names messages changes them in one transaction: one with a large body takes as long as many others. */
const STEP_MS = 3;

/** In the way that messages go, so that none is overlooked. */
const FLUSHED: Readonly<Record<Exclude<MessageState, 'reserved'>, readonly Range[]>> = {
  delayed: ['delayed'],
  buried: ['buried'],
  ready: ['overdue', 'ended', 'ready'],
};

/** Queues in one file that several processes may have open. See protocol-notes/sqlite.md. */
class SqliteDriver implements Driver {
  readonly system = 'sqlite';
  readonly capabilities: Capabilities = {
    returnsOnDisconnect: false,
    deduplication: 'none',
    groups: false,
    expiry: false,
  };
  readonly #file: SqliteFile;
  readonly #prefix: string;
  readonly #commits: GroupCommit;
  readonly #claims: ClaimScheduler;
  /** Tells others in this process that the file has changed. */
  readonly #onCommit: () => void;
  readonly #consumers = new Set<SqliteConsumer>();
  readonly #queueIds = new Map<string, number>();
  #closing: Promise<void> | undefined;

  constructor(file: SqliteFile, prefix: string) {
    this.#file = file;
    this.#prefix = prefix;
    this.#claims = new ClaimScheduler(file, () => this.#commits.schedule());
    this.#commits = new GroupCommit(file, this.#claims);
    const listeners = join(file.address.path, this.#claims);
    this.#onCommit = () => {
      this.#claims.onCommit();
      if (listeners.size === 1) return;
      for (const listener of listeners) {
        if (listener !== this.#claims) listener.wake();
      }
    };
    this.#commits.onCommit = this.#onCommit;
    file.guard.isSameContent = () => this.#areQueuesKnown();
  }

  async setUp(queue: string): Promise<void> {
    await this.#queueId(queue);
  }

  /** Stored in one transaction; a list that is very long in several, so that nobody is held up for long. */
  async put(
    items: readonly PutItem[],
    { transaction }: { readonly transaction?: Transaction | undefined } = {},
  ): Promise<PutResult> {
    for (const { body } of items) checkSize(body);
    const kept = items.map(({ queue, body, options }) => ({ queue, body: keepBytes(body), options }));
    if (transaction !== undefined) return stored(await this.#putIn(transaction, kept));
    const messages: NewMessage[] = [];
    for (const { queue, body, options } of kept) {
      const known = this.#queueId(queue);
      // Nothing is waited for that need not be: calls of one tick share a transaction.
      messages.push({ queue: typeof known === 'number' ? known : await known, body, options });
    }
    const [first] = messages;
    if (messages.length === 1 && first !== undefined) return stored(await this.#putOne(first));
    const parts = toTransactions(messages);
    const outcomes = await Promise.allSettled(parts.map((part) => this.#putList(part)));
    return stored(storedIds(parts, outcomes), parts.length);
  }

  async #putOne(message: NewMessage): Promise<string[]> {
    const id = await this.#commits.add((messages, now) => {
      this.#claims.ready(message.queue);
      return messages.put(message, now);
    }, true);
    return [String(id)];
  }

  /** All of it or nothing. */
  #putList(items: readonly NewMessage[]): Promise<string[]> {
    const [first = [], ...others] = toSteps(items);
    const ready = (): void => {
      for (const queue of new Set(items.map((item) => item.queue))) this.#claims.ready(queue);
    };
    if (others.length === 0) {
      return this.#commits.add((messages, now) => {
        ready();
        return messages.putMany(first, now).map(String);
      });
    }
    return this.#commits.addSteps(function* (messages, now) {
      const ids: string[] = [];
      for (const step of [first, ...others]) {
        ids.push(...messages.putMany(step, now).map(String));
        yield;
      }
      ready();
      return ids;
    });
  }

  /** In a transaction of the user. Nobody is told: other processes' messages are not either, and are found soon. */
  async #putIn(transaction: Transaction, items: readonly PutItem[]): Promise<string[]> {
    const target = await this.#join(transaction);
    const messages: NewMessage[] = [];
    // A queue that is new is part of the transaction, so that its number may not be kept.
    for (const { queue, body, options } of items)
      messages.push({ queue: this.#queueIds.get(queue) ?? (await target.queueId(this.#nameOf(queue))), body, options });
    return target.put(messages, Date.now());
  }

  #join(transaction: Transaction): Promise<UserTransaction> {
    this.#checkOpen();
    return UserTransaction.of(transaction, this.#file.address.path);
  }

  async consume(queues: readonly string[], { order = 'fair' }: ConsumeOptions = {}): Promise<Consumer> {
    this.#checkOpen();
    const consumed: ConsumedQueue[] = [];
    for (const name of queues) consumed.push({ id: await this.#queueId(name), name });
    this.#checkOpen();
    const consumer = new SqliteConsumer(consumed, order, {
      requestClaim: (requesting) => this.#claims.request(requesting),
      add: (work) => this.#commits.add(work),
      ack: (ack) => this.#commits.ack(ack),
      ackIn: async (joined, id, token) => (await this.#join(joined)).ack(Number(id), token),
      tokenOf: (id) => this.#file.read((messages) => messages.tokenOf(Number(id))),
      ready: this.#claims.ready,
      onClosed: (closed) => {
        this.#claims.remove(closed);
        this.#consumers.delete(closed);
      },
    });
    this.#consumers.add(consumer);
    this.#claims.add(consumer);
    return consumer;
  }

  async stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    const names = queues.map((queue) => this.#nameOf(queue));
    return this.#file.read(async (messages) => {
      const found: (QueueStats | null)[] = [];
      for (const name of names) found.push((await messages.stats(name, Date.now())) ?? null);
      return found;
    });
  }

  async list(queue: string, options: ListOptions): Promise<MessagePage> {
    const name = this.#nameOf(queue);
    return this.#file.read((messages) => {
      const id = messages.queueId(name);
      return id === undefined ? { messages: [] } : messages.list({ id, name: queue }, options, Date.now());
    });
  }

  async find(queue: string, jobId: string): Promise<StoredMessage | null> {
    const [rowId] = rowIds([jobId]);
    const name = this.#nameOf(queue);
    if (rowId === undefined) return null;
    return this.#file.read((messages) => {
      const id = messages.queueId(name);
      const row: QueueRow | undefined = id === undefined ? undefined : { id, name: queue };
      return (row && messages.find(row, rowId, Date.now())) ?? null;
    });
  }

  async retry(queue: string, selection: RetrySelection): Promise<number> {
    const body = 'body' in selection ? selection.body : undefined;
    if (body !== undefined) checkSize(body);
    const kept = body && keepBytes(body);
    return this.#change(queue, 'buried', selection, {
      first: (messages, id, limit, now) => messages.retryFirst(id, limit, now),
      one: (messages, id, rowId, now) => messages.retry(id, rowId, kept, now),
    });
  }

  async promote(queue: string, selection: Selection): Promise<number> {
    return this.#change(queue, 'delayed', selection, {
      first: (messages, id, limit, now) => messages.promoteFirst(id, limit, now),
      one: (messages, id, rowId, now) => messages.promote(id, rowId, now),
    });
  }

  /** Makes messages of a state ready, in several transactions where there are many. */
  async #change(
    queue: string,
    state: 'buried' | 'delayed',
    selection: Selection,
    { first, one }: Changes,
  ): Promise<number> {
    if ('ids' in selection) {
      return this.#eachOf(queue, selection.ids, one);
    }
    const id = await this.#known(queue);
    if (id === undefined) return 0;
    // No more than there are now: those that are buried or delayed again meanwhile stay.
    const there = await this.#file.read((messages) => messages.count(id, state, Date.now()));
    return this.#inSteps(id, Math.min(selection.limit, there), (messages, left, now) => first(messages, id, left, now));
  }

  async delete(queue: string, jobIds: readonly string[]): Promise<number> {
    const onDeleted = (rowId: number): void => {
      for (const consumer of this.#consumers) consumer.lose(String(rowId), 'it was deleted');
    };
    return this.#eachOf(queue, jobIds, (messages, id, rowId) => messages.delete(id, rowId), onDeleted);
  }

  /** @param onChanged is told of each that was changed, once that is committed @returns how many were */
  async #eachOf(
    queue: string,
    jobIds: readonly string[],
    change: Changes['one'],
    onChanged: (rowId: number) => void = () => {},
  ): Promise<number> {
    const ids = rowIds(jobIds);
    const id = await this.#known(queue);
    if (id === undefined) return 0;
    let count = 0;
    for (let at = 0; at < ids.length; ) {
      const { end, changed } = await this.#commits.add((messages, now) => {
        this.#claims.ready(id);
        return changeSome(ids, at, (rowId) => change(messages, id, rowId, now));
      });
      changed.forEach(onChanged);
      count += changed.length;
      at = end;
    }
    return count;
  }

  async move(queue: string, target: string, jobIds: readonly string[]): Promise<number> {
    const ids = rowIds(jobIds);
    const [from, to] = [await this.#known(queue), await this.#queueId(target)];
    if (from === undefined) return 0;
    const { ready } = this.#claims;
    return this.#commits.addSteps(function* (messages, now) {
      let count = 0;
      for (const rowId of ids) {
        if (messages.move(from, to, rowId, now)) count++;
        yield;
      }
      ready(to);
      return count;
    });
  }

  async queues(): Promise<string[]> {
    this.#checkOpen();
    const prefix = this.#prefix;
    const names = await this.#file.read((messages) => messages.queueNames(prefix, Date.now()));
    return queuesBehind(prefix, names);
  }

  async pause(queue: string, ms: number): Promise<void> {
    const id = await this.#queueId(queue);
    await this.#commits.add((messages, now) => {
      messages.pause(id, ms > 0 ? dueAfter(ms, now) : 0);
      this.#claims.ready(id);
    });
  }

  async flush(queue: string, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number> {
    const id = await this.#known(queue);
    if (id === undefined) return 0;
    // What is published meanwhile stays, so that it ends.
    const last = await this.#commits.add((messages) => messages.highestId());
    let count = 0;
    for (const state of ['delayed', 'buried', 'ready'] as const) {
      if (!states.includes(state)) continue;
      for (const range of FLUSHED[state]) {
        count += await this.#inSteps(id, Number.POSITIVE_INFINITY, (messages, _left, now) =>
          messages.flush(id, range, last, now),
        );
      }
    }
    return count;
  }

  async transaction<T>(work: (transaction: TransactionClient) => Promise<T>): Promise<T> {
    this.#checkOpen();
    try {
      return await this.#file.transaction(work);
    } finally {
      // It held the lock of the file, and may have changed anything.
      this.#onCommit();
      this.#claims.wake();
      this.#commits.retryNow();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // What cannot be given back comes back when its lease ends.
    await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()));
    await this.#commits.close();
    this.#claims.stop();
    leave(this.#file.address.path, this.#claims);
    await this.#file.close();
  }

  /** In several transactions, so that neither the event loop nor other processes are held up. @returns how many it changed */
  async #inSteps(
    queue: number,
    limit: number,
    change: (messages: Messages, left: number, now: number) => number,
  ): Promise<number> {
    let count = 0;
    while (count < limit) {
      const left = limit - count;
      const changed = await this.#commits.add((messages, now) => {
        this.#claims.ready(queue);
        return change(messages, left, now);
      });
      if (changed === 0) break;
      count += changed;
    }
    return count;
  }

  /** Undefined for a queue that the file does not know. */
  async #known(queue: string): Promise<number | undefined> {
    const name = this.#nameOf(queue);
    return this.#queueIds.get(queue) ?? (await this.#file.read((messages) => messages.queueId(name)));
  }

  /** The queue's number in the file, which it gets with its first message. */
  #queueId(queue: string): number | Promise<number> {
    this.#checkOpen();
    return this.#queueIds.get(queue) ?? this.#addQueue(queue);
  }

  async #addQueue(queue: string): Promise<number> {
    const name = this.#nameOf(queue);
    const id = await this.#commits.add((messages) => messages.addQueue(name));
    this.#queueIds.set(queue, id);
    return id;
  }

  /** The numbers of queues may be others in a backup that was restored. */
  #areQueuesKnown(): boolean {
    const { messages } = this.#file;
    return [...this.#queueIds].every(([queue, id]) => messages.queueId(this.#prefix + queue) === id);
  }

  #nameOf(queue: string): string {
    this.#checkOpen();
    return checkPrefixedName(this.#prefix, queue);
  }

  #checkOpen(): void {
    if (this.#closing) throw new DriverClosedError('cannot use the driver: it is closed');
  }
}

/** What makes messages ready. */
interface Changes {
  /** The first ones of the queue. @returns how many */
  readonly first: (messages: Messages, queue: number, limit: number, now: number) => number;
  /** One of the queue. @returns whether it was there, in that state */
  readonly one: (messages: Messages, queue: number, id: number, now: number) => boolean;
}

/** Changes one message from `at` on, and more while there is time. @returns where it ended, and which were changed */
function changeSome(
  ids: readonly number[],
  at: number,
  change: (rowId: number) => boolean,
): { readonly end: number; readonly changed: readonly number[] } {
  const until = performance.now() + STEP_MS;
  const changed: number[] = [];
  let end = at;
  do {
    const rowId = ids[end++];
    if (rowId !== undefined && change(rowId)) changed.push(rowId);
  } while (end < ids.length && performance.now() < until);
  return { end, changed };
}

/** Numbers of messages, without those that are larger than any that this engine has given. @throws InvalidOptionError */
function rowIds(jobIds: readonly string[]): number[] {
  return jobIds.map((jobId) => Number(checkDecimalId(jobId))).filter(Number.isSafeInteger);
}
