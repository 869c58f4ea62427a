// The contract between the framework and the engine that holds its messages.
//
// - All times are milliseconds; an engine with a coarser clock rounds up. Where several processes share an engine, its clock
//   counts, not theirs.
// - Arguments were checked before they arrive here (`checked-driver.ts`): names, ids that are not empty, priorities,
//   durations, limits, states and signals are valid, and nothing is asked for that `capabilities` deny.
// - Every error is a HaricotError: EngineError with `retryable` and `outcome`, LeaseLostError, InvalidOptionError for what
//   only the engine can tell (an id it can never have given, a body too large), and DriverClosedError once it is closed.
// - Waiting costs neither a timer that fires again and again nor a connection for each that waits.

import type { Capabilities, MessageState } from './capabilities.js';
import type { EngineError, HaricotError } from './errors.js';
import type { Failure } from './failure.js';

/** How a message is stored. */
export interface PutOptions {
  /** The lowest is delivered first, 0 to 4294967295. */
  readonly priority: number;
  /** How long to wait before the first delivery. */
  readonly delayMs: number;
  /** How long a consumer may hold it without renewing its lease. At least 1000. */
  readonly ttrMs: number;
  /** Leaves the message out where one with the same key is in the queue. */
  readonly deduplicationKey?: string | undefined;
  /** What orders and limits concurrency: messages of one group are delivered one after another. */
  readonly group?: string | undefined;
  /** Drops the message then, unless it was delivered before. */
  readonly expiresAt?: Date | undefined;
}

/** A message to store. */
export interface PutItem {
  /** The queue to store it in. */
  readonly queue: string;
  /** The bytes of the message. */
  readonly body: Uint8Array;
  /** How the message is stored. */
  readonly options: PutOptions;
}

/** What became of one message that was put. */
export interface StoredItem {
  /** The engine's id of it; of the earlier one where it was left out by its `deduplicationKey`. */
  readonly jobId: string;
  /** Whether the message was stored; false if it was left out by its `deduplicationKey`. */
  readonly isNew: boolean;
}

/** The result of a put. */
export interface PutResult {
  /** Whether all of them were stored together: had one failed, none would be there. */
  readonly atomic: boolean;
  /** In the order of the items. */
  readonly stored: readonly StoredItem[];
}

/**
 * An open transaction of the user in the engine's own database: the engine's client (`DatabaseSync` of `node:sqlite`, libsql's
 * `Database`, a `pg` client, a mysql2 connection), or anything with `query(sql, params)`, such as an ORM's wrapped in three lines.
 */
export type Transaction = object;

/** A transaction that the driver has begun. */
export interface TransactionClient {
  /**
   * Runs one statement. Parameters are written as the engine writes them; `$1`, `$2` … work on every SQL engine.
   */
  query<Row = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<{
    /** The rows that the statement returned. */
    readonly rows: readonly Row[];
    /** How many rows the statement returned or changed. */
    readonly rowCount: number;
  }>;
}

/** A message as it is stored. What the engine does not know is `undefined`, never invented. */
export interface StoredMessage {
  /** The engine's id of the message. */
  readonly jobId: string;
  /** The queue that the message is in. */
  readonly queue: string;
  /** The state of the message. */
  readonly state: MessageState;
  /** In an `ArrayBuffer` of its own: the user may change or transfer it. */
  readonly body: Buffer;
  /** The priority; the lowest is delivered first. */
  readonly priority: number | undefined;
  /** How long a consumer may hold the message without renewing its lease, in milliseconds. */
  readonly ttrMs: number | undefined;
  /** How often it was delivered since it was put or retried, the present delivery included. */
  readonly attempts: number | undefined;
  /** When the message was stored. */
  readonly createdAt: Date | undefined;
  /** When its delay ends (delayed) or its lease (reserved); `undefined` in other states. */
  readonly dueAt: Date | undefined;
  /** Why it was buried or last released, where the engine keeps that. */
  readonly failure: Failure | undefined;
}

/** Some messages of a state, the next to be delivered first; of the buried the one that was buried first. */
export interface MessagePage {
  /** The messages of the page. */
  readonly messages: readonly StoredMessage[];
  /** What `after` continues from; missing at the end. Opaque, and only good for the same queue and state. */
  readonly next?: string | undefined;
}

/** Which messages to list. */
export interface ListOptions {
  /** The state of the messages. */
  readonly state: MessageState;
  /** The largest number of messages in the page. */
  readonly limit: number;
  /** The `next` of the previous page. Default: the first page. */
  readonly after?: string | undefined;
}

/** Messages by id, or so many of those that come first. */
export type Selection =
  | {
      /** The engine's ids of the messages. */
      readonly ids: readonly string[];
    }
  | {
      /** The largest number of messages. */
      readonly limit: number;
    };

