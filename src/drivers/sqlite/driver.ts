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
import { parseFailure } from '../../queue/failure.js';
import { checkQueueName } from '../../queue/name.js';
import { checkPriority } from '../../queue/priority.js';
import { toBuffer } from './binding.js';
import { Claims } from './claims.js';
import { SqliteConsumer } from './consumer.js';
import { type OpenOptions, SqliteFile } from './file.js';
import { parseLocation } from './location.js';
import { checkDuration, dueAfter, type Messages } from './messages.js';
import { join, leave } from './neighbours.js';
import type { ConsumedQueue } from './reservation.js';
import { Transactions } from './transactions.js';

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
  const location = parseLocation(url);
  checkPrefix(prefix);
  return new SqliteDriver(await SqliteFile.open(location, options), prefix);
}

/** How many messages `kick` and `flush` change in one transaction. */
const CHUNK = 1000;

/** What `putMany` stores before it looks at the clock. */
const PORTION = 64;
const PORTION_BYTES = 128 * 1024;

/** What SQLite can hold in a row, with some room for the rest of it. */
const MAX_BODY_BYTES = 999_990_000;

/** Queues in one file that several processes may have open. See protocol-notes/sqlite.md. */
class SqliteDriver implements Driver {
  readonly capabilities: Capabilities = { peekMany: true, failures: 'buried', shared: true };
  readonly #file: SqliteFile;
  readonly #prefix: string;
  readonly #transactions: Transactions;
  readonly #claims: Claims;
  readonly #consumers = new Set<SqliteConsumer>();
  readonly #queueIds = new Map<string, number>();
  #closing: Promise<void> | undefined;

  constructor(file: SqliteFile, prefix: string) {
    this.#file = file;
    this.#prefix = prefix;
    this.#claims = new Claims(file, () => this.#transactions.schedule());
    this.#transactions = new Transactions(file, this.#claims);
    const neighbours = join(file.location.path, this.#claims);
    this.#transactions.onCommit = () => {
      this.#claims.changed();
      if (neighbours.size === 1) return;
      for (const neighbour of neighbours) {
        if (neighbour !== this.#claims) neighbour.wake();
      }
    };
  }

  async setUp(queue: string): Promise<void> {
    await this.#queueId(queue);
  }

  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    check(body, options);
    const id = await this.#queueId(queue);
    return this.#transactions.add((messages, now) => {
      this.#claims.ready(id);
      return String(messages.put(id, body, options, now));
    }, true);
  }

  async putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    for (const { body, options } of items) check(body, options);
    const id = await this.#queueId(queue);
    const parts = portions(items).map((part) =>
      this.#transactions.add((messages, now) => {
        this.#claims.ready(id);
        return messages.putMany(id, part, now).map(String);
      }),
    );
    return allStored(await Promise.allSettled(parts), items.length);
  }

  async consume(queues: readonly string[], _slots: number, { order = 'fair' }: ConsumeOptions = {}): Promise<Consumer> {
    this.#checkOpen();
    const consumed: ConsumedQueue[] = [];
    for (const name of queues) consumed.push({ id: await this.#queueId(name), name });
    this.#checkOpen();
    const consumer = new SqliteConsumer(consumed, order, {
      hunger: (hungry) => this.#claims.hunger(hungry),
      settle: (work) => this.#transactions.add(work),
      ready: (queue) => this.#claims.ready(queue),
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
    const id = await this.#known(queue);
    if (id === undefined) return [];
    const rows = await this.#file.read((messages) => messages.peek(id, state, limit, Date.now()));
    return rows.map(({ id: found, body, reason }) => ({
      id: String(found),
      state,
      body: toBuffer(body),
      ...(reason === null ? {} : { failure: parseFailure(String(reason)) }),
    }));
  }

  async kick(queue: string, limit: number): Promise<number> {
    const buried = await this.#inChunks(queue, limit, (messages, id, chunk) => messages.kickBuried(id, chunk));
    if (buried > 0) return buried;
    return this.#inChunks(queue, limit, (messages, id, chunk) => messages.kickDelayed(id, chunk));
  }

  async delete(queue: string, id: string): Promise<boolean> {
    const queueId = await this.#known(queue);
    if (queueId === undefined || !/^[1-9]\d{0,15}$/.test(id)) return false;
    return this.#transactions.add((messages, now) => messages.delete(queueId, Number(id), now));
  }

  async stats(queue: string): Promise<QueueStats | null> {
    const id = await this.#known(queue);
    if (id === undefined) return null;
    return this.#file.read((messages) => {
      const now = Date.now();
      return { ...messages.stats(id, now), pausedUntil: messages.pausedUntil(id, now) };
    });
  }

  async queues(): Promise<string[]> {
    this.#checkOpen();
    const names = await this.#file.read((messages) => messages.queueNames());
    const prefix = this.#prefix;
    return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  async pause(queue: string, ms: number): Promise<void> {
    checkDuration(ms);
    const id = await this.#queueId(queue);
    await this.#transactions.add((messages, now) => {
      messages.pause(id, ms > 0 ? dueAfter(ms, now) : 0);
      this.#claims.ready(id);
    });
  }

  async flush(queue: string): Promise<number> {
    return this.#inChunks(queue, Number.POSITIVE_INFINITY, (messages, id, chunk, now) =>
      messages.flush(id, chunk, now),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()));
    await this.#transactions.close();
    this.#claims.stop();
    leave(this.#file.location.path, this.#claims);
    this.#file.close();
  }

  /** In several transactions where there are many. */
  async #inChunks(
    queue: string,
    limit: number,
    change: (messages: Messages, queue: number, chunk: number, now: number) => number,
  ): Promise<number> {
    const id = await this.#known(queue);
    if (id === undefined) return 0;
    let count = 0;
    while (count < limit) {
      const chunk = Math.min(CHUNK, limit - count);
      const changed = await this.#transactions.add((messages, now) => {
        const changes = change(messages, id, chunk, now);
        this.#claims.ready(id);
        return changes;
      });
      count += changed;
      if (changed < chunk) break;
    }
    return count;
  }

  /** Undefined for a queue that the file does not know. */
  async #known(queue: string): Promise<number | undefined> {
    this.#checkOpen();
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
    const id = await this.#transactions.add((messages) => messages.addQueue(name));
    this.#queueIds.set(queue, id);
    return id;
  }

  #nameOf(queue: string): string {
    return this.#prefix + checkQueueName(queue);
  }

  #checkOpen(): void {
    if (this.#closing) throw new DriverClosedError('the driver is closed');
  }
}

