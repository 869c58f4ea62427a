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
import { checkPrefixedName, queuesBehind } from '../../queue/name.js';
import { keepBytes } from '../../shared/bytes.js';
import type { ConsumedQueue } from './base-consumer.js';
import { SqlConsumer } from './consumer.js';
import { checkSize, split, stored, storedIds } from './lists.js';
import { Puts } from './puts.js';
import { Rounds } from './rounds.js';
import type { NewRow, SqlStore } from './store.js';
import { WakeUps } from './wake-ups.js';

/** The largest id: a signed 64-bit number. */
const MAX_ID = 2n ** 63n - 1n;

/** A message to store, whose bytes are ours. */
interface KeptItem extends PutItem {
  readonly body: Buffer;
}

/** Queues in the tables of a database server. See protocol-notes/sql.md. */
export class SqlDriver implements Driver {
  readonly system: string;
  readonly capabilities: Capabilities = {
    returnsOnDisconnect: false,
    deduplication: 'none',
    groups: false,
    expiry: false,
  };
  readonly #store: SqlStore;
  readonly #prefix: string;
  readonly #puts: Puts;
  readonly #rounds: Rounds;
  readonly #wakeUps: WakeUps;
  readonly #consumers = new Set<SqlConsumer>();
  readonly #queueIds = new Map<string, number>();
  #ready: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(store: SqlStore, prefix: string) {
    this.system = store.system;
    this.#store = store;
    this.#prefix = prefix;
    this.#puts = new Puts(store);
    this.#rounds = new Rounds(store, (consumer) => void this.#wakeUps.sleep(consumer));
    this.#wakeUps = new WakeUps(store, (consumer) => this.#rounds.request(consumer));
    store.onNotification = (queue) => this.#wakeUps.wake(queue);
  }

  async setUp(queue: string): Promise<void> {
    await this.#queueId(queue);
  }

  /** Stored by one statement; a list that is very long by several. */
  async put(
    items: readonly PutItem[],
    { transaction }: { readonly transaction?: Transaction | undefined } = {},
  ): Promise<PutResult> {
    for (const { body } of items) checkSize(body, this.#store.maxBodyBytes, this.system);
    const kept = items.map(({ queue, body, options }) => ({ queue, body: keepBytes(body), options }));
    if (transaction !== undefined) return stored(await this.#putIn(transaction, kept));
    this.#checkOpen();
    const rows: NewRow[] = [];
    for (const item of kept) {
      // Nothing is waited for that need not be: calls of one tick share a statement.
      rows.push(toRow(item, this.#queueIds.get(item.queue) ?? (await this.#queueId(item.queue))));
    }
    if (rows.length === 0) return stored([]);
    const parts = split(rows, this.#store.putRows, this.#store.putBytes);
    const outcomes = await Promise.allSettled(parts.map((part) => this.#puts.add(part)));
    this.#changed(...new Set(rows.map(({ queue }) => queue)));
    return stored(storedIds(parts, outcomes), parts.length);
  }

  /** A queue that is new is part of the transaction, so that its number may not be kept. */
  async #putIn(transaction: Transaction, items: readonly KeptItem[]): Promise<readonly string[]> {
    await this.#connect();
    const joined = this.#store.join(transaction);
    const rows: NewRow[] = [];
    for (const item of items) {
      const name = this.#nameOf(item.queue);
      rows.push(toRow(item, this.#queueIds.get(item.queue) ?? (await joined.queueId(name))));
    }
    return joined.put(rows);
  }

  async consume(queues: readonly string[], { order = 'fair' }: ConsumeOptions = {}): Promise<Consumer> {
    this.#checkOpen();
    const consumed: ConsumedQueue[] = [];
    for (const name of queues) consumed.push({ id: await this.#queueId(name), name });
    this.#checkOpen();
    const consumer = new SqlConsumer(consumed, order, {
      requestClaim: (requesting) => this.#rounds.request(requesting),
      settle: async (settlement) => {
        const isHeld = await this.#rounds.settle(settlement);
        // Others may have it now, or learn when its delay ends.
        if (settlement.kind === 'release') this.#changed(settlement.queue);
        return isHeld;
      },
      ackIn: async (transaction, id, token) => this.#store.join(transaction).ack(id, token),
      tokenOf: (id) => this.#store.tokenOf(id),
      onClosed: (closed) => {
        this.#rounds.remove(closed);
        this.#wakeUps.remove(closed);
        this.#consumers.delete(closed);
      },
    });
    this.#consumers.add(consumer);
    this.#wakeUps.add(consumer);
    return consumer;
  }

  async stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    const names = queues.map((queue) => this.#nameOf(queue));
    await this.#connect();
    return this.#store.stats(names);
  }

  async list(queue: string, options: ListOptions): Promise<MessagePage> {
    const id = await this.#lookUp(queue);
    return id === undefined ? { messages: [] } : this.#store.list({ id, name: queue }, options);
  }

  async find(queue: string, jobId: string): Promise<StoredMessage | null> {
    const [row] = rowIds([jobId]);
    const id = await this.#lookUp(queue);
    return id === undefined || row === undefined ? null : this.#store.find({ id, name: queue }, row);
  }

  async retry(queue: string, selection: RetrySelection): Promise<number> {
    const body = 'body' in selection ? selection.body : undefined;
    if (body) checkSize(body, this.#store.maxBodyBytes, this.system);
    const kept = body && keepBytes(body);
    return this.#change(queue, selection, (id, checked) => this.#store.retry(id, checked, kept));
  }

  async promote(queue: string, selection: Selection): Promise<number> {
    return this.#change(queue, selection, (id, checked) => this.#store.promote(id, checked));
  }

  async #change(
    queue: string,
    selection: Selection,
    change: (queue: number, selection: Selection) => Promise<number>,
  ): Promise<number> {
    const checked = 'ids' in selection ? { ids: rowIds(selection.ids) } : { limit: selection.limit };
    const id = await this.#lookUp(queue);
    if (id === undefined) return 0;
    const count = await change(id, checked);
    if (count > 0) this.#changed(id);
    return count;
  }

  async delete(queue: string, jobIds: readonly string[]): Promise<number> {
    const ids = rowIds(jobIds);
    const id = await this.#lookUp(queue);
    if (id === undefined) return 0;
    const deleted = await this.#store.delete(id, ids);
    for (const consumer of this.#consumers) for (const row of deleted) consumer.lose(row, 'it was deleted');
    return deleted.length;
  }

  async flush(queue: string, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number> {
    const id = await this.#lookUp(queue);
    return id === undefined ? 0 : this.#store.flush(id, states);
  }

  async move(queue: string, target: string, jobIds: readonly string[]): Promise<number> {
    const ids = rowIds(jobIds);
    const [from, to] = [await this.#lookUp(queue), await this.#queueId(target)];
    if (from === undefined) return 0;
    const count = await this.#store.move(from, to, ids);
    if (count > 0) this.#changed(to);
    return count;
  }

  async queues(): Promise<string[]> {
    await this.#connect();
    return queuesBehind(this.#prefix, await this.#store.queueNames(this.#prefix));
  }

  async pause(queue: string, ms: number): Promise<void> {
    const id = await this.#queueId(queue);
    await this.#store.pause(id, ms);
    this.#changed(id);
  }

  async transaction<T>(work: (transaction: TransactionClient) => Promise<T>): Promise<T> {
    await this.#connect();
    try {
      return await this.#store.transaction(work);
    } finally {
      // It may have changed anything.
      this.#wakeUps.wake('any');
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // What cannot be given back comes back when its lease ends.
    await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()));
    this.#wakeUps.stop();
    await this.#puts.close();
    await this.#rounds.close();
    await this.#store.close();
  }

  /** There may be something in these queues: for us, and for others. */
  #changed(...queues: readonly number[]): void {
    for (const queue of queues) this.#wakeUps.wake(queue);
    this.#store.notify(queues);
  }

  /** Connects before the first use; a failure is for those who wait for it, and the next call tries again. */
  #connect(): Promise<void> {
    this.#checkOpen();
    this.#ready ??= this.#store.setUp().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** The queue's number in the database, which it gets when it is first used. */
  async #queueId(queue: string): Promise<number> {
    const id = await this.#lookUp(queue, true);
    if (id === undefined) throw new Error(`the queue ${queue} was not made`);
    return id;
  }

  /** Undefined for a queue that the database does not know. */
  async #lookUp(queue: string, create = false): Promise<number | undefined> {
    const name = this.#nameOf(queue);
    await this.#connect();
    const known = this.#queueIds.get(queue) ?? (await this.#store.queueIds([name], create)).get(name);
    if (known !== undefined) this.#queueIds.set(queue, known);
    return known;
  }

  #nameOf(queue: string): string {
    this.#checkOpen();
    return checkPrefixedName(this.#prefix, queue);
  }

  #checkOpen(): void {
    if (this.#closing) throw new DriverClosedError('cannot use the driver: it is closed');
  }
}

function toRow({ body, options }: KeptItem, queue: number): NewRow {
  const { priority, delayMs, ttrMs } = options;
  return { queue, priority, delayMs: Math.ceil(delayMs), ttrMs: Math.max(1, Math.ceil(ttrMs)), body };
}

/** Ids, without those that are larger than any that this engine has given. @throws InvalidOptionError */
function rowIds(jobIds: readonly string[]): string[] {
  return jobIds.filter((jobId) => BigInt(checkDecimalId(jobId)) <= MAX_ID);
}
