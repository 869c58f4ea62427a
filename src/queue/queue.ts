import { runOutside } from '../shared/async-context.js';
import { copyBytes } from '../shared/bytes.js';
import { isA } from '../shared/is-a.js';
import { preview } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import { cloudEvents } from './cloudevents.js';
import { type Codec, checkCodec, defaultSource, read, write } from './codec.js';
import type { Consumer, Driver, PeekState, PutOptions, QueueStats, Reservation, StoredMessage } from './driver.js';
import { type Duration, toMs, toTtrMs } from './duration.js';
import { EncodeError, EngineError, InvalidOptionError } from './errors.js';
import { toFailure } from './failure.js';
import { checkHeaders } from './headers.js';
import { checkType, isPromise, type Message, type MessageType, validate } from './message.js';
import { checkQueueName } from './name.js';
import { checkInteger, checkOneOf, checkOptions, checkSignal, type OptionNames } from './options.js';
import { checkPriority } from './priority.js';
import { checkSource } from './source.js';

export interface QueueOptions {
  /** How messages are written and read. Default: CloudEvents 1.0 as JSON. */
  readonly codec?: Codec | undefined;
  /**
   * The one type that its messages have: publishing another is refused. Codecs that write nothing but the data (`json`,
   * `raw`) need it, and give it to what they read; other programs' messages keep the type that they tell.
   */
  readonly type?: string | undefined;
  /** Who publishes: a URI reference that every message carries. Default `/haricot/<queue>`. */
  readonly source?: string | undefined;
  /** Where `messageSubmitted` is emitted. */
  readonly signals?: SignalDispatcher | undefined;
}

export interface PublishOptions {
  /** The lowest is delivered first, 0 to 4294967295. Default 1024. */
  readonly priority?: number | undefined;
  /** How long to wait before the first delivery. A number is milliseconds. Default 0. */
  readonly delay?: Duration | undefined;
  /**
   * Time to run: a worker that neither finishes nor renews its lease within it loses the message. A number is milliseconds;
   * the least is 1 s. Default 60 s.
   */
  readonly ttr?: Duration | undefined;
  /** Strings that travel beside the data. Refused where the codec writes nothing but the data. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface TakeOptions {
  /** How long to wait for a message, 0 for not at all. A number is milliseconds. Default: for ever. */
  readonly timeout?: Duration | undefined;
  /** Gives up waiting: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const QUEUE_OPTIONS: OptionNames<QueueOptions> = { codec: true, type: true, source: true, signals: true };
const PUBLISH_OPTIONS: OptionNames<PublishOptions> = { priority: true, delay: true, ttr: true, headers: true };
const TAKE_OPTIONS: OptionNames<TakeOptions> = { timeout: true, signal: true };

const DEFAULT_PRIORITY = 1024;
const DEFAULT_TTR_MS = 60_000;

const PEEK_STATES: readonly PeekState[] = ['ready', 'delayed', 'buried'];

/** A named queue on an engine. */
export class Queue {
  readonly driver: Driver;
  readonly name: string;
  readonly codec: Codec;
  readonly #type: string | undefined;
  readonly #source: string;
  readonly #signals: SignalDispatcher | undefined;
  #consumer: Promise<Consumer> | undefined;

  /** @throws InvalidOptionError, for a name that could not be a queue's on every engine as well */
  constructor(driver: Driver, name: string, options: QueueOptions = {}) {
    const { codec = cloudEvents, type, source, signals } = checkOptions('Queue', options, QUEUE_OPTIONS);
    this.driver = checkDriver(driver);
    this.name = checkQueueName(name);
    this.codec = checkCodec(codec);
    this.#type = type === undefined ? undefined : checkType(type);
    if (codec.dataOnly && type === undefined) {
      throw new InvalidOptionError(
        `the option type of queue "${name}" must be given, got none: its codec writes nothing but the data, so all its messages have one type`,
      );
    }
    this.#source = source === undefined ? defaultSource(name) : checkSource(source);
    this.#signals = signals === undefined ? undefined : checkSignals(signals);
  }

  /**
   * Stores a message for whoever connects slots to its type.
   * @param data what the codec can write: for CloudEvents what JSON can hold, bytes (`Uint8Array`), or `undefined` for a
   * message without data. What JSON would lose or change (a Map, NaN, a function) is refused; a Date, or another object
   * with a `toJSON`, travels as what that returns
   * @returns the engine's id of it, by which it can be deleted; slots see it as `context.jobId`
   * @throws SchemaError for data that does not fit once the codec has written it, EncodeError, InvalidOptionError: nothing
   * was stored
   * @throws EngineError whose `outcome` says whether the message is stored: `'nothing'`; `'unknown'` where nobody can tell; or
   * `'partial'` where it is stored, with the id in `storedIds`, but the engine had to bury it
   */
  async publish<Input>(
    type: MessageType<unknown, Input>,
    data: NoInfer<Input>,
    options: PublishOptions = {},
  ): Promise<string> {
    const putOptions = toPutOptions('publish', options);
    const headers = this.#check(type, options);
    const message = this.#message(type.type, data, headers);
    const body = write(this.codec, message);
    if (type.schema !== undefined) {
      const checked = this.#checkWritten(type, body);
      // Nothing is waited for that need not be.
      if (checked instanceof Promise) await checked;
    }
    const jobId = await this.driver.put(this.name, body, putOptions);
    this.#submitted(message, jobId);
    return jobId;
  }

