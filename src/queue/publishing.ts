import { copyBytes } from '../shared/bytes.js';
import { isA } from '../shared/is-a.js';
import { preview } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { CheckedDriver } from './checked-driver.js';
import { checkHeaders, checkOptions, checkPriority, type OptionNames } from './checks.js';
import { type Codec, read, write } from './codec.js';
import type { PutItem, PutOptions, StoredItem, Transaction } from './driver.js';
import { type Duration, toMs, toTtrMs } from './duration.js';
import { EncodeError, EngineError, InvalidOptionError, MiddlewareError } from './errors.js';
import { checkMessageId, checkType, isPromise, type Message, type MessageType, validate } from './message.js';

/** How a message is delivered, where the publisher does not say otherwise. */
export interface PublishDefaults {
  /** The lowest is delivered first, 0 to 4294967295. Default 1024. */
  readonly priority?: number | undefined;
  /** How long to wait before the first delivery. A number is milliseconds. Default 0. */
  readonly delay?: Duration | undefined;
  /**
   * Time to run: a worker that neither finishes nor renews its lease within it loses the message. A number is milliseconds;
   * the least is 1 s. Default 60 s.
   */
  readonly ttr?: Duration | undefined;
}

/** The defaults of `priority`, `delay` and `ttr` are the queue's `defaults`. */
export interface PublishManyOptions extends PublishDefaults {
  /** Strings that travel beside the data. Refused where the codec writes nothing but the data. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Your open transaction in the engine's own database: the message is stored when that commits.
   * @see Capabilities.transactions
   */
  readonly transaction?: Transaction | undefined;
}

export interface PublishOptions extends PublishManyOptions {
  /**
   * The message's own id, which every delivery of it has. Refused where the codec writes nothing but the data. Default: a
   * random UUID.
   */
  readonly id?: string | undefined;
}

/** A message that is about to be published. */
export interface OutgoingMessage {
  /** The type of the message. */
  readonly type: string;
  /** The data of the message. */
  readonly data: unknown;
  /** What travels beside the data: headers may be added, changed and deleted. */
  readonly headers: Record<string, string>;
  /** As they were given. */
  readonly options: PublishOptions;
}

/** A function around every publish of a queue: it awaits `next()`, which stores the messages. */
export type PublishMiddleware = (outgoing: readonly OutgoingMessage[], next: () => Promise<void>) => unknown;

const DEFAULT_OPTIONS: OptionNames<PublishDefaults> = { priority: true, delay: true, ttr: true };
const PUBLISH_MANY_OPTIONS: OptionNames<PublishManyOptions> = { ...DEFAULT_OPTIONS, headers: true, transaction: true };
const PUBLISH_OPTIONS: OptionNames<PublishOptions> = { ...PUBLISH_MANY_OPTIONS, id: true };

// All put options are frozen: the driver's checks pass over what they have checked and nobody can change.
const DEFAULTS: PutOptions = Object.freeze({ priority: 1024, delayMs: 0, ttrMs: 60_000 });

/** @throws InvalidOptionError */
export function checkDefaults(defaults: PublishDefaults): PutOptions {
  return toPutOptions(checkOptions('defaults', defaults, DEFAULT_OPTIONS), DEFAULTS);
}

function toPutOptions({ priority, delay, ttr }: PublishDefaults, defaults: PutOptions): PutOptions {
  if (priority === undefined && delay === undefined && ttr === undefined) return defaults;
  return Object.freeze({
    priority: priority === undefined ? defaults.priority : checkPriority(priority),
    delayMs: delay === undefined ? defaults.delayMs : toMs(delay, 'delay'),
    ttrMs: ttr === undefined ? defaults.ttrMs : toTtrMs(ttr, 'ttr'),
  });
}

/** What a publisher is made of. */
export interface PublisherParts {
  readonly driver: CheckedDriver;
  /** The name of the queue. */
  readonly queue: string;
  readonly codec: Codec;
  /** The one type that its messages have. */
  readonly type: string | undefined;
  /** The same, where it was given with its schema. */
  readonly messageType: MessageType<unknown, unknown> | undefined;
  readonly source: string;
  readonly signals: SignalDispatcher | undefined;
  readonly defaults: PutOptions;
}

/** The publishing side of a queue. */
export class Publisher {
  readonly parts: PublisherParts;
  /** Replaced, never changed: what is being published goes through those that it began with. */
  #middlewares: readonly PublishMiddleware[] = [];

  constructor(parts: PublisherParts) {
    this.parts = parts;
  }

  get middlewares(): readonly PublishMiddleware[] {
    return this.#middlewares;
  }

