import type { Capabilities } from '../../src/queue/capabilities.js';
import type {
  ConsumeOptions,
  Consumer,
  Driver,
  MessagePage,
  PutItem,
  PutOptions,
  PutResult,
  QueueStats,
  ReservedMessage,
  ReserveOptions,
  Settlement,
  SettlementResult,
  StoredMessage,
  Transaction,
  TransactionClient,
} from '../../src/queue/driver.js';
import { type EngineError, HaricotError, LeaseLostError } from '../../src/queue/errors.js';

/** What a message is made of; the rest is filled in. */
export type MessageParts = Partial<
  Pick<ReservedMessage, 'jobId' | 'queue' | 'attempt' | 'ttrMs'> & {
    readonly body: Uint8Array;
    /** The attempt is unknown until it is asked for. */
    readonly untracked: boolean;
  }
>;

/** How a message was settled: what it was settled with, without what is undefined or the default. */
export type FakeSettlement = readonly [kind: Settlement['kind'], options?: Readonly<Record<string, unknown>>];

let lastId = 0;

/** A transaction that the test ends. */
export class FakeTransaction implements TransactionClient {
  readonly #listeners: ((isCommitted: boolean) => void)[] = [];
  readonly queries: string[] = [];

  async query(sql: string): Promise<{ rows: []; rowCount: number }> {
    this.queries.push(sql);
    return { rows: [], rowCount: 0 };
  }

  onEnd(listener: (isCommitted: boolean) => void): void {
    this.#listeners.push(listener);
  }

