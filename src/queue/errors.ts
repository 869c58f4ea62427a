import { type ErrorBase, nameErrors } from '../shared/error-names.js';
import { escapeText, preview, truncate } from '../shared/text.js';

/** Every code a {@link HaricotError} can carry. */
export type HaricotErrorCode =
  | 'INVALID_OPTION'
  | 'SCHEMA'
  | 'ENCODE'
  | 'DECODE'
  | 'LEASE_LOST'
  | 'UNSUPPORTED'
  | 'SLOT_TIMEOUT'
  | 'ENGINE'
  | 'CLOSED';

abstract class BaseError extends Error {
  abstract readonly code: HaricotErrorCode;
}

/** An option, name or address that cannot be meant. Nothing was done. */
export class InvalidOptionError extends BaseError {
  readonly code = 'INVALID_OPTION';
}

/** What a schema found wrong with a message's data. */
export interface SchemaIssue {
  readonly message: string;
  /** Where in the data, such as `items.0.price`; empty for the data as a whole. */
  readonly path: string;
}

/** The data of a message does not fit its schema. */
export class SchemaError extends BaseError {
  readonly code = 'SCHEMA';
  readonly type: string;
  readonly issues: readonly SchemaIssue[];

  constructor(type: string, issues: readonly SchemaIssue[], options?: ErrorOptions) {
    super(
      `cannot accept the data of a ${preview(type)} message: it does not fit its schema: ${summaryOf(issues)}`,
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
  readonly queue: string;
  /** The engine's id of the message. */
  readonly jobId: string;
  readonly body: Buffer;
}

/** A body that the codec cannot read as a message. A codec need only say why: the queue adds whose body it is. */
export class DecodeError extends BaseError implements Partial<Undecodable> {
  readonly code = 'DECODE';
  declare readonly queue?: string;
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
  HaricotError: BaseError,
  InvalidOptionError,
  SchemaError,
  EncodeError,
  DecodeError,
  LeaseLostError,
  UnsupportedError,
  SlotTimeoutError,
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
  | EngineError
  | DriverClosedError;

/** Any error of the framework: there is one class for each `code`. */
export type HaricotError = AnyHaricotError;

/** The base of every error of the framework. What is an `instanceof` of it is told apart by `code`, or by class. */
export const HaricotError: ErrorBase<AnyHaricotError> = BaseError as ErrorBase<AnyHaricotError>;
