import type {
  ConsumeOptions,
  Consumer,
  Driver,
  PutOptions,
  QueueStats,
  ReservedMessage,
  ReserveOptions,
  Settlement,
  SettlementResult,
} from '../../src/queue/driver.js';

type Options<Kind extends Settlement['kind']> = Omit<Extract<Settlement, { kind: Kind }>, 'kind' | 'message'>;

/** A message that is held, with the settlements of its consumer as methods that reject with the result's error. */
export class Held implements ReservedMessage {
  readonly #consumer: Consumer;
  readonly message: ReservedMessage;

  constructor(consumer: Consumer, message: ReservedMessage) {
    this.#consumer = consumer;
    this.message = message;
  }

  get jobId(): string {
    return this.message.jobId;
  }

  get queue(): string {
    return this.message.queue;
  }

  get body(): Buffer {
    return this.message.body;
  }

  get attempt(): number | undefined {
    return this.message.attempt;
  }

  get ttrMs(): number {
    return this.message.ttrMs;
  }

  get leaseEndsAt(): number {
    return this.message.leaseEndsAt;
  }

  get lost(): AbortSignal {
    return this.message.lost;
  }

  async track(): Promise<void> {
    await this.message.track?.();
  }

  ack(): Promise<SettlementResult> {
    return this.#settle({ kind: 'ack', message: this.message });
  }

  release(options: Options<'release'> = {}): Promise<SettlementResult> {
    return this.#settle({ kind: 'release', message: this.message, ...options });
  }

  bury(options: Options<'bury'> = {}): Promise<SettlementResult> {
    return this.#settle({ kind: 'bury', message: this.message, ...options });
  }

  async touch(): Promise<SettlementResult> {
    return orThrow(await this.#consumer.touch([this.message]));
  }

  async #settle(settlement: Settlement): Promise<SettlementResult> {
    return orThrow(await this.#consumer.settle([settlement]));
  }
}

function orThrow([result]: readonly SettlementResult[]): SettlementResult {
  if (result === undefined) throw new Error('there is no result');
  if (result.error !== undefined) throw result.error;
  return result;
}

/** The next message, or null. */
export async function reserveOne(consumer: Consumer, options?: ReserveOptions): Promise<Held | null> {
  const [message] = await consumer.reserve(options);
  return message === undefined ? null : new Held(consumer, message);
}

/** A consumer that reserves one message at a time. */
export class OneByOne {
  readonly consumer: Consumer;

  constructor(consumer: Consumer) {
    this.consumer = consumer;
  }

  reserve(options?: ReserveOptions): Promise<Held | null> {
    return reserveOne(this.consumer, options);
  }

  close(): Promise<void> {
    return this.consumer.close();
  }
}

/** @returns the id */
export async function putOne(driver: Driver, queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
  const { stored } = await driver.put([{ queue, body, options }]);
  const [item] = stored;
  if (item === undefined) throw new Error('nothing was stored');
  return item.jobId;
}

export async function consume(driver: Driver, queues: readonly string[], options?: ConsumeOptions): Promise<OneByOne> {
  return new OneByOne(await driver.consume(queues, options));
}

export async function statsOf(driver: Driver, queue: string): Promise<QueueStats | null> {
  const [stats] = await driver.stats([queue]);
  return stats ?? null;
}
