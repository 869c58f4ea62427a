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
  | 'invalid';

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
  | 'failureLimit';

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

/** Every signal that observers can be connected to, with its event. */
export interface SignalEvents {
  /** A message was published through a queue that was given these signals; `inTransaction`: it is there once that commits. */
  readonly messageSubmitted: MessageEvent & { readonly inTransaction: boolean };
  /** Every slot has resolved and the message is acknowledged. */
  readonly messageFinished: DeliveryEvent & { readonly durationMs: number };
  /** A slot failed, or the worker was stopped, and the message will be delivered again. */
  readonly messageReleased: DeliveryEvent & { readonly delayMs: number; readonly error: unknown };
  /** The message is buried. Its `message` is missing where the body could not be read. */
  readonly messageFailed: Omit<DeliveryEvent, 'message'> & {
    readonly message: Message | undefined;
    readonly body: Buffer;
    readonly reason: FailureReason;
    readonly error: unknown;
  };
  /** The lease was lost while a slot ran: what became of the slot is not applied, the message is delivered again. */
  readonly messageExpired: DeliveryEvent;
  readonly workerStarted: { readonly queues: readonly string[]; readonly concurrency: number };
  readonly workerStopping: { readonly queues: readonly string[]; readonly reason: StopReason };
  readonly workerStopped: { readonly queues: readonly string[]; readonly finished: number; readonly failed: number };
  /** Something went wrong that is no message's fault; the worker goes on. */
  readonly workerError: { readonly error: unknown };
  /** The engine answers again, `downMs` after the first of the failures that `workerError` told. */
  readonly workerRecovered: { readonly queues: readonly string[]; readonly downMs: number };
}

export type ObserverSignal = keyof SignalEvents;

// A record, so that the compiler misses a signal that is missing here.
const OBSERVER_SIGNALS: Readonly<Record<ObserverSignal, true>> = {
  messageSubmitted: true,
  messageFinished: true,
  messageReleased: true,
  messageFailed: true,
  messageExpired: true,
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
  /** Renews the lease; the worker does so by itself while the event loop runs. */
  touch(): Promise<void>;
}

/** A function that does the work for a message. */
export type MessageSlot<T> = (message: Message<T>, context: SlotContext) => unknown;

/** A function that is told of a signal; nothing waits for it, and its failure is nobody's but its own. */
export type Observer<K extends ObserverSignal> = (event: SignalEvents[K]) => unknown;
