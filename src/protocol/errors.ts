import { nameErrors } from '../shared/error-names.js';

/** Every `code` of a {@link BeanstalkdError}. */
export type ErrorCode =
  | ServerErrorCode
  | 'PENDING_LIMIT'
  | 'CONNECTION_LOST'
  | 'CONNECT_TIMEOUT'
  | 'REPLY_TIMEOUT'
  | 'PROTOCOL'
  | 'CLOSED'
  | 'INVALID_ARGUMENT';

/** What an error refers to. */
export interface ErrorContext {
  /** The name of the command on the wire, such as `put`. */
  readonly command?: string | undefined;
  /** The job that the command refers to. */
  readonly jobId?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The base class of all errors of the client. Tell them apart by `code` or by class: there is one class for each code.
 */
export abstract class BeanstalkdError extends Error {
  abstract readonly code: ErrorCode;
  readonly command: string | undefined;
  readonly jobId: string | undefined;

  /** @param lead precedes the command in the message */
  constructor(message: string, context: ErrorContext = {}, lead = 'cannot ') {
    const subject = [context.command, context.jobId].filter((part) => part !== undefined).join(' ');
    super(
      subject ? `${lead}${subject}: ${message}` : message,
      'cause' in context ? { cause: context.cause } : undefined,
    );
    this.command = context.command;
    this.jobId = context.jobId;
  }
}

/** An invalid argument, which the server would refuse or misread. Nothing was sent. */
export class InvalidArgumentError extends BeanstalkdError {
  readonly code = 'INVALID_ARGUMENT';

  constructor(message: string, context: ErrorContext = {}) {
    super(message, context, '');
  }
}

/** The server sent bytes that are not a reply, or no reply to the command. The connection is destroyed. */
export class ProtocolError extends BeanstalkdError {
  readonly code = 'PROTOCOL';
  /** The offending bytes, at most the first 256. Empty when the fault is not in particular bytes. */
  readonly bytes: Uint8Array;

  constructor(message: string, bytes: Uint8Array = new Uint8Array(0), context: ErrorContext = {}) {
    super(message, context);
    // Copies a Buffer as well, whose slice() would be a view of the chunk.
    this.bytes = Uint8Array.from(bytes.subarray(0, 256));
  }
}

/** There is no such job or tube, or the job is in the wrong state, or another connection holds it. */
export class NotFoundError extends BeanstalkdError {
  readonly code = 'NOT_FOUND';
}

/**
 * The TTR of a job that this connection holds ends within a second, and no other job is ready. Touch or settle the job.
 */
export class DeadlineSoonError extends BeanstalkdError {
  readonly code = 'DEADLINE_SOON';
}

/** The server is in drain mode (SIGUSR1) and accepts no new jobs until it restarts. */
export class DrainingError extends BeanstalkdError {
  readonly code = 'DRAINING';
}

/**
 * For a put: the body is larger than the server's max-job-size (`-z`), and nothing was stored. For a call that receives
 * a job: the body is larger than `maxBodyBytes` and was skipped. `jobId` names the job, which is held if the call
 * reserved it.
 */
export class JobTooBigError extends BeanstalkdError {
  readonly code = 'JOB_TOO_BIG';
}

/** The server has no memory, or no space in its binlog, for the command. */
export class OutOfMemoryError extends BeanstalkdError {
  readonly code = 'OUT_OF_MEMORY';
}

/** The server had an internal failure, for example while writing its binlog. */
export class InternalError extends BeanstalkdError {
  readonly code = 'INTERNAL_ERROR';
}

/** The server could not parse the command line. */
export class BadFormatError extends BeanstalkdError {
  readonly code = 'BAD_FORMAT';
}

/** The server does not know the command. */
export class UnknownCommandError extends BeanstalkdError {
  readonly code = 'UNKNOWN_COMMAND';
}

/** The server did not find CR LF after the body. The stream is out of step. */
export class ExpectedCrlfError extends BeanstalkdError {
  readonly code = 'EXPECTED_CRLF';
}

/** The only watched tube cannot be ignored. */
export class NotIgnoredError extends BeanstalkdError {
  readonly code = 'NOT_IGNORED';
}

/**
 * The server could not queue the job and buried it, because of a lack of memory or a binlog failure. `jobId` names it.
 */
export class BuriedError extends BeanstalkdError {
  readonly code = 'BURIED';
}

nameErrors({
  BeanstalkdError,
  InvalidArgumentError,
  ProtocolError,
  NotFoundError,
  DeadlineSoonError,
  DrainingError,
  JobTooBigError,
  OutOfMemoryError,
  InternalError,
  BadFormatError,
  UnknownCommandError,
  ExpectedCrlfError,
  NotIgnoredError,
  BuriedError,
});

/** The first word of a reply that reports a failure. */
export type ServerErrorCode =
  | 'NOT_FOUND'
  | 'DEADLINE_SOON'
  | 'DRAINING'
  | 'JOB_TOO_BIG'
  | 'OUT_OF_MEMORY'
  | 'INTERNAL_ERROR'
  | 'BAD_FORMAT'
  | 'UNKNOWN_COMMAND'
  | 'EXPECTED_CRLF'
  | 'NOT_IGNORED'
  | 'BURIED';

/** The error classes for replies that report a failure. */
export type ServerError =
  | NotFoundError
  | DeadlineSoonError
  | DrainingError
  | JobTooBigError
  | OutOfMemoryError
  | InternalError
  | BadFormatError
  | UnknownCommandError
  | ExpectedCrlfError
  | NotIgnoredError
  | BuriedError;

type ServerErrorClass = new (message: string, context: ErrorContext) => ServerError;

const SERVER_ERRORS: Readonly<Record<ServerErrorCode, readonly [ServerErrorClass, explanation: string]>> = {
  NOT_FOUND: [NotFoundError, 'not found'],
  DEADLINE_SOON: [DeadlineSoonError, 'the TTR of a job held by this connection ends within a second'],
  DRAINING: [DrainingError, 'the server is draining and takes no new jobs'],
  JOB_TOO_BIG: [JobTooBigError, "the body is larger than the server's max-job-size"],
  OUT_OF_MEMORY: [OutOfMemoryError, 'the server is out of memory or binlog space'],
  INTERNAL_ERROR: [InternalError, 'the server failed inside'],
  BAD_FORMAT: [BadFormatError, 'the server could not read the command line'],
  UNKNOWN_COMMAND: [UnknownCommandError, 'the server does not know the command'],
  EXPECTED_CRLF: [ExpectedCrlfError, 'the server found no CR LF behind the body'],
  NOT_IGNORED: [NotIgnoredError, 'the only watched tube cannot be ignored'],
  BURIED: [BuriedError, 'the server could not queue the job and buried it'],
};

/** @internal Creates the error for a reply that reports a failure. */
export function serverError(code: ServerErrorCode, context: ErrorContext): ServerError {
  const [ErrorClass, explanation] = SERVER_ERRORS[code];
  return new ErrorClass(`${code} (${explanation})`, context);
}

/** @internal Formats bytes for an error message: printable ASCII unchanged, the rest escaped, cut after 64. */
export function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, 64)) {
    if (byte === 13) text += '\\r';
    else if (byte === 10) text += '\\n';
    else if (byte === 34 || byte === 92) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${text}"${bytes.length > 64 ? `… (${bytes.length} bytes)` : ''}`;
}
