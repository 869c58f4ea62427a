import {
  BeanstalkdError,
  BuriedError,
  ClosedError,
  ConnectionLostError,
  ConnectTimeoutError,
  InvalidArgumentError,
} from '../../client/errors.js';
import {
  DriverClosedError,
  EngineError,
  type EngineErrorOptions,
  HaricotError,
  InvalidOptionError,
} from '../../queue/errors.js';
import { messageOfError } from '../../queue/failure.js';

type Outcome = Required<Pick<EngineErrorOptions, 'retryable' | 'outcome'>>;

const REFUSED: Outcome = { retryable: false, outcome: 'nothing' };
const REFUSED_FOR_NOW: Outcome = { retryable: true, outcome: 'nothing' };
const UNKNOWN: Outcome = { retryable: true, outcome: 'unknown' };

/** What each code says about the command that it answers. */
const OUTCOMES: Readonly<Partial<Record<BeanstalkdError['code'], Outcome>>> = {
  CONNECT_TIMEOUT: REFUSED_FOR_NOW,
  REPLY_TIMEOUT: UNKNOWN,
  OUT_OF_MEMORY: REFUSED_FOR_NOW,
  // The answer to a release: the server had no room for it among those that are ready or delayed.
  BURIED: { retryable: false, outcome: 'unknown' },
  // Too much is in flight already.
  PENDING_LIMIT: REFUSED_FOR_NOW,
  DRAINING: REFUSED_FOR_NOW,
  INTERNAL_ERROR: UNKNOWN,
  // The reply could not be read, so nobody knows what it said.
  PROTOCOL: { retryable: false, outcome: 'unknown' },
};

/**
 * The error that the framework throws for one of the client's.
 * @param isRead whether the command changes nothing: then nothing was done, whatever happened to its reply
 */
export function toHaricotError(error: unknown, isRead = false): HaricotError {
  if (error instanceof HaricotError) return error;
  if (!(error instanceof BeanstalkdError))
    return new EngineError(messageOfError(error), { cause: error, outcome: isRead ? 'nothing' : 'unknown' });
  if (error instanceof InvalidArgumentError) return new InvalidOptionError(error.message, { cause: error });
  if (error instanceof ClosedError)
    return new DriverClosedError('cannot use the driver: it is closed', { cause: error });
  const { retryable, outcome } = outcomeOf(error);
  if (error instanceof BuriedError && error.command === 'put' && error.jobId !== undefined) {
    return new EngineError(
      `cannot queue the message: the server had no room, stored it as ${error.jobId} and buried it; retry it when there is room`,
      { cause: error, outcome: 'partial', storedIds: [error.jobId] },
    );
  }
  return new EngineError(error.message, { cause: error, retryable, outcome: isRead ? 'nothing' : outcome });
}

/** What the framework tells of a command whose failure changes nothing else. */
export function toEngineError(error: unknown): EngineError {
  const translated = toHaricotError(error);
  return translated instanceof EngineError ? translated : new EngineError(translated.message, { cause: translated });
}

/** For a promise's second handler. */
export function rejectTranslated(error: unknown): never {
  throw toHaricotError(error);
}

/** Rejects with the errors of the framework. */
export async function translated<T>(work: Promise<T>, isRead = false): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toHaricotError(error, isRead);
  }
}

/** Whether the connection could not be made or is gone, so that nothing can be sent down it. */
export function isDisconnection(error: unknown): boolean {
  const cause = error instanceof HaricotError ? error.cause : error;
  return cause instanceof ConnectionLostError || cause instanceof ConnectTimeoutError || cause instanceof ClosedError;
}

function outcomeOf(error: BeanstalkdError): Outcome {
  if (error instanceof ConnectionLostError) return error.sent ? UNKNOWN : REFUSED_FOR_NOW;
  return OUTCOMES[error.code] ?? REFUSED;
}
