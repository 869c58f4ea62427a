import { type FailedOptions, failed } from '../operate/failed.js';
import { type MoveResult, type MoveSelection, move } from '../operate/move.js';
import { type RetryOptions, retry } from '../operate/retry.js';
import { runOutside } from '../shared/async-context.js';
import { preview } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { MessageState } from './capabilities.js';
import { attempt, type CheckedDriver, checkedDriver } from './checked-driver.js';
import { checkOptions, checkSignal, checkSource, type OptionNames } from './checks.js';
import { cloudEvents } from './cloudevents.js';
import { type Codec, checkCodec, defaultSource, read } from './codec.js';
import type { Consumer, Driver, MessagePage, QueueStats, Selection, StoredItem, StoredMessage } from './driver.js';
import { type Duration, toMs } from './duration.js';
import { InvalidOptionError } from './errors.js';
import { toFailure } from './failure.js';
import { checkType, type Message, type MessageType } from './message.js';
import { checkQueueName } from './name.js';
import {
  checkDefaults,
  jobIdsOf,
  type PublishDefaults,
  Publisher,
  type PublishManyOptions,
  type PublishMiddleware,
  type PublishOptions,
  publishBatches,
} from './publishing.js';
import { Reservation } from './reservation.js';

/** How a queue writes, reads and publishes messages. */
export interface QueueOptions {
  /** How messages are written and read. Default: CloudEvents 1.0 as JSON. */
  readonly codec?: Codec | undefined;
  /**
   * The one type that its messages have: publishing another is refused. Codecs that write nothing but the data (`json`,
   * `raw`) need it, and give it to what they read; other programs' messages keep the type that they tell.
   */
  readonly type?: string | MessageType<unknown, unknown> | undefined;
  /** Who publishes: a URI reference that every message carries. Default `/haricot/<queue>`. */
  readonly source?: string | undefined;
  /** Where `messageSubmitted` is emitted. */
  readonly signals?: SignalDispatcher | undefined;
  /** What `publish` takes where it is not told. Default: priority 1024, no delay, a TTR of 60 s. */
  readonly defaults?: PublishDefaults | undefined;
}

/** How to take a message without a worker. */
export interface TakeOptions {
  /** How long to wait for a message, 0 for not at all. A number is milliseconds. Default: for ever. */
  readonly timeout?: Duration | undefined;
  /** Gives up waiting: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Which messages of a queue to show. */
export interface QueueListOptions {
  /** The state of the messages. */
  readonly state: MessageState;
  /** How many at most. Default 100, or 1 where the engine shows the first only. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

/** Which messages to remove. */
export interface FlushOptions {
  /** Default: all of them, `['ready', 'delayed', 'buried']`. */
  readonly states?: readonly Exclude<MessageState, 'reserved'>[] | undefined;
}

const QUEUE_OPTIONS: OptionNames<QueueOptions> = {
  codec: true,
  type: true,
  source: true,
  signals: true,
  defaults: true,
};
const TAKE_OPTIONS: OptionNames<TakeOptions> = { timeout: true, signal: true };
const LIST_OPTIONS: OptionNames<QueueListOptions> = { state: true, limit: true, after: true };
const FLUSH_OPTIONS: OptionNames<FlushOptions> = { states: true };

const PAGE = 100;

/** A named queue on an engine. */
export class Queue {
  /** The engine; its `capabilities` say what it can do. */
  readonly driver: CheckedDriver;
  /** The name of the queue. */
  readonly name: string;
  /** How messages are written and read. */
  readonly codec: Codec;
  /** The one type that its messages have, where there is one. */
  readonly type: string | undefined;
  /** @internal */
  readonly publisher: Publisher;
  #consumer: Promise<Consumer> | undefined;

  /** @throws InvalidOptionError, for a name that could not be a queue's on every engine as well */
  constructor(driver: Driver, name: string, options: QueueOptions = {}) {
    const { codec = cloudEvents, type, source, signals, defaults = {} } = checkOptions('Queue', options, QUEUE_OPTIONS);
    this.driver = checkedDriver(driver);
    this.name = checkQueueName(name);
    this.codec = checkCodec(codec);
    this.type = type === undefined ? undefined : checkType(typeof type === 'object' ? type?.type : type);
    if (codec.dataOnly && type === undefined) {
      throw new InvalidOptionError(
        `the option type of queue "${name}" must be given, got none: its codec writes nothing but the data, so all its messages have one type`,
      );
    }
    this.publisher = new Publisher({
      driver: this.driver,
      queue: name,
      codec,
      type: this.type,
      messageType: typeof type === 'object' ? type : undefined,
      source: source === undefined ? defaultSource(name) : checkSource(source),
      signals: signals === undefined ? undefined : checkSignals(signals),
      defaults: checkDefaults(defaults),
    });
  }