  /** @returns removes it */
  use(middleware: PublishMiddleware): (() => void) & Disposable {
    if (typeof middleware !== 'function')
      throw new InvalidOptionError(`a middleware must be a function, got ${preview(middleware)}`);
    // A function of its own for each call, so that one that is used twice is removed once.
    const used: PublishMiddleware = (outgoing, next) => middleware(outgoing, next);
    this.#middlewares = [...this.#middlewares, used];
    const remove = (): void => {
      this.#middlewares = this.#middlewares.filter((each) => each !== used);
    };
    return Object.assign(remove, { [Symbol.dispose]: remove });
  }

  /**
   * Checks what can be checked before anything is encoded.
   * @param what the method whose options they are
   * @param shared what the copies of one message in several queues have in common
   * @throws InvalidOptionError, EncodeError
   */
  prepare(
    what: string,
    type: MessageType<unknown, unknown>,
    data: readonly unknown[],
    options: PublishOptions,
    shared: Partial<Pick<Message, 'id' | 'time'>> = {},
  ): Batch {
    checkOptions<object>(what, options, what === 'publishMany' ? PUBLISH_MANY_OPTIONS : PUBLISH_OPTIONS);
    const put = toPutOptions(options, this.parts.defaults);
    this.checkType(type?.type);
    const headers = this.checkHeaders(options.headers);
    const id = options.id === undefined ? shared.id : this.#checkId(options.id);
    // One for all: what is published together has one time, and a Date for each would take a tenth of the code's time.
    const time = shared.time ?? new Date();
    const messages: Message[] = [];
    // Not by data.map, which leaves gaps in an array as they are.
    for (let index = 0; index < data.length; index++) {
      messages.push(this.#message(type.type, data[index], headers, id ?? crypto.randomUUID(), time));
    }
    return { publisher: this, type, messages, put, options };
  }

  /** @throws InvalidOptionError for a type that is not the queue's */
  checkType(type: string): string {
    const { queue, type: own } = this.parts;
    if (own === undefined || checkType(type) === own) return checkType(type);
    throw new InvalidOptionError(
      `the type of a message in queue "${queue}" must be ${preview(own)}, got ${preview(type)}`,
    );
  }

  /** @throws InvalidOptionError for headers that are none, or that the codec cannot write */
  checkHeaders(given: Message['headers'] | undefined): Message['headers'] {
    const headers = checkHeaders(given);
    if (this.parts.codec.dataOnly && Object.keys(headers).length > 0) throw this.#dataOnly('headers', 'none, got some');
    return headers;
  }

  /**
   * Checks what the codec has written as it will be checked when it is received; a promise where the schema is asynchronous.
   * @throws SchemaError, EncodeError, and what the schema itself throws; or rejects with it
   */
  checkWritten(type: MessageType<unknown, unknown>, body: Uint8Array): unknown {
    if (type.schema === undefined) return undefined;
    const { codec, queue, type: own } = this.parts;
    let data: unknown;
    try {
      // A copy: what the codec reads may be the body itself, and a schema may change or transfer it.
      data = read(codec, copyBytes(body), { queue, jobId: '', type: own }).data;
    } catch (cause) {
      throw new EncodeError(
        `cannot encode a ${preview(type.type)} message: the codec cannot read what it has written`,
        { cause },
      );
    }
    return validate(type, data);
  }

  #message(type: string, data: unknown, headers: Message['headers'], id: string, time: Date): Message {
    return { id, type, data: checkData(type, data), time, headers, source: this.parts.source };
  }

  #checkId(id: string): string {
    if (this.parts.codec.dataOnly) throw this.#dataOnly('id', `the engine's, got ${preview(id)}`);
    return checkMessageId(id);
  }

  #dataOnly(what: string, rule: string): InvalidOptionError {
    return new InvalidOptionError(
      `the ${what} of a message in queue "${this.parts.queue}" must be ${rule}: its codec writes nothing but the data`,
    );
  }
}

/** @throws EncodeError for a promise, of which JSON would make an empty object */
export function checkData(type: string, data: unknown): unknown {
  if (!isPromise(data)) return data;
  throw new EncodeError(
    `the data of a message of type ${preview(type)} must not be a promise, got one; await it first`,
  );
}

/** Messages of one type that are to be published to one queue. */
export interface Batch {
  readonly publisher: Publisher;
  readonly type: MessageType<unknown, unknown>;
  readonly messages: readonly Message[];
  readonly put: PutOptions;
  readonly options: PublishOptions;
}

/**
 * Publishes to queues of one driver, in one put: through the middlewares of the first queue, then those of the second, and so
 * on. All batches have the same `transaction`.
 * @param toResult what becomes of the ids of the messages of all batches, in order
 */
