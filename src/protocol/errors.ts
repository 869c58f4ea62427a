import { nameErrors } from '../shared/error-names.js';

/** Every code a {@link BeanstalkdError} can carry. */
export type ErrorCode =
  | ServerErrorCode
  | 'PENDING_LIMIT'
  | 'CONNECTION_LOST'
  | 'CONNECT_TIMEOUT'
  | 'REPLY_TIMEOUT'
  | 'PROTOCOL'
  | 'CLOSED'
  | 'INVALID_ARGUMENT';

/** What an error happened to. */
export interface ErrorContext {
  /** The command's name on the wire, such as `put`. */
  readonly command?: string | undefined;
  /** The job the command was about. */
  readonly jobId?: string | undefined;
  readonly cause?: unknown;
}

/** The base of every error of the client. Tell them apart by `code`, or by class: there is one for each code. */
export abstract class BeanstalkdError extends Error {
  abstract readonly code: ErrorCode;
  readonly command: string | undefined;
  readonly jobId: string | undefined;

  /** @param lead stands before the command, where the error tells of one */
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

/** An argument the server would refuse or misread. Nothing was sent. */
export class InvalidArgumentError extends BeanstalkdError {
  readonly code = 'INVALID_ARGUMENT';

  constructor(message: string, context: ErrorContext = {}) {
    super(message, context, '');
  }
}

/** The server's bytes are not a reply, or not one to the command that was sent. The connection is destroyed. */
export class ProtocolError extends BeanstalkdError {
  readonly code = 'PROTOCOL';
  /** The offending bytes, at most the first 256 of them. Empty where the fault is not in particular bytes. */
  readonly bytes: Uint8Array;

  constructor(message: string, bytes: Uint8Array = new Uint8Array(0), context: ErrorContext = {}) {
    super(message, context);
    // A copy even of a Buffer, whose slice() would be a view of the chunk.
    this.bytes = Uint8Array.from(bytes.subarray(0, 256));
  }
}

/** There is no such job or tube, or the job is not in a state (or not held by this connection) that the command asks for. */
export class NotFoundError extends BeanstalkdError {
  readonly code = 'NOT_FOUND';
}

/** The TTR of a job held by this connection ends within a second, and no other job is ready: touch or finish it. */
export class DeadlineSoonError extends BeanstalkdError {
  readonly code = 'DEADLINE_SOON';
}

/** The server is in drain mode (SIGUSR1) and takes no new jobs until it is restarted. */
export class DrainingError extends BeanstalkdError {
  readonly code = 'DRAINING';
}

/**
 * For a put: the body is larger than the server's max-job-size (`-z`), and nothing was stored. For a call that receives a job:
 * its body is larger than `maxBodyBytes` and was skipped; `jobId` names the job, which is held if the call has reserved it.
 */
export class JobTooBigError extends BeanstalkdError {
  readonly code = 'JOB_TOO_BIG';
}

/** The server has no memory, or no room in its binlog, for this. */
export class OutOfMemoryError extends BeanstalkdError {
  readonly code = 'OUT_OF_MEMORY';
}

/** The server failed inside, for example at writing its binlog. */
export class InternalError extends BeanstalkdError {
  readonly code = 'INTERNAL_ERROR';
}

/** The server could not read the command line. */
export class BadFormatError extends BeanstalkdError {
  readonly code = 'BAD_FORMAT';
}

/** The server does not know the command. */
export class UnknownCommandError extends BeanstalkdError {
  readonly code = 'UNKNOWN_COMMAND';
}

/** The server did not find CR LF behind the body: the stream is out of step. */
export class ExpectedCrlfError extends BeanstalkdError {
  readonly code = 'EXPECTED_CRLF';
}

/** The only watched tube cannot be ignored. */
export class NotIgnoredError extends BeanstalkdError {
  readonly code = 'NOT_IGNORED';
}

/** The server could not queue the job and buried it instead (memory or binlog trouble). `jobId` names it. */
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

/** A word of the server that says no. */
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

/** The error of a word of the server that says no. */
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

/** @internal The typed error for a server's refusal. */
export function serverError(code: ServerErrorCode, context: ErrorContext): ServerError {
  const [ErrorClass, explanation] = SERVER_ERRORS[code];
  return new ErrorClass(`${code} (${explanation})`, context);
}

/** @internal Bytes as an operator can read them: printable ASCII, the rest escaped, cut after 64. */
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
