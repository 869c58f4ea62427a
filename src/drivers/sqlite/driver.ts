import { checkConsume, checkDecimalId, checkLimit, checkMs, checkPut, checkPutMany } from '../../queue/checks.js';
import type {
  Capabilities,
  ConsumeOptions,
  Consumer,
  Driver,
  PeekState,
  PutItem,
  PutOptions,
  QueueStats,
  StoredMessage,
} from '../../queue/driver.js';
import { DriverClosedError, EngineError, InvalidOptionError } from '../../queue/errors.js';
import { checkPrefix, checkPrefixedName, queuesBehind } from '../../queue/name.js';
import { keepBytes } from '../../shared/bytes.js';
import { ClaimScheduler } from './claim-scheduler.js';
import { SqliteConsumer } from './consumer.js';
import { type OpenOptions, SqliteFile } from './file.js';
import { GroupCommit } from './group-commit.js';
import { join, leave } from './local-notifier.js';
import { dueAfter, type Messages, type Range } from './messages.js';
import type { ConsumedQueue } from './reservation.js';
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

/** How many messages `putMany` stores in one step of a transaction, and how many bytes. */
const STEP_MESSAGES = 64;
const STEP_BYTES = 128 * 1024;

/** How many messages `putMany` stores in one transaction, and how many bytes: moving more into the file takes too long. */
const MAX_LIST_MESSAGES = 10_000;
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/** What SQLite can hold in a row, with some room for the rest of it. */
const MAX_BODY_BYTES = 999_990_000;

/** Queues in one file that several processes may have open. See protocol-notes/sqlite.md. */
class SqliteDriver implements Driver {
  readonly capabilities: Capabilities = { peekMany: true, failures: 'buried', shared: true };
  readonly #file: SqliteFile;
  readonly #prefix: string;
  readonly #commits: GroupCommit;
  readonly #claims: ClaimScheduler;
  readonly #consumers = new Set<SqliteConsumer>();
  readonly #queueIds = new Map<string, number>();
  #closing: Promise<void> | undefined;

