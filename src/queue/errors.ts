import { type ErrorBase, nameErrors } from '../shared/error-names.js';
import { escapeText, preview, truncate } from '../shared/text.js';
import { type Duration, toMs } from './duration.js';
import { BaseError, type InvalidOptionError } from './error-base.js';
import { checkBoolean, checkOptions, type OptionNames } from './options.js';

export { type HaricotErrorCode, InvalidOptionError } from './error-base.js';

/** What a schema found wrong with a message's data. */
export interface SchemaIssue {
  /** What is wrong, in the words of the schema. */
  readonly message: string;
  /** Where in the data, such as `items.0.price`; empty for the data as a whole. */
  readonly path: string;
}

/** The data of a message does not fit its schema. */
export class SchemaError extends BaseError {
  readonly code = 'SCHEMA';
  /** The type of the message. */
  readonly type: string;
  /** What the schema found wrong. */
  readonly issues: readonly SchemaIssue[];

  constructor(type: string, issues: readonly SchemaIssue[], options?: ErrorOptions) {
    super(
      `cannot accept the data of a message of type ${preview(type)}: it does not fit its schema: ${summaryOf(issues)}`,
      options,
    );
    this.type = type;
    this.issues = issues;
  }
}

const MAX_ISSUES = 10;
const MAX_ISSUE = 300;