  /**
   * Stores many messages of one type; all are checked before the first is stored. SQLite stores all or none, up to 10,000
   * messages and 4 MiB of bodies; the memory engine always; beanstalkd stores each by itself.
   * @returns their ids, in order
   * @throws SchemaError, EncodeError, InvalidOptionError: nothing was stored
   * @throws EngineError whose `outcome` says what is stored: `'nothing'`; `'partial'`, and `storedIds` has the ids, undefined
   * at the places of those that are not; or `'unknown'` where nobody can tell. `messageSubmitted` is emitted for those
   * that are known to be stored
   */
  async publishMany<Input>(
    type: MessageType<unknown, Input>,
    data: readonly NoInfer<Input>[],
    options: PublishOptions = {},
  ): Promise<string[]> {
    const putOptions = toPutOptions('publishMany', options);
    const headers = this.#check(type, options);
    if (!Array.isArray(data)) {
      throw new InvalidOptionError(`the data of publishMany must be an array, got ${preview(data)}`);
    }
    if (data.length === 0) return [];
    // Not by data.map, which leaves gaps in the array as they are.
    const messages = Array.from(data, (item) => this.#message(type.type, item, headers));
    const items = messages.map((message) => ({ body: write(this.codec, message), options: putOptions }));
    if (type.schema !== undefined) await Promise.all(items.map(async ({ body }) => this.#checkWritten(type, body)));
    try {
      const jobIds = await this.driver.putMany(this.name, items);
      this.#submittedAll(messages, jobIds);
      return jobIds;
    } catch (error) {
      if (isA(EngineError, error) && error.storedIds) this.#submittedAll(messages, error.storedIds);
      throw error;
    }
  }

  /**
   * Counts the messages in each state, and tells until when the queue is paused.
   * @returns `null` where there is no such queue. Whether one that is empty still exists depends on the engine: SQLite keeps
   * every queue that was ever used, beanstalkd forgets one with its last message.
   */
  stats(): Promise<QueueStats | null> {
    return this.driver.stats(this.name);
  }

  /**
   * Messages at rest, the next to be delivered first.
   * @throws UnsupportedError for a limit above 1 where the engine shows only the first
   */
  async peek(state: PeekState, limit = 1): Promise<StoredMessage[]> {
    const count = checkInteger('limit', limit, 0);
    return this.driver.peek(this.name, checkOneOf('state', state, PEEK_STATES), count);
  }

  /**
   * Makes up to `limit` buried messages ready, those buried first, with as many attempts as new ones; or delayed ones where none is
   * buried.
   * @returns how many
   */
  async kick(limit = 1): Promise<number> {
    return this.driver.kick(this.name, checkInteger('limit', limit, 0));
  }

  /**
   * Removes one message that nobody holds.
   * @returns whether there was one
   * @throws InvalidOptionError for an id that the engine can never have given
   */
  async delete(jobId: string): Promise<boolean> {
    if (typeof jobId !== 'string' || jobId === '') {
      throw new InvalidOptionError(`a job id must be a string that is not empty, got ${preview(jobId)}`);
    }
    return this.driver.delete(this.name, jobId);
  }

  /** Pauses delivery for the given duration; a number is milliseconds. */
  async pause(duration: Duration): Promise<void> {
    return this.driver.pause(this.name, toMs(duration, 'the pause'));
  }

  resume(): Promise<void> {
    return this.driver.pause(this.name, 0);
  }

  /** Removes every message that nobody holds. @returns how many */
  flush(): Promise<number> {
    return this.driver.flush(this.name);
  }

  /** Prepares and checks the engine; doing it again is harmless. */
  setUp(): Promise<void> {
    return this.driver.setUp(this.name);
  }

  /** Takes a message without a worker: it is yours to ack, release or bury within its TTR. `null` when none came. */
  async reserve(options: TakeOptions = {}): Promise<Reservation | null> {
    return this.#reserve('reserve', options);
  }

  /**
   * Reads the body of a reservation, or of a message at rest.
   * @throws DecodeError that carries the body, the queue and the engine's id of the message
   */
  decode({ id, body }: Pick<Reservation | StoredMessage, 'id' | 'body'>): Message {
    return read(this.codec, body, { queue: this.name, jobId: id, type: this.#type });
  }

  /**
   * Reserves and acks in one: at most once, for messages that may get lost. One that cannot be read is buried.
   * @throws DecodeError
   */
  async take(options: TakeOptions = {}): Promise<Message | null> {
    const reservation = await this.#reserve('take', options);
    if (reservation === null) return null;
    let message: Message;
    try {
      message = this.decode(reservation);
    } catch (error) {
      const { failures } = this.driver.capabilities;
      const failure = toFailure(error, { reason: 'undecodable', attempt: reservation.attempt });
      await reservation.bury(failures === 'none' ? {} : { failure });
      throw error;
    }
    await reservation.ack();
    return message;
  }

  /**
   * Ends what `reserve` and `take` have begun: messages that are still held go back, and calls that wait answer `null`.
   * Everything else goes on, and they begin anew when they are called again. Closing the driver does this as well.
   */
  async close(): Promise<void> {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await (await consumer?.catch(() => undefined))?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #reserve(what: string, options: TakeOptions): Promise<Reservation | null> {
    const { timeout, signal } = checkOptions(what, options, TAKE_OPTIONS);
    const timeoutMs = timeout === undefined ? undefined : toMs(timeout, 'timeout');
    checkSignal('signal', signal);
    return (await this.#consume()).reserve({ timeoutMs, signal });
  }

  /** One consumer for all reservations without a worker; tried again where the engine could give none. */
  #consume(): Promise<Consumer> {
    if (this.#consumer !== undefined) return this.#consumer;
    // It outlasts the call of whoever happens to be the first.
    const consumer = runOutside(() => this.driver.consume([this.name], 1));
    this.#consumer = consumer;
    consumer.catch(() => {
      if (this.#consumer === consumer) this.#consumer = undefined;
    });
    return consumer;
  }

  /** @returns the headers */
  #check(type: Pick<MessageType, 'type'>, options: PublishOptions): Message['headers'] {
    const name = checkType(type?.type);
    if (this.#type !== undefined && name !== this.#type) {
      throw new InvalidOptionError(
        `the type of a message in queue "${this.name}" must be ${preview(this.#type)}, got ${preview(name)}`,
      );
    }
    const headers = checkHeaders(options.headers);
    if (this.codec.dataOnly && Object.keys(headers).length > 0) {
      throw new InvalidOptionError(
        `the headers of a message in queue "${this.name}" must be none, got some: its codec writes nothing but the data`,
      );
    }
    return headers;
  }

  #message(type: string, data: unknown, headers: Message['headers']): Message {
    // JSON would make an empty object of it.
    if (isPromise(data))
      throw new EncodeError(`the data of a ${preview(type)} message must not be a promise, got one; await it first`);
    return { id: crypto.randomUUID(), type, data, time: new Date(), headers, source: this.#source };
  }

  /** Checks what the codec has written as it will be checked when it is received. @throws SchemaError, EncodeError */
  #checkWritten(type: MessageType<unknown, unknown>, body: Uint8Array): unknown {
    let data: unknown;
    try {
      // A copy: what the codec reads may be the body itself, and a schema may change or transfer it.
      data = read(this.codec, copyBytes(body), { queue: this.name, jobId: '', type: this.#type }).data;
    } catch (cause) {
      throw new EncodeError(
        `cannot encode a ${preview(type.type)} message: the codec cannot read what it has written`,
        { cause },
      );
    }
    return validate(type, data);
  }

  /** @param jobIds undefined at the places of those that are not stored */
  #submittedAll(messages: readonly Message[], jobIds: readonly (string | undefined)[]): void {
    messages.forEach((message, index) => {
      const jobId = jobIds[index];
      if (jobId !== undefined) this.#submitted(message, jobId);
    });
  }

  #submitted(message: Message, jobId: string): void {
    if (this.#signals === undefined) return;
    // Whoever receives it will know it by that id only.
    const known = this.codec.dataOnly ? { ...message, id: jobId } : message;
    this.#signals.emit('messageSubmitted', { queue: this.name, jobId, message: known });
  }
}

function toPutOptions(what: string, options: PublishOptions): PutOptions {
  const { priority = DEFAULT_PRIORITY, delay = 0, ttr = DEFAULT_TTR_MS } = checkOptions(what, options, PUBLISH_OPTIONS);
  return { priority: checkPriority(priority), delayMs: toMs(delay, 'delay'), ttrMs: toTtrMs(ttr, 'ttr') };
}

function checkDriver(driver: Driver): Driver {
  if (typeof driver?.putMany === 'function') return driver;
  throw new InvalidOptionError(`driver must be a driver, such as openDriver resolves to, got ${preview(driver)}`);
}

function checkSignals(signals: SignalDispatcher): SignalDispatcher {
  if (typeof signals?.emit === 'function') return signals;
  throw new InvalidOptionError(`signals must be a SignalDispatcher, got ${preview(signals)}`);
}