  commit(): void {
    for (const listener of this.#listeners.splice(0)) listener(true);
  }

  rollBack(): void {
    for (const listener of this.#listeners.splice(0)) listener(false);
  }
}

/** A reserved message whose fate the test dictates. */
export class FakeMessage implements ReservedMessage {
  readonly jobId: string;
  readonly queue: string;
  readonly body: Buffer;
  ttrMs: number;
  leaseEndsAt: number;
  readonly #attempt: number;
  #isTracked: boolean;
  readonly #log: (entry: string) => void;
  readonly #lost = new AbortController();
  #held = true;
  touches = 0;
  /** How its holder has settled it, once the engine has taken that. */
  settlement: FakeSettlement | undefined;
  /** The engine's answer to every command; a test may let it wait or fail. */
  answer: () => Promise<void> = async () => {};
  /** Why the engine could not keep its failure. */
  failureError: EngineError | undefined;

  constructor(parts: MessageParts, log: (entry: string) => void = () => {}) {
    this.jobId = parts.jobId ?? String(++lastId);
    this.queue = parts.queue ?? 'mail';
    this.body = Buffer.from(parts.body ?? '');
    this.#attempt = parts.attempt ?? 1;
    this.#isTracked = parts.untracked !== true;
    this.ttrMs = parts.ttrMs ?? 60_000;
    this.leaseEndsAt = performance.now() + this.ttrMs;
    this.#log = log;
  }

  get attempt(): number | undefined {
    return this.#isTracked ? this.#attempt : undefined;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the engine still takes it for held. */
  get isHeld(): boolean {
    return this.#held;
  }

  async track(): Promise<void> {
    this.#log(`track ${this.jobId}`);
    await this.#answered();
    this.#isTracked = true;
  }

  /** As the engine does it: rejects where it does not. */
  async settle({ kind, message: _, ...options }: Settlement): Promise<void> {
    const transaction = 'transaction' in options ? options.transaction : undefined;
    this.#log(`${kind} ${this.jobId}`);
    await this.#answered();
    this.#held = false;
    const settled = settlementOf(kind, options);
    if (!(transaction instanceof FakeTransaction)) this.settlement = settled;
    else {
      transaction.onEnd((isCommitted) => {
        if (isCommitted) this.settlement = settled;
        else this.#held = true;
      });
    }
  }

  async touch(): Promise<void> {
    this.#log(`touch ${this.jobId}`);
    this.touches++;
    const sentAt = performance.now();
    await this.#answered();
    this.leaseEndsAt = sentAt + this.ttrMs;
  }

  /** The lease ends. Its holder is told with the next command, or at once. */
  loseLease({ tell = true }: { readonly tell?: boolean } = {}): void {
    this.#held = false;
    if (tell) this.#lost.abort(this.#lostError());
  }

  async #answered(): Promise<void> {
    await this.answer();
    if (this.#held) return;
    this.#lost.abort(this.#lostError());
    throw this.#lostError();
  }

  #lostError(): LeaseLostError {
    return new LeaseLostError(`message ${this.jobId} is no longer held`);
  }
}

function settlementOf(kind: Settlement['kind'], options: object): FakeSettlement {
  const given = Object.entries(options).filter(([name, value]) => {
    return value !== undefined && name !== 'transaction' && !(name === 'counted' && value === true);
  });
  return kind === 'ack' ? [kind] : [kind, Object.fromEntries(given)];
}

interface Waiting {
  readonly resolve: (messages: readonly FakeMessage[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What an engine can do that has nothing beyond the contract. */
const NOTHING: Capabilities = {
  failures: 'buried',
  transactions: false,
  atomicPublish: false,
  returnsOnDisconnect: false,
  uncountedRelease: false,
  deleteReserved: false,
  deduplication: 'none',
  groups: false,
  expiry: false,
};

/** An engine without storage: the test delivers messages, fails reserves, and reads what was asked of it. */
export class FakeDriver implements Driver {
  readonly system = 'fake';
  readonly capabilities: Capabilities;
  /** Every reserve, settlement and touch, in order. */
  readonly log: string[] = [];
  /** Every other call but `put` with its arguments, in order. */
  readonly calls: [method: string, ...args: unknown[]][] = [];
  readonly puts: { readonly queue: string; readonly body: Buffer; readonly options: PutOptions }[] = [];
  /** For each call of `put` how many items it had, and its transaction. */
  readonly putCalls: { readonly items: number; readonly transaction: Transaction | undefined }[] = [];
  /** What the next put rejects with. */
  putError: Error | undefined;
  /** What `consume` rejects with. */
  consumeError: Error | undefined;
  /** What `stats` answers for each queue. */
  counts: QueueStats | null = { ready: 1, delayed: 2, reserved: 3, buried: 4, pausedUntil: null };
  /** Whether a waiting reserve heeds its signal: an engine that hangs does not. */
  heedsAbort = true;
  readonly #scripted: (FakeMessage | Error)[] = [];
  readonly #waiting: Waiting[] = [];
  #arrival: (() => void) | undefined;

  /** @param capabilities what it can do beyond the contract; default: nothing but to keep the failures of buried messages */
  constructor(capabilities: Capabilities = {}) {
    this.capabilities = { ...NOTHING, ...capabilities };
  }

  /** How many reserves wait for a message. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when so many reserves wait. */
  async untilWaiting(count: number): Promise<void> {
    while (this.#waiting.length < count) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
    }
  }

  /** Hands a message to the reserve that waits longest, or to the next one. */
  deliver(parts: MessageParts): FakeMessage {
    const message = new FakeMessage(parts, (entry) => this.log.push(entry));
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve([message]);
    else this.#scripted.push(message);
    return message;
  }

  /** Fails every reserve that waits, or else the next one. */
  failReserve(error: Error): void {
    const waiting = this.#waiting.splice(0);
    for (const { reject } of waiting) reject(error);
    if (waiting.length === 0) this.#scripted.push(error);
  }

  async consume(queues: readonly string[], options?: ConsumeOptions): Promise<Consumer> {
    this.calls.push(['consume', queues, options]);
    if (this.consumeError) throw this.consumeError;
    return {
      reserve: (options) => this.#reserve(options),
      settle: (settlements) =>
        resultsOf(
          settlements,
          (settlement) => settlement.message,
          (message, settlement) => message.settle(settlement),
        ),
      touch: (messages) =>
        resultsOf(
          messages,
          (message) => message,
          (message) => message.touch(),
        ),
      isHeld: async (message) => {
        this.log.push(`isHeld ${message.jobId}`);
        return (message as FakeMessage).isHeld;
      },
      close: async () => {
        this.calls.push(['closeConsumer']);
        for (const { resolve } of this.#waiting.splice(0)) resolve([]);
      },
    };
  }

  #reserve({ timeoutMs, signal }: ReserveOptions = {}): Promise<readonly ReservedMessage[]> {
    this.log.push(timeoutMs === undefined ? 'reserve' : `reserve ${timeoutMs}`);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const next = this.#scripted.shift();
    if (next instanceof Error) return Promise.reject(next);
    if (next) return Promise.resolve([next]);
    if (timeoutMs === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      this.#waiting.push(waiting);
      this.#arrival?.();
      const giveUp = (): void => {
        const position = this.#waiting.indexOf(waiting);
        if (!this.heedsAbort || position < 0) return;
        this.#waiting.splice(position, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  async put(
    items: readonly PutItem[],
    { transaction }: { readonly transaction?: Transaction | undefined } = {},
  ): Promise<PutResult> {
    this.putCalls.push({ items: items.length, transaction });
    if (this.putError) throw this.putError;
    const stored = items.map(({ queue, body, options }) => {
      const jobId = String(this.puts.push({ queue, body: Buffer.from(body), options }));
      return { jobId, isNew: true };
    });
    return { atomic: false, stored };
  }

  async setUp(...args: unknown[]): Promise<void> {
    this.calls.push(['setUp', ...args]);
  }

  async list(...args: [queue: string, ...unknown[]]): Promise<MessagePage> {
    this.calls.push(['list', ...args]);
    return { messages: [stored(args[0], '1')] };
  }

  async find(queue: string, jobId: string): Promise<StoredMessage | null> {
    this.calls.push(['find', queue, jobId]);
    return stored(queue, jobId);
  }

  async retry(...args: unknown[]): Promise<number> {
    this.calls.push(['retry', ...args]);
    return 2;
  }

  async promote(...args: unknown[]): Promise<number> {
    this.calls.push(['promote', ...args]);
    return 3;
  }

  async delete(queue: string, jobIds: readonly string[]): Promise<number> {
    this.calls.push(['delete', queue, jobIds]);
    return jobIds.length;
  }

  async stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    this.calls.push(['stats', queues]);
    return queues.map(() => this.counts);
  }

  async queues(): Promise<string[]> {
    return ['mail'];
  }

  async pause(...args: unknown[]): Promise<void> {
    this.calls.push(['pause', ...args]);
  }

  async flush(...args: unknown[]): Promise<number> {
    this.calls.push(['flush', ...args]);
    return 5;
  }

  async transaction<T>(work: (transaction: TransactionClient) => Promise<T>): Promise<T> {
    const transaction = new FakeTransaction();
    this.calls.push(['transaction']);
    try {
      const result = await work(transaction);
      transaction.commit();
      return result;
    } catch (error) {
      transaction.rollBack();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.calls.push(['close']);
  }
}

function stored(queue: string, jobId: string): StoredMessage {
  const unknown = { priority: undefined, ttrMs: undefined, attempts: undefined, createdAt: undefined };
  return {
    ...unknown,
    jobId,
    queue,
    state: 'ready',
    body: Buffer.from('stored'),
    dueAt: undefined,
    failure: undefined,
  };
}

/** What became of each; an error that is none of ours makes the whole call reject, which an engine must not do. */
function resultsOf<T>(
  items: readonly T[],
  messageOf: (item: T) => ReservedMessage,
  command: (message: FakeMessage, item: T) => Promise<void>,
): Promise<readonly SettlementResult[]> {
  return Promise.all(
    items.map(async (item): Promise<SettlementResult> => {
      const message = messageOf(item) as FakeMessage;
      try {
        await command(message, item);
        return message.failureError === undefined ? {} : { failureError: message.failureError };
      } catch (error) {
        if (error instanceof HaricotError) return { error };
        throw error;
      }
    }),
  );
}
