import type { Transaction, TransactionClient } from '../queue/driver.js';
import type { Message } from '../queue/message.js';

/** Why a message was buried. */
export type FailureReason =
  /** Its slots have failed, or its worker crashed, as often as `attempts` allows. */
  | 'attempts'
  /** No slot is connected for its type. */
  | 'unhandled'
  /** Its body is not a message. */
  | 'undecodable'
  /** Its data does not fit the schema of its type. */
  | 'invalid'
  /** A slot has thrown an UnrecoverableError, or the worker's `onFailure` has returned `'bury'`. */
  | 'unrecoverable';

/** Why a worker stops. */
export type StopReason =
  /** `stop()` was called. */
  | 'stop'
  /** The signal given to `run` has aborted. */
  | 'signal'
  /** The driver was closed. */
  | 'closed'
  /** The option of this name. */
  | 'maxMessages'
  | 'timeLimit'
  | 'memoryLimit'
  | 'failureLimit'
  | 'untilEmpty';

/** What an operator can do to messages and queues. */
export type OperatorVerb = 'retry' | 'promote' | 'delete' | 'flush' | 'move' | 'pause' | 'resume';

interface MessageEvent {
  readonly queue: string;
  /** The engine's id of the message. */
  readonly jobId: string;
  readonly message: Message;
}

interface DeliveryEvent extends MessageEvent {
  /** 1-based; undefined where the worker's `trackAttempts` is off and the engine did not tell. */
  readonly attempt: number | undefined;
}

interface TimedDeliveryEvent extends DeliveryEvent {
  /** Since the worker received the message. */
  readonly durationMs: number;
}

/** Every signal that observers can be connected to, with its event. */
export interface SignalEvents {
  /** A message was published through a queue that was given these signals. */
  readonly messageSubmitted: MessageEvent & {
    /** Whether it was stored in a transaction of the publisher, which may still be rolled back. */
    readonly inTransaction: boolean;
  };
  /** A message was decoded and checked, and its slots are about to be called. */
  readonly messageStarted: DeliveryEvent;
  /** Every slot has resolved and the message is acknowledged. */
  readonly messageFinished: TimedDeliveryEvent;
  /** A slot failed, or the worker was stopped, and the message will be delivered again. */
  readonly messageReleased: TimedDeliveryEvent & {
    /** How long the message waits before the next delivery, in milliseconds. */
    readonly delayMs: number;
    /** Whether this delivery counts as an attempt. */
    readonly counted: boolean;
    /** What was thrown. */
    readonly error: unknown;
  };
  /** The message is buried. Its `message` is missing where the body could not be read. */
  readonly messageFailed: Omit<TimedDeliveryEvent, 'message'> & {
    /** The message, if the body could be read. */
    readonly message: Message | undefined;
    /** The bytes as they are stored. */
    readonly body: Buffer;
    /** Why it is buried. */
    readonly reason: FailureReason;
    /** What was thrown. */
    readonly error: unknown;
  };
  /** The lease was lost while a slot ran: what became of the slot is not applied, the message is delivered again. */
  readonly leaseLost: DeliveryEvent;
  /** An operator has changed messages or a queue, for example in the console. */
  readonly operatorActed: {
    /** What was done. */
    readonly verb: OperatorVerb;
    /** The queue that it was done to. */
    readonly queue: string;
    /** The messages that were changed; empty if it was the queue, or all messages of a kind. */
    readonly jobIds: readonly string[];
    /** The name of the operator, if known. */
    readonly by: string | undefined;
  };
  /** A worker has started. */
  readonly workerStarted: {
    /** The queues that it takes messages from. */
    readonly queues: readonly string[];
    /** How many messages it works on at once. */
    readonly concurrency: number;
  };
  /** A worker takes no further messages. */
  readonly workerStopping: {
    /** The queues that it took messages from. */
    readonly queues: readonly string[];
    /** Why it stops. */
    readonly reason: StopReason;
  };
  /** A worker has stopped. */
  readonly workerStopped: {
    /** The queues that it took messages from. */
    readonly queues: readonly string[];
    /** How many messages it has acknowledged. */
    readonly finished: number;
    /** How many messages it has buried. */
    readonly failed: number;
  };
  /** Something went wrong that is no message's fault; the worker goes on. */
  readonly workerError: {
    /** What was thrown. */
    readonly error: unknown;
  };
  /** The engine answers again, `downMs` after the first of the failures that `workerError` told. */
  readonly workerRecovered: {
    /** The queues that the worker takes messages from. */
    readonly queues: readonly string[];
    /** How long the engine has failed, in milliseconds. */
    readonly downMs: number;
  };
}