/** What to retry: with `body`, the one message named is changed. */
export type RetrySelection =
  | Selection
  | {
      /** The engine's id of the message. */
      readonly ids: readonly [string];
      /** The new body. */
      readonly body: Uint8Array;
    };

/** How many messages are in each state. */
export interface MessageCounts {
  /** How many messages can be delivered now. */
  readonly ready: number;
  /** How many messages wait for the end of their delay. */
  readonly delayed: number;
  /** How many messages are held by a consumer. */
  readonly reserved: number;
  /** How many messages have failed and are set aside. */
  readonly buried: number;
}

/** The state of a queue. */
export interface QueueStats extends MessageCounts {
  /** When its pause ends; `null` where it is not paused. An engine with a coarser clock rounds up. */
  readonly pausedUntil: Date | null;
  /** How long the oldest ready message has been there; `null` where none is ready, missing where the engine cannot tell. */
  readonly oldestReadyMs?: number | null | undefined;
}

/** Which of several queues is served first: they take turns, or the first named that has a message is. */
export type QueueOrder = 'fair' | 'strict';

/** How a consumer takes messages. */
export interface ConsumeOptions {
  /** How many messages will be held at once. Default 1. */
  readonly concurrency?: number | undefined;
  /** Default `fair`. Within a queue the lowest priority comes first, then the oldest. */
  readonly order?: QueueOrder | undefined;
  /** `false` lets an engine that must ask for it leave `attempt` unknown. Default true. */
  readonly trackAttempts?: boolean | undefined;
}

/** How to wait for messages. */
export interface ReserveOptions {
  /** How many messages at most. Default 1. */
  readonly max?: number | undefined;
  /** Default: wait for ever. 0 does not wait. */
  readonly timeoutMs?: number | undefined;
  /** Gives up waiting: the call rejects with the signal's reason. A message that was on its way stays in the queue. */
  readonly signal?: AbortSignal | undefined;
}

/** A message that is delivered to us and to nobody else until it is settled or its lease ends. */
export interface ReservedMessage {
  /** The engine's id of the message. */
  readonly jobId: string;
  /** The queue that the message came from. */
  readonly queue: string;
  /** In an `ArrayBuffer` of its own: the user may change or transfer it. */
  readonly body: Buffer;
  /**
   * How often it has been delivered since it was put or retried, this time included; deliveries to crashed processes count.
   * A retry grants a fresh budget, never less: where the engine cannot tell how often it was delivered since, it is 1.
   * Undefined when it is unknown, which only `trackAttempts: false` allows: `track` finds it out.
   */
  readonly attempt: number | undefined;
  /** How long the lease lasts from the last `touch`. */
  readonly ttrMs: number;
  /**
   * When the lease has ended at the latest unless it is renewed, by `performance.now()`: a TTR after the reserve, or the last
   * `touch`, was sent. Nothing aborts `lost` at that time. Whoever works on the message keeps one timer for all that it holds
   * and takes the lease for lost then. After `touch` has resolved it is later.
   */
  readonly leaseEndsAt: number;
  /** Aborts when the engine or the driver has told that the lease is lost. */
  readonly lost: AbortSignal;
  /** Makes `attempt` and `ttrMs` known, on engines that can leave them unknown. @throws LeaseLostError, EngineError */
  track?(): Promise<void>;
}

/** What is to become of a message that is held. */
export type Settlement =
  /** The work is done: removes the message; with `transaction`, when that commits. */
  | {
      /** Acknowledges the message. */
      readonly kind: 'ack';
      /** The message that is held. */
      readonly message: ReservedMessage;
      /** An open transaction in the engine's own database. Default: none. */
      readonly transaction?: Transaction | undefined;
    }
  /** Gives it back; it keeps its priority unless one is given. */
  | {
      /** Releases the message. */
      readonly kind: 'release';
      /** The message that is held. */
      readonly message: ReservedMessage;
      /** The new priority. Default: unchanged. */
      readonly priority?: number | undefined;
      /** How long to wait before the next delivery, in milliseconds. Default 0. */
      readonly delayMs?: number | undefined;
      /** Why the delivery failed. Default: it did not. */
      readonly failure?: Failure | undefined;
      /** `false`: this delivery counts as none (`uncountedRelease`). Default true. */
      readonly counted?: boolean | undefined;
    }
  /** Puts it aside until it is retried; it keeps its priority unless one is given. */
  | {
      /** Buries the message. */
      readonly kind: 'bury';
      /** The message that is held. */
      readonly message: ReservedMessage;
      /** The new priority. Default: unchanged. */
      readonly priority?: number | undefined;
      /** Why the message failed. Default: unknown. */
      readonly failure?: Failure | undefined;
    };