export function publishBatches<T>(
  batches: readonly Batch[],
  toResult: (stored: readonly StoredItem[]) => T,
): Promise<T> {
  const isPlain = batches.every(({ publisher }) => publisher.middlewares.length === 0);
  return isPlain ? store(batches, toResult) : publishThrough(batches, toResult);
}

async function store<T>(batches: readonly Batch[], toResult: (stored: readonly StoredItem[]) => T): Promise<T> {
  const items: PutItem[] = [];
  const pending: Promise<unknown>[] = [];
  for (const { publisher, type, messages, put } of batches) {
    const { codec, queue } = publisher.parts;
    for (const message of messages) {
      const body = write(codec, message);
      items.push({ queue, body, options: put });
      if (type.schema === undefined) continue;
      const checked = publisher.checkWritten(type, body);
      // Nothing is waited for that need not be.
      if (checked instanceof Promise) pending.push(unheeded(checked));
    }
  }
  if (pending.length > 0) await Promise.all(pending);
  const [first] = batches;
  if (first === undefined || items.length === 0) return toResult([]);
  const { transaction } = first.options;
  try {
    const { stored } = await first.publisher.parts.driver.put(items, transaction && { transaction });
    submitted(batches, (index) => stored[index]?.jobId);
    return toResult(stored);
  } catch (error) {
    const storedIds = isA(EngineError, error) ? error.storedIds : undefined;
    if (storedIds !== undefined) submitted(batches, (index) => storedIds[index]);
    throw error;
  }
}

export function jobIdsOf(stored: readonly StoredItem[]): string[] {
  return stored.map(({ jobId }) => jobId);
}

/** @param jobIdAt undefined for a message that is not stored */
function submitted(batches: readonly Batch[], jobIdAt: (index: number) => string | undefined): void {
  let start = 0;
  for (const { publisher, messages, options } of batches) {
    const { signals, codec, queue } = publisher.parts;
    for (let index = 0; signals !== undefined && index < messages.length; index++) {
      const message = messages[index];
      const jobId = jobIdAt(start + index);
      if (message === undefined || jobId === undefined) continue;
      // Whoever receives it will know it by that id only.
      const known = codec.dataOnly ? { ...message, id: jobId } : message;
      signals.emit('messageSubmitted', {
        queue,
        jobId,
        message: known,
        inTransaction: options.transaction !== undefined,
      });
    }
    start += messages.length;
  }
}

/** Through the middlewares of every queue; what they resolve with before the messages are stored is waited for. */
async function publishThrough<T>(
  batches: readonly Batch[],
  toResult: (stored: readonly StoredItem[]) => T,
): Promise<T> {
  const passed = batches.map(toPassed);
  const steps = passed.flatMap(({ batch, outgoing }) =>
    batch.publisher.middlewares.map((middleware) => ({ middleware, outgoing, queue: batch.publisher.parts.queue })),
  );
  let result: T | undefined;
  const run = async (index: number): Promise<void> => {
    const step = steps[index];
    if (step === undefined) {
      for (const { batch } of passed) for (const { headers } of batch.messages) batch.publisher.checkHeaders(headers);
      result = await store(
        passed.map(({ batch }) => batch),
        toResult,
      );
      return;
    }
    let following: Promise<void> | undefined;
    const next = (): Promise<void> => {
      if (following !== undefined) return unheeded(Promise.reject(misused(step.queue, 'has called next() twice')));
      following = unheeded(run(index + 1));
      return following;
    };
    await step.middleware(step.outgoing, next);
    if (following === undefined) throw misused(step.queue, 'has resolved without calling next()');
    // Who publishes must learn of what went wrong, also where a middleware has swallowed it or has not waited.
    await following;
  };
  await run(0);
  // Every step was run to its end.
  return result as T;
}

/** The messages as middlewares see them: each has headers of its own. */
function toPassed(batch: Batch): { readonly batch: Batch; readonly outgoing: readonly OutgoingMessage[] } {
  const messages = batch.messages.map((message) => ({ ...message, headers: { ...message.headers } }));
  const outgoing = messages.map(({ type, data, headers }) =>
    // Frozen: another value would be ignored without a word.
    Object.freeze({ type, data, headers, options: batch.options }),
  );
  return { batch: { ...batch, messages }, outgoing };
}

function misused(queue: string, what: string): MiddlewareError {
  return new MiddlewareError(`cannot publish to queue "${queue}": a middleware ${what}`);
}

/** Its rejection must not end the process where nobody waits for it. */
function unheeded<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
