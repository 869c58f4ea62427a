import type { Capabilities } from '../../src/queue/capabilities.js';
import type {
  Consumer,
  Driver,
  MessagePage,
  PutItem,
  PutResult,
  QueueStats,
  ReservedMessage,
  Settlement,
  SettlementResult,
  StoredMessage,
} from '../../src/queue/driver.js';

/** An engine that does nothing but write down with what it was called, and answers what the test has told it to. */
export class RecordingDriver implements Driver {
  readonly system: string = 'fake';
  readonly capabilities: Capabilities;
  /** Every call with its arguments, in order. */
  readonly calls: [method: string, ...args: unknown[]][] = [];
  /** What was put, with copies of the bodies. */
  readonly puts: PutItem[] = [];
  /** What the next calls of a method answer; behind them, and without any, the answer that is written here. */
  readonly answers: { [M in keyof Driver]?: (() => unknown)[] } = {};
  readonly consumer: RecordingConsumer = new RecordingConsumer(this.calls);

  constructor(capabilities: Capabilities = {}) {
    this.capabilities = capabilities;
  }

  async setUp(...args: unknown[]): Promise<void> {
    return this.#called('setUp', args, undefined);
  }

  async put(items: readonly PutItem[], ...more: unknown[]): Promise<PutResult> {
    const stored = items.map((item) => {
      const jobId = String(this.puts.push({ ...item, body: Buffer.from(item.body) }));
      return { jobId, isNew: true };
    });
    return this.#called('put', [items.map(({ queue }) => queue), ...more], { atomic: true, stored });
  }

  async consume(...args: unknown[]): Promise<Consumer> {
    return this.#called('consume', args, this.consumer);
  }

  async stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    const stats = { ready: 1, delayed: 2, reserved: 3, buried: 4, pausedUntil: null };
    return this.#called(
      'stats',
      [queues],
      queues.map(() => stats),
    );
  }

  async list(...args: unknown[]): Promise<MessagePage> {
    return this.#called('list', args, { messages: [] });
  }

  async find(...args: unknown[]): Promise<StoredMessage | null> {
    return this.#called('find', args, null);
  }

  async retry(...args: unknown[]): Promise<number> {
    return this.#called('retry', args, 1);
  }

  async promote(...args: unknown[]): Promise<number> {
    return this.#called('promote', args, 2);
  }

  async delete(...args: unknown[]): Promise<number> {
    return this.#called('delete', args, 3);
  }

  async flush(...args: unknown[]): Promise<number> {
    return this.#called('flush', args, 4);
  }

  async queues(...args: unknown[]): Promise<string[]> {
    return this.#called('queues', args, ['mail']);
  }

  async pause(...args: unknown[]): Promise<void> {
    return this.#called('pause', args, undefined);
  }

  async close(...args: unknown[]): Promise<void> {
    return this.#called('close', args, undefined);
  }

  #called<T>(method: keyof Driver, args: unknown[], answer: T): T {
    this.calls.push([method, ...args]);
    const next = this.answers[method]?.shift();
    return next === undefined ? answer : (next() as T);
  }
}

/** A consumer of the same kind. */
export class RecordingConsumer implements Consumer {
  readonly #calls: [method: string, ...args: unknown[]][];
  /** What comes next. */
  readonly messages: ReservedMessage[] = [];
  /** What became of the next settlements and touches. */
  readonly results: SettlementResult[] = [];

  constructor(calls: [method: string, ...args: unknown[]][]) {
    this.#calls = calls;
  }

  async reserve(...args: unknown[]): Promise<readonly ReservedMessage[]> {
    this.#calls.push(['reserve', ...args]);
    return this.messages.splice(0, 1);
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    this.#calls.push(['settle', ...settlements]);
    return settlements.map(() => this.results.shift() ?? {});
  }

  async touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]> {
    this.#calls.push(['touch', ...messages]);
    return messages.map(() => this.results.shift() ?? {});
  }

  async close(): Promise<void> {
    this.#calls.push(['closeConsumer']);
  }
}

export function reservedMessage(parts: Partial<ReservedMessage> = {}): ReservedMessage {
  return {
    jobId: '7',
    queue: 'mail',
    body: Buffer.from('body'),
    attempt: 1,
    ttrMs: 60_000,
    leaseEndsAt: performance.now() + 60_000,
    lost: new AbortController().signal,
    ...parts,
  };
}

export function storedMessage(parts: Partial<StoredMessage> = {}): StoredMessage {
  return {
    jobId: '7',
    queue: 'mail',
    state: 'buried',
    body: Buffer.from('body'),
    priority: 1024,
    ttrMs: 60_000,
    attempts: 1,
    createdAt: new Date(0),
    dueAt: undefined,
    failure: undefined,
    ...parts,
  };
}
