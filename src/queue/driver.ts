// The contract between a queue and the engine that holds its messages. All times are milliseconds; an engine with a
// coarser clock rounds up.

import type { EngineError } from './errors.js';
import type { Failure } from './failure.js';

/** What an engine can do beyond the contract. Asking for what it cannot do throws UnsupportedError. */
export interface Capabilities {
  /** `peek` can show more than the first message of a state. */
  readonly peekMany: boolean;
  /** Whether the failure of a message is kept with it: always, with buried messages only, or not at all. */
  readonly failures: 'kept' | 'buried' | 'none';
  /** Several processes can work on the same messages. */
  readonly shared: boolean;
}

/** How a message is stored. */
export interface PutOptions {
  /** The lowest is delivered first, 0 to 4294967295. */
  readonly priority: number;
  /** Until it may be delivered. */
  readonly delayMs: number;
  /** How long a consumer may hold it without renewing its lease. */
  readonly ttrMs: number;
}

/** A message to store. */
export interface PutItem {
  readonly body: Uint8Array;
  readonly options: PutOptions;
}

/** The states one can look into. A reserved message is with its holder. */
export type PeekState = 'ready' | 'delayed' | 'buried';

/** A message at rest. */
export interface StoredMessage {
  readonly id: string;
  readonly state: PeekState;
  /** In an `ArrayBuffer` of its own: the user may change or transfer it. */
  readonly body: Buffer;
  /** Why it was buried, where the engine keeps that. */
  readonly failure?: Failure | undefined;
}

/** How many messages are in each state. */
export interface MessageCounts {
  readonly ready: number;
  readonly delayed: number;
  readonly reserved: number;
  readonly buried: number;
}

/** The state of a queue. */
export interface QueueStats extends MessageCounts {
  /** When its pause ends; `null` where it is not paused. An engine with a coarser clock rounds up. */
  readonly pausedUntil: Date | null;
}

/** Which of several queues is served first: they take turns, or the first named that has a message is. */
export type QueueOrder = 'fair' | 'strict';

export interface ConsumeOptions {
  /** Default `fair`. Within a queue the lowest priority comes first, then the oldest. */
  readonly order?: QueueOrder | undefined;
  /** `false` lets an engine that must ask for it leave `attempt` unknown. Default true. */
  readonly trackAttempts?: boolean | undefined;
}

export interface ReserveOptions {
  /** Default: wait for ever. */
  readonly timeoutMs?: number | undefined;
  /** Gives up waiting: the call rejects with the signal's reason. A message that was on its way stays in the queue. */
  readonly signal?: AbortSignal | undefined;
}

/** A message that is delivered to us and to nobody else until it is settled or its lease ends. */
export interface Reservation {
  /** The engine's id of the message. */
  readonly id: string;
  readonly queue: string;
  /** In an `ArrayBuffer` of its own: the user may change or transfer it. */
  readonly body: Buffer;
  /**
   * How often it has been delivered since it was put or kicked, this time included; deliveries to crashed processes count.
   * A kick grants a fresh budget, never less: where the engine cannot tell how often it was delivered since, it is 1.
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
  /** Makes `attempt` and `ttrMs` known, on engines that can leave them unknown. @throws LeaseLostError */
  track?(): Promise<void>;
  /** The work is done: removes the message. @throws LeaseLostError */
  ack(): Promise<void>;
  /** Gives it back; it keeps its priority unless one is given. @throws LeaseLostError */
  release(options?: { readonly priority?: number | undefined; readonly delayMs?: number | undefined }): Promise<void>;
  /** Puts it aside until it is kicked; it keeps its priority unless one is given. @throws LeaseLostError */
  bury(options?: { readonly priority?: number | undefined; readonly failure?: Failure | undefined }): Promise<void>;
  /** Why the failure could not be kept, once `bury` has resolved: the message is buried all the same. */
  readonly failureError?: EngineError | undefined;
  /** Starts the lease anew. @throws LeaseLostError */
  touch(): Promise<void>;
}

/** Takes messages from one or more queues. */
export interface Consumer {
  /** The next message, or null when the timeout passed or the consumer was closed. May be called several times at once. */
  reserve(options?: ReserveOptions): Promise<Reservation | null>;
  /**
   * What is still held goes back to its queue. Where the engine cannot be reached, it rejects; the consumer is closed all the
   * same, and its messages come back when their leases end. May be called again.
   */
  close(): Promise<void>;
}

/** An engine. */
export interface Driver {
  readonly capabilities: Capabilities;
  /** Prepares and checks the engine for `queue`; doing it again is harmless. */
  setUp(queue: string): Promise<void>;
  /**
   * The bytes are the caller's again as soon as it has returned a promise.
   * @returns the engine's id of the message
   */
  put(queue: string, body: Uint8Array, options: PutOptions): Promise<string>;
  /** As `put`, for each of them; their ids are in order. */
  putMany(queue: string, items: readonly PutItem[]): Promise<string[]>;
  /** @param slots how many reservations will be held at once */
  consume(queues: readonly string[], slots: number, options?: ConsumeOptions): Promise<Consumer>;
  /** Without reserving them; the next to be delivered first. */
  peek(queue: string, state: PeekState, limit: number): Promise<StoredMessage[]>;
  /** Makes up to `limit` buried messages ready, or delayed ones where none is buried. @returns how many */
  kick(queue: string, limit: number): Promise<number>;
  /** @returns whether there was such a message that nobody held */
  delete(queue: string, id: string): Promise<boolean>;
  /**
   * Counts the messages of a queue.
   * @returns `null` where there is no such queue. Whether one that is empty still exists depends on the engine.
   */
  stats(queue: string): Promise<QueueStats | null>;
  /** The queues that have messages or are paused. An engine may list more that it knows. */
  queues(): Promise<string[]>;
  /** Delivers nothing from `queue` for so long; 0 ends a pause. */
  pause(queue: string, ms: number): Promise<void>;
  /** Removes every message that nobody holds. @returns how many */
  flush(queue: string): Promise<number>;
  close(): Promise<void>;
}
