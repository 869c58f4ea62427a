import {
  BeanstalkdError as BaseError,
  type ErrorContext,
  type InvalidArgumentError,
  type ProtocolError,
  type ServerError,
} from '../protocol/errors.js';
import { type ErrorBase, nameErrors } from '../shared/error-names.js';

export {
  BadFormatError,
  BuriedError,
  DeadlineSoonError,
  DrainingError,
  type ErrorCode,
  type ErrorContext,
  ExpectedCrlfError,
  InternalError,
  InvalidArgumentError,
  JobTooBigError,
  NotFoundError,
  NotIgnoredError,
  OutOfMemoryError,
  ProtocolError,
  type ServerError,
  UnknownCommandError,
} from '../protocol/errors.js';

/**
 * The command was not sent, because its bytes and those of the pending commands would exceed `maxPendingBytes`. Wait
 * for earlier calls to settle. Commands that settle jobs are never refused.
 */
export class PendingLimitError extends BaseError {
  readonly code = 'PENDING_LIMIT';
}

/** The connection could not be established, or ended before the reply arrived. */
export class ConnectionLostError extends BaseError {
  readonly code = 'CONNECTION_LOST';
  /**
   * Whether the command was handed to the socket. If true, the server may or may not have executed it; the client never
   * repeats it. If false, the server has not executed it.
   */
  readonly sent: boolean;

  constructor(message: string, sent: boolean, context: ErrorContext = {}) {
    super(message, context);
    this.sent = sent;
  }
}

/** No connection was established within `connectTimeoutMs`. */
export class ConnectTimeoutError extends BaseError {
  readonly code = 'CONNECT_TIMEOUT';
}

/**
 * The server did not answer a command within `replyTimeoutMs`, or sent the reply too slowly. It may or may not have
 * executed the command.
 */
export class ReplyTimeoutError extends BaseError {
  readonly code = 'REPLY_TIMEOUT';
}

/** The client was closed by `quit()` or `destroy()`. */
export class ClosedError extends BaseError {
  readonly code = 'CLOSED';
}

nameErrors({ PendingLimitError, ConnectionLostError, ConnectTimeoutError, ReplyTimeoutError, ClosedError });

/** Any error of the client. Each class has its own `code`, by which the compiler narrows the type. */
export type AnyBeanstalkdError =
  | ServerError
  | InvalidArgumentError
  | ProtocolError
  | PendingLimitError
  | ConnectionLostError
  | ConnectTimeoutError
  | ReplyTimeoutError
  | ClosedError;

/** Any error of the client. There is one class for each `code`. */
export type BeanstalkdError = AnyBeanstalkdError;

/** The base class of all errors of the client. After `instanceof`, tell the classes apart by `code`. */
export const BeanstalkdError: ErrorBase<AnyBeanstalkdError> = BaseError as ErrorBase<AnyBeanstalkdError>;
