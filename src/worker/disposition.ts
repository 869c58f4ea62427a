import { type Duration, toMs } from '../queue/duration.js';
import { InvalidOptionError, RetryLaterError, UnrecoverableError } from '../queue/errors.js';
import { isPromise, type Message } from '../queue/message.js';
import { isA } from '../shared/is-a.js';
import { preview } from '../shared/text.js';
import type { FailureReason } from '../signals/signals.js';
import type { Settings } from './options.js';

/** How a delivery ended, as confirmed by the engine. `lost`: the message will be delivered again, whatever its slots did. */
export type Outcome = 'finished' | 'released' | 'failed' | 'lost';

/** What the worker does with a message at the end of its delivery. */
export type Disposition =
  | { readonly outcome: 'finished'; readonly message: Message; readonly durationMs: number }
  /** The message was finished in a transaction, so it needs no settlement. `error`: what was thrown after the commit. */
  | { readonly outcome: 'committed'; readonly message: Message; readonly error?: unknown }
  | {
      readonly outcome: 'released';
      readonly message: Message;
      readonly delayMs: number;
      readonly error: unknown;
      /** Whether the delivery counts as an attempt. */
      readonly counted: boolean;
      /** Why it failed; undefined where it was interrupted. */
      readonly reason: FailureReason | undefined;
      /** Whether to pause its queue for the same time. */
      readonly pauseQueue: boolean;
      /** Whether it is a retry after a failure, for which `untilEmpty` waits. */
      readonly isRetry: boolean;
    }
  | {
      readonly outcome: 'failed';
      readonly message: Message | undefined;
      readonly reason: FailureReason;
      readonly error: unknown;
    }
  | { readonly outcome: 'lost'; readonly message: Message | undefined }
  /** The engine could not tell whether the transaction was committed. */
  | { readonly outcome: 'unknown'; readonly message: Message; readonly error: unknown };

/** A delivery that has failed. */
export interface FailedDelivery {
  readonly message: Message;
  /** The reason for its burial, where this was the last attempt. */
  readonly reason: FailureReason;
  readonly error: unknown;
  /** Undefined where it is unknown. */
  readonly attempt: number | undefined;
}

/** What the decision about a failure depends on. */
export interface PolicyEnvironment {
  readonly settings: Pick<Settings, 'attempts' | 'retryDelay' | 'onFailure'>;
  /** Whether the engine can release a message without counting the delivery. */
  readonly canUncount: boolean;
  /** Receives errors of a custom backoff and of `onFailure`. */
  readonly onError: (error: unknown) => void;
}

/** The delay where a custom backoff fails, and for messages that this worker cannot handle. */
export const FALLBACK_DELAY_MS = 1000;

/** 100 years, which every engine can hold. */
const LONGEST_DELAY_MS = 100 * 365 * 24 * 3_600_000;

/** Decides about a message that has failed: by the class of the error, then by `onFailure`, then by budget and backoff. */
export function dispositionOfFailure(
  failed: FailedDelivery,
  environment: PolicyEnvironment,
): Disposition | Promise<Disposition> {
  const { message, reason, error, attempt } = failed;
  if (isA(UnrecoverableError, error)) return { outcome: 'failed', message, reason: 'unrecoverable', error };
  if (isA(RetryLaterError, error)) {
    const delayMs = Math.min(error.delayMs, LONGEST_DELAY_MS);
    const counted = !environment.canUncount;
    return { ...released(failed, delayMs), counted, pauseQueue: error.pauseQueue, isRetry: false };
  }
  const { onFailure } = environment.settings;
  if (onFailure === undefined || reason === 'unhandled') return retried(failed, undefined, environment);
  try {
    const answer = onFailure({ error, attempt, message });
    if (!isPromise(answer)) return answered(failed, answer, environment);
    return Promise.resolve(answer)
      .then((later) => answered(failed, later, environment))
      .catch((broken: unknown) => refused(failed, broken, environment));
  } catch (broken) {
    return refused(failed, broken, environment);
  }
}

/** @throws InvalidOptionError */
function answered(failed: FailedDelivery, answer: unknown, environment: PolicyEnvironment): Disposition {
  const { message, error } = failed;
  if (answer === 'bury') return { outcome: 'failed', message, reason: 'unrecoverable', error };
  if (answer === undefined || answer === 'retry') return retried(failed, undefined, environment);
  if (typeof answer === 'object' && answer !== null && 'delay' in answer) {
    return retried(failed, toMs(answer.delay as Duration, 'the delay that onFailure returns'), environment);
  }
  throw new InvalidOptionError(
    `what onFailure returns must be "retry", "bury", { delay } or undefined, got ${preview(answer)}`,
  );
}

/** Continues without an answer, and reports why. */
function refused(failed: FailedDelivery, broken: unknown, environment: PolicyEnvironment): Disposition {
  environment.onError(broken);
  return retried(failed, undefined, environment);
}

/** Released, or buried where this was the last attempt. @param delayMs default: the backoff */
function retried(failed: FailedDelivery, delayMs: number | undefined, environment: PolicyEnvironment): Disposition {
  const { message, reason, error, attempt } = failed;
  const isLast = attempt !== undefined && attempt >= environment.settings.attempts;
  if (isLast) return { outcome: 'failed', message, reason, error };
  return released(failed, Math.min(delayMs ?? backoffOf(failed, environment), LONGEST_DELAY_MS));
}

function released({ message, reason, error }: FailedDelivery, delayMs: number): Disposition & { outcome: 'released' } {
  return {
    outcome: 'released',
    message,
    delayMs,
    error,
    counted: true,
    reason,
    pauseQueue: false,
    isRetry: reason === 'attempts',
  };
}

function backoffOf({ attempt, error }: FailedDelivery, { settings, onError }: PolicyEnvironment): number {
  try {
    return settings.retryDelay(attempt ?? 1, error);
  } catch (broken) {
    onError(broken);
    return FALLBACK_DELAY_MS;
  }
}