function summaryOf(issues: readonly SchemaIssue[]): string {
  const shown = issues
    .slice(0, MAX_ISSUES)
    .map(({ path, message }) => truncate(escapeText(path ? `${path}: ${message}` : message), MAX_ISSUE));
  const more = issues.length - shown.length;
  return `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

/** A message that the codec cannot write: data that JSON would lose, for example. Nothing was published. */
export class EncodeError extends BaseError {
  readonly code = 'ENCODE';
}

/** Whose body could not be read. */
export interface Undecodable {
  /** The queue that the message is in. */
  readonly queue: string;
  /** The engine's id of the message. */
  readonly jobId: string;
  /** The bytes as they are stored. */
  readonly body: Buffer;
}

/** A body that the codec cannot read as a message. A codec need only say why: the queue adds whose body it is. */
export class DecodeError extends BaseError implements Partial<Undecodable> {
  readonly code = 'DECODE';
  /** The queue that the message is in, once it is known. */
  declare readonly queue?: string;
  /** The engine's id of the message, once it is known. */
  declare readonly jobId?: string;
  /** The bytes as they are stored. Not enumerable: loggers that print errors leave it out. */
  declare readonly body?: Buffer;

  /** Tells the error whose body it is about. */
  locate({ queue, jobId, body }: Undecodable): this {
    Object.assign(this, { queue, jobId });
    return Object.defineProperty(this, 'body', { value: body, configurable: true });
  }
}

/** The reservation is over: its lease ended, its holder was cut off, or it was settled before. Nothing was changed. */
export class LeaseLostError extends BaseError {
  readonly code = 'LEASE_LOST';
}

/** The engine cannot do this; its `capabilities` say so. */
export class UnsupportedError extends BaseError {
  readonly code = 'UNSUPPORTED';
}

/** A slot ran longer than `slotTimeout`. */
export class SlotTimeoutError extends BaseError {
  readonly code = 'SLOT_TIMEOUT';
}

/** A middleware resolved without calling `next()`, or called it twice. The message has failed. */
export class MiddlewareError extends BaseError {
  readonly code = 'MIDDLEWARE';
}

/**
 * Thrown by a slot, a middleware or a schema: the message is buried now, with the reason `unrecoverable`, however many attempts
 * are left.
 * @example throw new UnrecoverableError('the mailbox is gone', { cause: await response.text() });
 */
export class UnrecoverableError extends BaseError {
  readonly code = 'UNRECOVERABLE';

  /**
   * @param options `cause`: an error, or a string such as what another service has answered. It is kept in the failure
   * @throws InvalidOptionError
   */
  constructor(message: string, options: ErrorOptions = {}) {
    const checked = checkOptions('UnrecoverableError', options, UNRECOVERABLE_OPTIONS);
    super(message, checked.cause === undefined ? undefined : { cause: checked.cause });
  }
}

/** When a message is tried again. */
export interface RetryLaterOptions extends ErrorOptions {
  /** How long the message waits. A number is milliseconds. */
  readonly delay: Duration;
  /** Pauses the whole queue for as long, so that other messages do not fail for the same cause. Default false. */
  readonly pauseQueue?: boolean | undefined;
}

/**
 * Thrown by a slot, a middleware or a schema: the message is released and delivered again after a delay. It is never buried for
 * that, also at its last attempt. The delivery counts as no attempt where the engine can take it back
 * (`capabilities.uncountedRelease`); where it cannot (beanstalkd), a message that comes back with more attempts than the worker
 * allows is buried then.
 * @example throw new RetryLaterError('rate limited', { delay: '1m', pauseQueue: true });
 */
export class RetryLaterError extends BaseError {
  readonly code = 'RETRY_LATER';
  /** Milliseconds. */
  readonly delayMs: number;
  /** Whether the whole queue is paused for the same time. */
  readonly pauseQueue: boolean;

  /** @throws InvalidOptionError */
  constructor(message: string, options: RetryLaterOptions) {
    const { delay, pauseQueue = false, cause } = checkOptions('RetryLaterError', options, RETRY_LATER_OPTIONS);
    super(message, cause === undefined ? undefined : { cause });
    this.delayMs = toMs(delay, 'delay');
    this.pauseQueue = checkBoolean('pauseQueue', pauseQueue);
  }
}

const UNRECOVERABLE_OPTIONS: OptionNames<ErrorOptions> = { cause: true };
const RETRY_LATER_OPTIONS: OptionNames<RetryLaterOptions> = { delay: true, pauseQueue: true, cause: true };

/** What an engine's error tells beside its message. */
export interface EngineErrorOptions extends ErrorOptions {
  /** Default false. */
  readonly retryable?: boolean | undefined;
  /** Default `'nothing'`. */
  readonly outcome?: EngineError['outcome'] | undefined;
  /** For `'partial'`, and for `'unknown'` where some are known to be stored. */
  readonly storedIds?: readonly (string | undefined)[] | undefined;
  /** For `'unknown'` of several messages. */
  readonly unknownAt?: readonly number[] | undefined;
}

/**
 * The engine cannot do it at the moment, or not with what it found: a connection that is lost, a disk that is full, a file
 * that is no database, a body too large for it. `cause` is the engine's own error.
 */
export class EngineError extends BaseError {
  readonly code = 'ENGINE';
  /** Whether the same call may succeed later without anybody changing it or the engine's configuration. */
  readonly retryable: boolean;
  /** What is known to have been done: nothing, a part (`storedIds` says which), or nobody can tell. */
  readonly outcome: 'nothing' | 'unknown' | 'partial';
  /**
   * For `'partial'`: the ids of the messages that are stored, in order, undefined at the places of the others. Also for
   * `'unknown'` of several messages, where `unknownAt` tells the places of which nobody knows.
   */
  declare readonly storedIds?: readonly (string | undefined)[];
  /** For `'unknown'` of several messages: the places of those that may be stored or not. */
  declare readonly unknownAt?: readonly number[];

  constructor(message: string, options: EngineErrorOptions = {}) {
    const { retryable = false, outcome = 'nothing', storedIds, unknownAt } = options;
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.retryable = retryable;
    this.outcome = outcome;
    if (storedIds !== undefined) this.storedIds = storedIds;
    if (unknownAt !== undefined) this.unknownAt = unknownAt;
  }
}

/** The driver or consumer was closed. */
export class DriverClosedError extends BaseError {
  readonly code = 'CLOSED';
}

nameErrors({
  SchemaError,
  EncodeError,
  DecodeError,
  LeaseLostError,
  UnsupportedError,
  SlotTimeoutError,
  MiddlewareError,
  UnrecoverableError,
  RetryLaterError,
  EngineError,
  DriverClosedError,
});

/** Any error of the framework. Each has its own `code`, by which the compiler tells the class. */
export type AnyHaricotError =
  | InvalidOptionError
  | SchemaError
  | EncodeError
  | DecodeError
  | LeaseLostError
  | UnsupportedError
  | SlotTimeoutError
  | MiddlewareError
  | UnrecoverableError
  | RetryLaterError
  | EngineError
  | DriverClosedError;

/** Any error of the framework: there is one class for each `code`. */
export type HaricotError = AnyHaricotError;

/** The base of every error of the framework. What is an `instanceof` of it is told apart by `code`, or by class. */
export const HaricotError: ErrorBase<AnyHaricotError> = BaseError as ErrorBase<AnyHaricotError>;
