import { randomUUID } from 'node:crypto';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import { cloudEvents } from './cloudevents.js';
import type { Codec } from './codec.js';
import type { Consumer, Driver, PeekState, PutOptions, QueueStats, Reservation, StoredMessage } from './driver.js';
import { type Duration, toMs } from './duration.js';
import { InvalidOptionError } from './errors.js';
import { type Message, type MessageType, validate } from './message.js';
import { checkQueueName } from './name.js';
import { checkPriority } from './priority.js';

export interface QueueOptions {
  /** How messages are written and read. Default: CloudEvents 1.0 as JSON. */
  readonly codec?: Codec;
  /** Who publishes: a URI reference that every message carries. Default `/haricot/<queue>`. */
  readonly source?: string;
  /** Where `messageSubmitted` is emitted. */
  readonly signals?: SignalDispatcher;
}

export interface PublishOptions {
  /** The lowest is delivered first, 0 to 4294967295. Default 1024. */
  readonly priority?: number | undefined;
  /** Until it may be delivered. Default 0. */
  readonly delay?: Duration | undefined;
  /** Time to run: a worker that neither finishes nor renews its lease within it loses the message. Default 60 s. */
  readonly ttr?: Duration | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface TakeOptions {
  /** How long to wait for a message. Default: for ever. */
  readonly timeout?: Duration | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_PRIORITY = 1024;
const DEFAULT_TTR_MS = 60_000;

/** A named queue on an engine. */
export class Queue {
  readonly driver: Driver;
  readonly name: string;
  readonly codec: Codec;
  readonly #source: string;
  readonly #signals: SignalDispatcher | undefined;
  #consumer: Promise<Consumer> | undefined;

  /** @throws InvalidOptionError when `name` could not be a queue's on every engine */
  constructor(driver: Driver, name: string, { codec = cloudEvents, source, signals }: QueueOptions = {}) {
    this.driver = driver;
    this.name = checkQueueName(name);
    this.codec = codec;
    this.#source = source ?? `/haricot/${name}`;
    this.#signals = signals;
  }

  /**
   * Stores a message for whoever connects slots to its type.
   * @returns the engine's id of it, by which it can be deleted; slots see it as `context.jobId`
   * @throws SchemaError, EncodeError, InvalidOptionError, or the engine's error: then nothing was stored, unless the
   * engine's error says that nobody can tell
   */
  async publish<Input>(
    type: MessageType<unknown, Input>,
    data: NoInfer<Input>,
    options: PublishOptions = {},
  ): Promise<string> {
    const putOptions = toPutOptions(options);
    const message = await this.#message(type, data, options);
    const jobId = await this.driver.put(this.name, this.codec.encode(message), putOptions);
    this.#signals?.emit('messageSubmitted', { queue: this.name, jobId, message });
    return jobId;
  }

  /** Stores many messages of one type; all are checked before the first is stored. @returns their ids, in order */
  async publishMany<Input>(
    type: MessageType<unknown, Input>,
    data: readonly NoInfer<Input>[],
    options: PublishOptions = {},
  ): Promise<string[]> {
    const putOptions = toPutOptions(options);
    const messages = await Promise.all(data.map((item) => this.#message(type, item, options)));
    const items = messages.map((message) => ({ body: this.codec.encode(message), options: putOptions }));
    const jobIds = await this.driver.putMany(this.name, items);
    messages.forEach((message, index) => {
      this.#signals?.emit('messageSubmitted', { queue: this.name, jobId: jobIds[index] ?? '', message });
    });
    return jobIds;
  }

  stats(): Promise<QueueStats> {
    return this.driver.stats(this.name);
  }

  /**
   * Messages at rest, the next to be delivered first.
   * @throws UnsupportedError for a limit above 1 where the engine shows only the first
   */
  async peek(state: PeekState, limit = 1): Promise<StoredMessage[]> {
    return this.driver.peek(this.name, state, checkCount('limit', limit));
  }

  /** Makes up to `limit` buried messages ready, or delayed ones where none is buried. @returns how many */
  async kick(limit = 1): Promise<number> {
    return this.driver.kick(this.name, checkCount('limit', limit));
  }

  /** Removes one message that nobody holds. @returns whether there was one */
  delete(jobId: string): Promise<boolean> {
    return this.driver.delete(this.name, jobId);
  }

  /** Delivers nothing for so long. */
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
  async reserve({ timeout, signal }: TakeOptions = {}): Promise<Reservation | null> {
    const timeoutMs = timeout === undefined ? undefined : toMs(timeout, 'timeout');
    return (await this.#consume()).reserve({ timeoutMs, signal });
  }

  /** Reads a reservation's body. @throws DecodeError */
  decode(reservation: Pick<Reservation, 'body'>): Message {
    return this.codec.decode(reservation.body);
  }

  /**
   * Reserves and acks in one: at most once, for messages that may get lost. One that cannot be read is buried.
   * @throws DecodeError
   */
  async take(options: TakeOptions = {}): Promise<Message | null> {
    const reservation = await this.reserve(options);
    if (reservation === null) return null;
    let message: Message;
    try {
      message = this.decode(reservation);
    } catch (error) {
      await reservation.bury();
      throw error;
    }
    await reservation.ack();
    return message;
  }

  /** One consumer for all reservations without a worker; tried again where the engine could give none. */
  #consume(): Promise<Consumer> {
    this.#consumer ??= this.driver.consume([this.name], 1).catch((error) => {
      this.#consumer = undefined;
      throw error;
    });
    return this.#consumer;
  }

  async #message(type: MessageType<unknown, unknown>, data: unknown, { headers }: PublishOptions): Promise<Message> {
    await validate(type, data);
    return { id: randomUUID(), type: type.type, data, time: new Date(), headers: headers ?? {}, source: this.#source };
  }
}

function toPutOptions({ priority = DEFAULT_PRIORITY, delay = 0, ttr = DEFAULT_TTR_MS }: PublishOptions): PutOptions {
  return { priority: checkPriority(priority), delayMs: toMs(delay, 'delay'), ttrMs: toMs(ttr, 'ttr') };
}

function checkCount(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidOptionError(`${what} is an integer, not negative; got ${String(value)}`);
}
