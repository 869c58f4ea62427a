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
 * So much is in flight already, with no answer, that one more command would exceed `maxPendingBytes`. Nothing was sent: wait for
 * earlier calls before the next ones. Commands that settle jobs are never refused so.
 */
export class PendingLimitError extends BaseError {
  readonly code = 'PENDING_LIMIT';
}

/** The connection could not be made, or ended before the reply came. */
export class ConnectionLostError extends BaseError {
  readonly code = 'CONNECTION_LOST';
  /**
   * Whether the command had been handed to the socket. If so the server may or may not have executed it: nobody can
   * tell, and nothing is repeated silently. If not, it certainly did not.
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

/** The server accepted a command and did not answer it within `replyTimeoutMs`, or sent its reply too slowly. Whether it executed it nobody can tell. */
export class ReplyTimeoutError extends BaseError {
  readonly code = 'REPLY_TIMEOUT';
}

/** The client was closed by `quit()` or `destroy()`. */
export class ClosedError extends BaseError {
  readonly code = 'CLOSED';
}

nameErrors({ PendingLimitError, ConnectionLostError, ConnectTimeoutError, ReplyTimeoutError, ClosedError });

/** Any error of the client. Each has its own `code`, by which the compiler tells the class. */
export type AnyBeanstalkdError =
  | ServerError
  | InvalidArgumentError
  | ProtocolError
  | PendingLimitError
  | ConnectionLostError
  | ConnectTimeoutError
  | ReplyTimeoutError
  | ClosedError;

/** Any error of the client: there is one class for each `code`. */
export type BeanstalkdError = AnyBeanstalkdError;

/** The base of every error of the client. What is an `instanceof` of it is told apart by `code`, or by class. */
export const BeanstalkdError: ErrorBase<AnyBeanstalkdError> = BaseError as ErrorBase<AnyBeanstalkdError>;