  /**
   * Stores a message for whoever connects slots to its type.
   * @param data what the codec can write: for CloudEvents what JSON can hold, bytes (`Uint8Array`), or `undefined` for a
   * message without data. What JSON would lose or change (a Map, NaN, a function) is refused; a Date, or another object
   * with a `toJSON`, travels as what that returns
   * @returns the engine's id of it, by which it can be deleted; slots see it as `context.jobId`
   * @throws SchemaError for data that does not fit once the codec has written it, EncodeError, InvalidOptionError,
   * UnsupportedError for a `transaction` where the engine has none: nothing was stored
   * @throws EngineError whose `outcome` says whether the message is stored: `'nothing'`; `'unknown'` where nobody can tell; or
   * `'partial'` where it is stored, with the id in `storedIds`, but the engine had to bury it
   * @example
   * const jobId = await queue.publish(SendMail, { to: 'a@b.example' }, { delay: '30s' });
   */
  publish<Input>(
    type: MessageType<unknown, Input>,
    data: NoInfer<Input>,
    options: PublishOptions = {},
  ): Promise<string> {
    return attempt(() => publishBatches([this.publisher.prepare('publish', type, [data], options)], firstId));
  }

  /**
   * Stores many messages of one type; all are checked before the first is stored. SQLite stores all or none, up to 10,000
   * messages and 4 MiB of bodies; the memory engine always; beanstalkd stores each by itself.
   * @returns their ids, in order
   * @throws SchemaError, EncodeError, InvalidOptionError, UnsupportedError: nothing was stored
   * @throws EngineError whose `outcome` says what is stored: `'nothing'`; `'partial'`, and `storedIds` has the ids, undefined
   * at the places of those that are not; or `'unknown'` where nobody can tell. `messageSubmitted` is emitted for those
   * that are known to be stored
   */
  async publishMany<Input>(
    type: MessageType<unknown, Input>,
    data: readonly NoInfer<Input>[],
    options: PublishManyOptions = {},
  ): Promise<string[]> {
    if (!Array.isArray(data))
      throw new InvalidOptionError(`the data of publishMany must be an array, got ${preview(data)}`);
    return publishBatches([this.publisher.prepare('publishMany', type, data, options)], jobIdsOf);
  }

  /**
   * Puts a function around every publish of this queue: headers may be added there, and publishing be measured. It must
   * call `next()` once and await it. Data is encoded after that: do not change it before `publish` has resolved.
   * @returns takes it away again; may be called more than once
   * @throws InvalidOptionError for what is no function
   * @example
   * queue.use(async (outgoing, next) => {
   *   for (const { headers } of outgoing) headers['traceparent'] = currentTraceparent();
   *   await next();
   * });
   */
  use(middleware: PublishMiddleware): (() => void) & Disposable {
    return this.publisher.use(middleware);
  }

  /**
   * Counts the messages in each state, and tells until when the queue is paused.
   * @returns `null` where there is no such queue. Whether one that is empty still exists depends on the engine: SQLite keeps
   * every queue that was ever used, beanstalkd forgets one with its last message.
   */
  async stats(): Promise<QueueStats | null> {
    return (await this.driver.stats([this.name]))[0] ?? null;
  }

  /**
   * Shows messages of a state without reserving them, the next to be delivered first; of the buried the one buried first.
   * @throws UnsupportedError for a state that the engine does not show, or for more than the first where it shows only that
   */
  async list(options: QueueListOptions): Promise<MessagePage> {
    const { state, limit, after } = checkOptions('list', options, LIST_OPTIONS);
    const most = this.driver.capabilities.list[state] === 'first' ? 1 : PAGE;
    return this.driver.list(this.name, { state, limit: limit ?? most, after });
  }

  /**
   * Shows buried messages, the one buried first at the beginning, with why they failed.
   * @throws InvalidOptionError, EngineError
   * @example
   * const { messages, next } = await queue.failed({ type: OrderPlaced, reason: 'invalid' });
   */
  async failed(options: FailedOptions = {}): Promise<MessagePage> {
    return failed(this, options);
  }

  /** One message, whatever its state. `null` where there is none in this queue. @throws InvalidOptionError */
  find(jobId: string): Promise<StoredMessage | null> {
    return this.driver.find(this.name, jobId);
  }

  /**
   * Makes buried messages ready, with as many attempts as new ones: those named by `ids`; the first `limit`; or all of a
   * `type`, a `reason` or both. With `data` the one message that is named gets other data, checked by its schema where
   * `type` is a message type or the queue was given one; it keeps its id, time and headers.
   * @returns how many
   * @throws InvalidOptionError, also for a selection that says nothing; SchemaError, EncodeError
   */
  async retry(selection: RetryOptions): Promise<number> {
    return retry(this, selection);
  }

  /** Makes delayed messages ready: those named by `ids`, or the first `limit`. @returns how many */
  promote(selection: Selection): Promise<number> {
    return this.driver.promote(this.name, selection);
  }

  /**
   * Removes messages that nobody holds; where `capabilities.deleteReserved`, those that are held too.
   * @returns how many there were
   * @throws InvalidOptionError for an id that the engine can never have given
   */
  delete(jobIds: string | readonly string[]): Promise<number> {
    return this.driver.delete(this.name, typeof jobIds === 'object' ? jobIds : [jobIds]);
  }