/** @throws InvalidOptionError */
function checkPrefix(prefix: string): void {
  try {
    if (prefix !== '') checkQueueName(prefix);
  } catch (cause) {
    throw new InvalidOptionError(`no queue name can begin with the prefix ${JSON.stringify(prefix)}`, { cause });
  }
}

/** One after another, none too large. */
function portions(items: readonly PutItem[]): PutItem[][] {
  const all: PutItem[][] = [];
  let portion: PutItem[] = [];
  let bytes = 0;
  for (const item of items) {
    portion.push(item);
    bytes += item.body.length;
    if (portion.length < PORTION && bytes < PORTION_BYTES) continue;
    all.push(portion);
    portion = [];
    bytes = 0;
  }
  if (portion.length > 0) all.push(portion);
  return all;
}

/** The ids, or an error that says how many have one: those are stored in order. */
function allStored(portions: readonly PromiseSettledResult<string[]>[], count: number): string[] {
  const ids = portions.flatMap((portion) => (portion.status === 'fulfilled' ? portion.value : []));
  const failed = portions.find((portion) => portion.status === 'rejected');
  if (failed === undefined) return ids;
  const { reason } = failed;
  if (ids.length === 0 || !(reason instanceof EngineError)) throw reason;
  throw new EngineError(`only the first ${ids.length} of ${count} messages are stored: ${reason.message}`, {
    cause: reason,
  });
}

/** @throws InvalidOptionError, before something that SQLite refuses spoils the transaction that it shares with others */
function check(body: Uint8Array, { priority, delayMs, ttrMs }: PutOptions): void {
  checkPriority(priority);
  checkDuration(delayMs);
  checkDuration(ttrMs);
  if (!(body instanceof Uint8Array)) throw new InvalidOptionError(`a body is bytes, got ${typeof body}`);
  if (body.length <= MAX_BODY_BYTES) return;
  throw new InvalidOptionError(`SQLite holds bodies of up to ${MAX_BODY_BYTES} bytes, got ${body.length}`);
}