/** The name of a signal that observers can be connected to. */
export type ObserverSignal = keyof SignalEvents;

// A record, so that the compiler misses a signal that is missing here.
const OBSERVER_SIGNALS: Readonly<Record<ObserverSignal, true>> = {
  messageSubmitted: true,
  messageStarted: true,
  messageFinished: true,
  messageReleased: true,
  messageFailed: true,
  leaseLost: true,
  operatorActed: true,
  workerStarted: true,
  workerStopping: true,
  workerStopped: true,
  workerError: true,
  workerRecovered: true,
};

/** The names of the signals that observers can be connected to. */
export const observerSignals: readonly ObserverSignal[] = Object.keys(OBSERVER_SIGNALS) as ObserverSignal[];

/** What a slot is told about the delivery of its message. */
export interface SlotContext {
  /** The queue that the message came from. */
  readonly queue: string;
  /** The engine's id of the message. */
  readonly jobId: string;
  /**
   * 1-based; deliveries to crashed processes count. undefined where the worker's `trackAttempts` is off and the
   * engine did not tell.
   */
  readonly attempt: number | undefined;
  /** Aborts when the lease is lost, the slot has timed out, or the worker must stop now. */
  readonly signal: AbortSignal;
  /** Passes values from middleware to slots. Each delivery has its own. */
  readonly state: Map<unknown, unknown>;
  /**
   * Renews the lease; the worker does so by itself while the event loop runs.
   * @throws LeaseLostError, EngineError
   */
  touch(): Promise<void>;
  /**
   * Acknowledges the message in a transaction of the caller, in the engine's own database: both are committed, or neither. It
   * must be the last statement of the transaction, and the slot must return only after the transaction has ended. The lease is
   * not renewed from this call on. When the slots have ended, the engine decides. If the message is gone, it is finished, and
   * an error that the slot has thrown goes to `workerError`. If it is still there, because the transaction was rolled back, it has
   * failed.
   * @param options `transaction`: the engine's own client, with an open transaction
   * @throws UnsupportedError if `capabilities.transactions` is false
   * @throws InvalidOptionError if several slots are connected for the message; a middleware may call it after `next()` then
   * @throws LeaseLostError if the message is no longer held, EngineError; nothing was changed
   * @example
   * await orm.transaction(async (transaction) => {
   *   await transaction.insert(invoices).values({ order: message.data.id });
   *   await context.finish({ transaction });
   * });
   */
  finish(options: { readonly transaction: Transaction }): Promise<void>;
  /**
   * Begins a transaction on a connection of the engine, runs `work` in it, acknowledges the message in it and commits. If `work`
   * rejects, the transaction is rolled back. Keep it short: an engine may hold a lock until it ends.
   * @returns the result of `work`
   * @throws as `finish`
   */
  transaction<T>(work: (transaction: TransactionClient) => Promise<T> | T): Promise<T>;
}

/** A function that does the work for a message. */
export type MessageSlot<T> = (message: Message<T>, context: SlotContext) => unknown;

/** A function that gets the events of a signal. Nothing waits for it, and its errors go to `workerError`. */
export type Observer<K extends ObserverSignal> = (event: SignalEvents[K]) => unknown;