/** What became of a settlement, or of the renewal of a lease. */
export interface SettlementResult {
  /** Why it was not done: LeaseLostError where the message is no longer held, EngineError. */
  readonly error?: HaricotError | undefined;
  /** The settlement was done, but the failure could not be kept. */
  readonly failureError?: EngineError | undefined;
}

/** Takes messages from one or more queues. */
export interface Consumer {
  /**
   * The next messages, up to `max`: it does not wait for more than one. None when the timeout passed or the consumer was closed
   * meanwhile. May be called several times at once.
   * @throws DriverClosedError once the consumer or its driver was closed
   */
  reserve(options?: ReserveOptions): Promise<readonly ReservedMessage[]>;
  /**
   * Settles messages that this consumer has reserved. The commands are issued before it returns its promise, so that they share
   * a write with what is called next. From then on a message is not held any more; where the engine did not do it and that is
   * known (`outcome: 'nothing'`), it is held again. With `transaction` it stays so until that has ended: see `isHeld`.
   * @returns what became of each, in order; rejects for none of them
   */
  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]>;
  /** Starts the leases anew. @returns what became of each, in order */
  touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]>;
  /**
   * Whether the message is still held. After its `ack` in a transaction that has ended this tells how: `true` after a rollback,
   * `false` after a commit. Where it was rolled back and somebody else has the message by now, it is `false` and `lost` aborts.
   * Present where `capabilities.transactions`.
   * @throws EngineError
   */
  isHeld?(message: ReservedMessage): Promise<boolean>;
  /**
   * What is still held goes back to its queue, uncounted where the engine can. Where the engine cannot be reached, it rejects;
   * the consumer is closed all the same, and its messages come back when their leases end. May be called again.
   */
  close(): Promise<void>;
}

/** An engine. */
export interface Driver {
  /** The engine's name in telemetry: `beanstalkd`, `sqlite`, `postgresql`, `mysql`, `nats`, `memory`. */
  readonly system: string;
  /** What the engine can do. */
  readonly capabilities: Capabilities;
  /** Prepares and checks the engine for `queue`; doing it again is harmless. */
  setUp(queue: string): Promise<void>;
  /**
   * Stores messages, of one or several queues. The bytes are the caller's again as soon as it has returned a promise.
   * @throws EngineError whose `outcome`, `storedIds` and `unknownAt` say what is stored
   */
  put(items: readonly PutItem[], options?: { readonly transaction?: Transaction | undefined }): Promise<PutResult>;
  /** Opens a consumer of one or more queues. */
  consume(queues: readonly string[], options?: ConsumeOptions): Promise<Consumer>;
  /**
   * Counts the messages of each queue.
   * @returns in order; `null` where there is no such queue. Whether one that is empty still exists depends on the engine.
   */
  stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]>;
  /** Shows messages without reserving them. */
  list(queue: string, options: ListOptions): Promise<MessagePage>;
  /** One message, whatever its state; `null` where there is none in the queue. */
  find(queue: string, jobId: string): Promise<StoredMessage | null>;
  /**
   * Makes buried messages ready, those buried first where a limit is given, with a fresh budget of attempts. With `body` the
   * message is changed; it may get another id where the engine cannot change one. It never touches what is not buried.
   * @returns how many
   */
  retry(queue: string, selection: RetrySelection): Promise<number>;
  /** Makes delayed messages ready, the next one due first where a limit is given. @returns how many */
  promote(queue: string, selection: Selection): Promise<number>;
  /** Removes messages that nobody holds; where `deleteReserved`, those that are held too. @returns how many there were */
  delete(queue: string, jobIds: readonly string[]): Promise<number>;
  /** Removes every message in these states that was there when it was called. @returns how many */
  flush(queue: string, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number>;
  /**
   * Moves messages to another queue of the same engine, all or none: they become ready there, delayed ones with the rest of
   * their delay, with new ids and no attempts. Optional: otherwise they are stored there and then removed here.
   * @returns how many: those that are reserved or gone stay out
   */
  move?(queue: string, target: string, jobIds: readonly string[]): Promise<number>;
  /** The queues that have messages or are paused. An engine may list more that it knows. */
  queues(): Promise<string[]>;
  /** Pauses delivery from `queue` for the given duration; 0 ends a pause. */
  pause(queue: string, ms: number): Promise<void>;
  /**
   * Runs `work` in a transaction of the engine's own: commits when it resolves, rolls back when it rejects, and rejects with
   * the same then. Present where `capabilities.transactions`.
   */
  transaction?<T>(work: (transaction: TransactionClient) => Promise<T>): Promise<T>;
  /** Closes the driver and its consumers; later calls reject with DriverClosedError. May be called again. */
  close(): Promise<void>;
}
