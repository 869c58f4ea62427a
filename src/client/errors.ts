import { BeanstalkdError, type ErrorContext } from '../protocol/errors.js';

export {
  BadFormatError,
  BeanstalkdError,
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
  UnknownCommandError,
} from '../protocol/errors.js';

/**
 * So much is in flight already, with no answer, that one more command would exceed `maxPendingBytes`. Nothing was sent: wait for
 * earlier calls before the next ones. Commands that settle jobs are never refused so.
 */
export class PendingLimitError extends BeanstalkdError {
  readonly code = 'PENDING_LIMIT';
}

/** The connection could not be made, or ended before the reply came. */
export class ConnectionLostError extends BeanstalkdError {
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
export class ConnectTimeoutError extends BeanstalkdError {
  readonly code = 'CONNECT_TIMEOUT';
}

/** The server accepted a command and did not answer it within `replyTimeoutMs`, or sent its reply too slowly. Whether it executed it nobody can tell. */
export class ReplyTimeoutError extends BeanstalkdError {
  readonly code = 'REPLY_TIMEOUT';
}

/** The client was closed by `quit()` or `destroy()`. */
export class ClosedError extends BeanstalkdError {
  readonly code = 'CLOSED';
}