  /** Removes every message that nobody holds, or those in some states. @returns how many */
  async flush(options: FlushOptions = {}): Promise<number> {
    const { states = ['ready', 'delayed', 'buried'] } = checkOptions('flush', options, FLUSH_OPTIONS);
    return this.driver.flush(this.name, states);
  }

  /**
   * Moves messages to another queue, on this engine or another one: those named by `ids`, or those of a state. They become
   * ready there, delayed ones with the rest of their delay, with new ids and no attempts; they keep their own ids, time,
   * headers, priority and TTR. Those that are reserved stay. Between two engines a message is stored there, then removed here:
   * a crash in between leaves it in both.
   * @returns how many were moved; and how many are in both queues, because somebody took them here meanwhile
   * @throws InvalidOptionError, UnsupportedError, EngineError; DecodeError for a body that cannot be read where the codecs
   * differ
   */
  async moveTo(target: Queue, selection: MoveSelection): Promise<MoveResult> {
    return move(this, checkQueue('the target of moveTo', target), selection);
  }

  /** Pauses delivery for the given duration; a number is milliseconds. */
  async pause(duration: Duration): Promise<void> {
    return this.driver.pause(this.name, toMs(duration, 'the pause'));
  }

  /** Ends a pause. */
  resume(): Promise<void> {
    return this.driver.pause(this.name, 0);
  }

  /** Prepares and checks the engine; doing it again is harmless. */
  setUp(): Promise<void> {
    return this.driver.setUp(this.name);
  }

  /** Takes a message without a worker: it is yours to ack, release or bury within its TTR. `null` when none came. */
  reserve(options: TakeOptions = {}): Promise<Reservation | null> {
    return this.#reserve('reserve', options);
  }

  /**
   * Reads the body of a reservation, or of a message that was shown.
   * @throws DecodeError that carries the body, the queue and the engine's id of the message
   */
  decode({ jobId, body }: Pick<StoredMessage, 'jobId' | 'body'>): Message {
    return read(this.codec, body, { queue: this.name, jobId, type: this.type });
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

  /** Closes what the queue has opened, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #reserve(what: string, options: TakeOptions): Promise<Reservation | null> {
    const { timeout, signal } = checkOptions(what, options, TAKE_OPTIONS);
    const timeoutMs = timeout === undefined ? undefined : toMs(timeout, 'timeout');
    checkSignal('signal', signal);
    const consumer = await this.#consume();
    const [message] = await consumer.reserve({ timeoutMs, signal });
    return message === undefined ? null : new Reservation(consumer, message);
  }

  /** One consumer for all reservations without a worker; tried again where the engine could give none. */
  #consume(): Promise<Consumer> {
    if (this.#consumer !== undefined) return this.#consumer;
    // It outlasts the call of whoever happens to be the first.
    const consumer = runOutside(() => this.driver.consume([this.name]));
    this.#consumer = consumer;
    consumer.catch(() => {
      if (this.#consumer === consumer) this.#consumer = undefined;
    });
    return consumer;
  }
}

/**
 * Publishes one message to several queues of one driver, such as one for each of several readers: with the same id and time,
 * in one put, which stores all or none where the engine can (`capabilities.atomicPublish`).
 * @returns the engine's ids, in the order of the queues
 * @throws as `queue.publish` does; InvalidOptionError for queues of several drivers
 * @example
 * await publishTo([totals, search], OrderPlaced, { id: 7 });
 */
export async function publishTo<Input>(
  queues: readonly Queue[],
  type: MessageType<unknown, Input>,
  data: NoInfer<Input>,
  options: PublishOptions = {},
): Promise<string[]> {
  if (!Array.isArray(queues) || queues.length === 0)
    throw new InvalidOptionError(`the queues of publishTo must be an array of at least one, got ${preview(queues)}`);
  const drivers = new Set(queues.map((queue) => checkQueue('a queue of publishTo', queue).driver));
  if (drivers.size > 1)
    throw new InvalidOptionError(`the queues of publishTo must be of one driver, got ${drivers.size} drivers`);
  const shared = { id: crypto.randomUUID(), time: new Date() };
  const batches = queues.map(({ publisher }) => publisher.prepare('publishTo', type, [data], options, shared));
  return publishBatches(batches, jobIdsOf);
}

/** Of the one message that was published. */
function firstId([stored]: readonly StoredItem[]): string {
  return (stored as StoredItem).jobId;
}

function checkQueue(what: string, queue: Queue): Queue {
  if (queue?.publisher instanceof Publisher) return queue;
  throw new InvalidOptionError(`${what} must be a Queue, got ${preview(queue)}`);
}

function checkSignals(signals: SignalDispatcher): SignalDispatcher {
  if (typeof signals?.emit === 'function') return signals;
  throw new InvalidOptionError(`signals must be a SignalDispatcher, got ${preview(signals)}`);
}
