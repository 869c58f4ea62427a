import { type Duration, toMs } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';

/** Delays that grow from failure to failure. */
export interface ExponentialBackoff {
  /** After the first failure. Default 1 s. */
  readonly initial?: Duration;
  /** From one failure to the next. Default 2. */
  readonly factor?: number;
  /** No delay is longer. Default 5 min. */
  readonly max?: Duration;
  /** `full`: anything from 0 to the delay, so that what failed together does not return together. Default `full`. */
  readonly jitter?: 'full' | 'none';
}

/** How long a failed message waits: growing, fixed, or as a function says that gets the attempt (1-based) that failed. */
export type Backoff = ExponentialBackoff | Duration | ((attempt: number, error: unknown) => Duration);

/** The delay in milliseconds after the attempt that failed. */
export type RetryDelay = (attempt: number, error: unknown) => number;

/**
 * @param random from 0 to below 1
 * @throws InvalidOptionError
 */
export function retryDelay(backoff: Backoff = {}, random: () => number = Math.random): RetryDelay {
  if (typeof backoff === 'function') return (attempt, error) => toMs(backoff(attempt, error), 'the backoff');
  if (typeof backoff !== 'object') {
    const fixed = toMs(backoff, 'backoff');
    return () => fixed;
  }
  const { initial = '1s', factor = 2, max = '5m', jitter = 'full' } = backoff;
  const [initialMs, maxMs] = [toMs(initial, 'backoff.initial'), toMs(max, 'backoff.max')];
  if (!Number.isFinite(factor) || factor < 1) {
    throw new InvalidOptionError(`backoff.factor is a number of at least 1, got ${String(factor)}`);
  }
  if (jitter !== 'full' && jitter !== 'none') {
    throw new InvalidOptionError(`backoff.jitter is "full" or "none", got ${JSON.stringify(jitter)}`);
  }
  return (attempt) => {
    // Beyond all numbers at some time, and 0 times that is none.
    const delay = Math.min(maxMs, initialMs * factor ** (attempt - 1) || 0);
    return Math.round(jitter === 'full' ? delay * random() : delay);
  };
}
