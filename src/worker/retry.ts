import { checkOneOf, checkOptions, type OptionNames } from '../queue/checks.js';
import { type Duration, toMs } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';
import { isPromise } from '../queue/message.js';
import { preview } from '../shared/text.js';

/** A delay that grows with each failure. */
export interface ExponentialBackoff {
  /** After the first failure. Default 1 s. */
  readonly initial?: Duration | undefined;
  /** By how much the delay is multiplied after each failure. Default 2. */
  readonly factor?: number | undefined;
  /** The longest delay. Default 5 min. */
  readonly max?: Duration | undefined;
  /** `full`: a random delay from 0 to the computed one, which spreads messages that failed together. Default `full`. */
  readonly jitter?: 'full' | 'none' | undefined;
}

/**
 * How long a message waits after a failure: a growing delay, a fixed one, or a function of the attempt (1-based) that failed. If
 * the function throws, or does not return a duration (a promise is none), `workerError` is emitted and the message waits 1 s.
 */
export type Backoff = ExponentialBackoff | Duration | ((attempt: number, error: unknown) => Duration);

/** The delay in milliseconds after the attempt that failed. */
export type RetryDelay = (attempt: number, error: unknown) => number;

const OPTIONS: OptionNames<ExponentialBackoff> = { initial: true, factor: true, max: true, jitter: true };
const JITTERS = ['full', 'none'] as const;

/**
 * @param random from 0 to below 1
 * @throws InvalidOptionError
 */
export function retryDelay(backoff: Backoff = {}, random: () => number = Math.random): RetryDelay {
  if (typeof backoff === 'function') return (attempt, error) => delayOf(backoff(attempt, error));
  if (typeof backoff !== 'object' || backoff === null) {
    const fixed = toMs(backoff, 'backoff');
    return () => fixed;
  }
  const { initial = '1s', factor = 2, max = '5m', jitter = 'full' } = checkOptions('backoff', backoff, OPTIONS);
  const [initialMs, maxMs] = [toMs(initial, 'backoff.initial'), toMs(max, 'backoff.max')];
  if (!Number.isFinite(factor) || factor < 1) {
    throw new InvalidOptionError(`backoff.factor must be a number of at least 1, got ${preview(factor)}`);
  }
  checkOneOf('backoff.jitter', jitter, JITTERS);
  return (attempt) => {
    // Beyond all numbers at some time, and 0 times that is none.
    const delay = Math.min(maxMs, initialMs * factor ** (attempt - 1) || 0);
    return Math.round(jitter === 'full' ? delay * random() : delay);
  };
}

/** @throws InvalidOptionError for what is no duration, such as a promise, whose rejection nobody else would handle */
function delayOf(duration: Duration): number {
  if (!isPromise<unknown>(duration)) return toMs(duration, 'what backoff returns');
  Promise.resolve(duration).catch(() => {
    // What it says is of no use any more.
  });
  throw new InvalidOptionError('what backoff returns must be a duration, got a promise');
}