  constructor(file: SqliteFile, prefix: string) {
    this.#file = file;
    this.#prefix = prefix;
    this.#claims = new ClaimScheduler(file, () => this.#commits.schedule());
    this.#commits = new GroupCommit(file, this.#claims);
    const listeners = join(file.address.path, this.#claims);
    this.#commits.onCommit = () => {
      this.#claims.onCommit();
      if (listeners.size === 1) return;
      for (const listener of listeners) {
        if (listener !== this.#claims) listener.wake();
      }
    };
    file.guard.isSameContent = () => this.#areQueuesKnown();
  }

  async setUp(queue: string): Promise<void> {
    await this.#queueId(queue);
  }

  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    checkPut(body, options);
    checkSize(body);
    const kept = keepBytes(body);
    const id = await this.#queueId(queue);
    return this.#commits.add((messages, now) => {
      this.#claims.ready(id);
      return String(messages.put(id, kept, options, now));
    }, true);
  }

  /** A list is stored in one transaction; one that is very long in several, so that nobody is held up for long. */
  async putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    checkPutMany(items);
    for (const { body } of items) checkSize(body);
    const kept = items.map(({ body, options }) => ({ body: keepBytes(body), options }));
    const id = await this.#queueId(queue);
    const parts = split(kept, MAX_LIST_MESSAGES, MAX_LIST_BYTES);
    const stored = await Promise.allSettled(parts.map((part) => this.#putList(id, part)));
    return storedIds(parts, stored);
  }

  /** All of it or nothing. */
  #putList(queue: number, items: readonly PutItem[]): Promise<string[]> {
    const [first = [], ...others] = split(items, STEP_MESSAGES, STEP_BYTES);
    const { ready } = this.#claims;
    if (others.length === 0) {
      return this.#commits.add((messages, now) => {
        ready(queue);
        return messages.putMany(queue, first, now).map(String);
      });
    }
    return this.#commits.addSteps(function* (messages, now) {
      const ids: string[] = [];
      for (const step of [first, ...others]) {
        ids.push(...messages.putMany(queue, step, now).map(String));
        yield;
      }
      ready(queue);
      return ids;
    });
  }

  async consume(queues: readonly string[], _slots: number, options: ConsumeOptions = {}): Promise<Consumer> {
    checkConsume(queues, options);
    const { order = 'fair' } = options;
    this.#checkOpen();
    const consumed: ConsumedQueue[] = [];
    for (const name of queues) consumed.push({ id: await this.#queueId(name), name });
    this.#checkOpen();
    const consumer = new SqliteConsumer(consumed, order, {
      requestClaim: (requesting) => this.#claims.request(requesting),
      settle: (work) => this.#commits.add(work),
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

  async peek(queue: string, state: PeekState, limit: number): Promise<StoredMessage[]> {
    const name = this.#nameOf(queue);
    const count = checkLimit(limit);
    return this.#file.read((messages) => {
      const id = messages.queueId(name);
      return id === undefined ? [] : messages.peek(id, state, count, Date.now());
    });
  }

  async kick(queue: string, limit: number): Promise<number> {
    checkLimit(limit);
    const id = await this.#known(queue);
    if (id === undefined) return 0;
    const buried = await this.#kickState(id, 'buried', limit);
    return buried > 0 ? buried : this.#kickState(id, 'delayed', limit);
  }

  /** No more than there are now: those that are buried or delayed again meanwhile stay. */
  async #kickState(queue: number, state: 'buried' | 'delayed', limit: number): Promise<number> {
    const there = await this.#file.read((messages) => messages.count(queue, state, Date.now()));
    return this.#inSteps(queue, Math.min(limit, there), (messages, left, now) =>
      messages.kick(queue, state, left, now),
    );
  }

  async delete(queue: string, id: string): Promise<boolean> {
    const rowId = Number(checkDecimalId(id));
    const queueId = await this.#known(queue);
    // A number that is not exact is larger than any that this engine has given.
    if (queueId === undefined || !Number.isSafeInteger(rowId)) return false;
    return this.#commits.add((messages, now) => messages.delete(queueId, rowId, now));
  }

  async stats(queue: string): Promise<QueueStats | null> {
    const name = this.#nameOf(queue);
    return (await this.#file.read((messages) => messages.stats(name, Date.now()))) ?? null;
  }

  async queues(): Promise<string[]> {
    this.#checkOpen();
    const prefix = this.#prefix;
    const names = await this.#file.read((messages) => messages.queueNames(prefix, Date.now()));
    return queuesBehind(prefix, names);
  }

  async pause(queue: string, ms: number): Promise<void> {
    checkMs('the pause', ms);
    const id = await this.#queueId(queue);
    await this.#commits.add((messages, now) => {
      messages.pause(id, ms > 0 ? dueAfter(ms, now) : 0);
      this.#claims.ready(id);
    });
  }

  async flush(queue: string): Promise<number> {
    const id = await this.#known(queue);
    if (id === undefined) return 0;
    // What is published meanwhile stays, so that it ends.
    const last = await this.#commits.add((messages) => messages.highestId());
    const removeAll = (range: Range): Promise<number> =>
      this.#inSteps(id, Number.POSITIVE_INFINITY, (messages, _left, now) => messages.flush(id, range, last, now));
    // In the way that messages go, so that none is overlooked.
    return (
      (await removeAll('delayed')) +
      (await removeAll('ended')) +
      (await removeAll('buried')) +
      (await removeAll('ready'))
    );
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

/** One part after another, each of so many messages and bytes at most, or of one message. */
function split(items: readonly PutItem[], maxMessages: number, maxBytes: number): PutItem[][] {
  const parts: PutItem[][] = [];
  let part: PutItem[] = [];
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
function storedIds(parts: readonly PutItem[][], stored: readonly PromiseSettledResult<string[]>[]): string[] {
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

/** @throws InvalidOptionError, before something that SQLite refuses spoils the transaction that it shares with others */
function checkSize(body: Uint8Array): void {
  if (body.length <= MAX_BODY_BYTES) return;
  throw new InvalidOptionError(`a body must be at most ${MAX_BODY_BYTES} bytes in SQLite, got ${body.length}`);
}
