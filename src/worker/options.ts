import { checkBoolean, checkInteger, checkOneOf, checkOptions, type OptionNames } from '../queue/checks.js';
import type { QueueOrder } from '../queue/driver.js';
import { type Duration, toTimerMs } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';
import type { Message } from '../queue/message.js';
import { preview } from '../shared/text.js';
import { type Backoff, type RetryDelay, retryDelay } from './retry.js';

/** What becomes of a message for whose type no slot is connected. */
export type Unhandled = 'bury' | 'release' | 'ignore';

/** A failure that `onFailure` decides about. */
export interface MessageFailure {
  /** What a slot, a middleware or a schema has thrown, or the SlotTimeoutError. */
  readonly error: unknown;
  /** The delivery that failed, 1-based; undefined where it is unknown. */
  readonly attempt: number | undefined;
  /** The message that failed. */
  readonly message: Message;
}

/**
 * What to do with a message that has failed. `'retry'` and `undefined`: release it with the backoff, or bury it at its last
 * attempt. `{ delay }`: the same with this delay. `'bury'`: bury it now, with the reason `unrecoverable`.
 */
export type FailureAnswer =
  | 'retry'
  | 'bury'
  | {
      /** How long the message waits. A number is milliseconds. */ readonly delay: Duration;
    }
  | undefined;

/**
 * Decides what to do with a message that has failed. If it throws, or returns anything else, `workerError` is emitted and the
 * message is retried.
 */
export type OnFailure = (failure: MessageFailure) => FailureAnswer | Promise<FailureAnswer>;

/** How a worker takes messages, handles failures and stops. */
export interface WorkerOptions {
  /** How many messages the worker processes at once. Default 1. */
  readonly concurrency?: number | undefined;
  /**
   * How often a message is delivered before it is buried. Deliveries to crashed processes count. A delivery that was interrupted
   * by the stop of a worker, or ended by a RetryLaterError, counts only where the engine cannot take it back (beanstalkd). Default 5.
   */
  readonly attempts?: number | undefined;
  /**
   * Whether each delivery knows its attempt. `false` saves a round trip for each message on engines that have to ask for it
   * (beanstalkd): `context.attempt` is undefined there, and the worker asks only about messages that have failed, so retries and
   * burial work as before. But a message that ends its process each time is buried only when one of its deliveries fails in the
   * ordinary way. Default true.
   */
  readonly trackAttempts?: boolean | undefined;
  /**
   * Which of several queues is served first. `fair`: they take turns, so that a backlog in one does not delay the others.
   * `strict`: a queue is served only when those named before it have no ready message. Default `fair`.
   */
  readonly order?: QueueOrder | undefined;
  /** How long a message waits after a failure. Default: 1 s, doubled each time up to 5 min, with full jitter. */
  readonly backoff?: Backoff | undefined;
  /**
   * Called for each failure, before the attempts are compared with `attempts`; not for an UnrecoverableError or a RetryLaterError.
   * It may return a promise; the lease is renewed until that is settled. Default: every failure is retried.
   * @example onFailure: ({ error }) => (error instanceof TypeError ? 'bury' : undefined)
   */
  readonly onFailure?: OnFailure | undefined;
  /**
   * Aborts slots that run longer, which counts as a failure. The check of the data and middleware are included. Default: no limit,
   * the lease is renewed as long as the slots run.
   */
  readonly slotTimeout?: Duration | undefined;
  /**
   * What to do with a message that has no slot: `bury` puts it aside, `release` leaves it to another worker, `ignore` acknowledges
   * it. Default `bury`.
   */
  readonly unhandled?: Unhandled | undefined;
  /**
   * How long slots may continue when the worker stops. Then they are aborted, and their messages are released. Where the engine
   * cannot take the delivery back (beanstalkd), it counts, and a message that is interrupted at its last attempt is buried at
   * its next delivery: choose a grace that is longer than the slots take. Default 10 s.
   */
  readonly grace?: Duration | undefined;
  /** Stops after this number of messages, whatever their outcome; exactly this number is started. Default: no limit. */
  readonly maxMessages?: number | undefined;
  /** Stops after this time. No further message is reserved; slots may finish within the grace. Default: no limit. */
  readonly timeLimit?: Duration | undefined;
  /**
   * Stops when the resident set size of the process is larger, in bytes. It is checked before each message, and once a second while
   * there is none. Default: no limit.
   */
  readonly memoryLimit?: number | undefined;
  /**
   * Stops when this number of messages was buried. No message is started once the limit is reached. Those in progress are
   * finished, so at most `failureLimit + concurrency - 1` are buried. Default: no limit.
   */
  readonly failureLimit?: number | undefined;
  /**
   * Stops when no message is ready in its queues and none is in progress in this worker. It waits for messages that it has
   * released for a retry itself, but not for other delayed messages, those of a RetryLaterError included. For messages that other
   * workers hold it waits at most 6 s. The messages of a paused queue are ready, so it waits for the end of the pause. Default false.
   */
  readonly untilEmpty?: boolean | undefined;
}

/** The options, checked and filled in. */
export interface Settings {
  readonly concurrency: number;
  readonly attempts: number;
  readonly trackAttempts: boolean;
  readonly order: QueueOrder;
  readonly retryDelay: RetryDelay;
  readonly onFailure: OnFailure | undefined;
  readonly slotTimeoutMs: number | undefined;
  readonly unhandled: Unhandled;
  readonly graceMs: number;
  readonly maxMessages: number;
  readonly timeLimitMs: number | undefined;
  readonly memoryLimit: number;
  readonly failureLimit: number;
  readonly untilEmpty: boolean;
}

const OPTIONS: OptionNames<WorkerOptions> = {
  concurrency: true,
  attempts: true,
  trackAttempts: true,
  order: true,
  backoff: true,
  onFailure: true,
  slotTimeout: true,
  unhandled: true,
  grace: true,
  maxMessages: true,
  timeLimit: true,
  memoryLimit: true,
  failureLimit: true,
  untilEmpty: true,
};

const UNHANDLED: readonly Unhandled[] = ['bury', 'release', 'ignore'];
const ORDERS: readonly QueueOrder[] = ['fair', 'strict'];

/** @throws InvalidOptionError */
export function settingsOf(options: WorkerOptions): Settings {
  const { slotTimeout, timeLimit, ...others } = checkOptions('Worker', options, OPTIONS);
  return {
    concurrency: checkInteger('concurrency', others.concurrency ?? 1, 1),
    attempts: checkInteger('attempts', others.attempts ?? 5, 1),
    trackAttempts: checkBoolean('trackAttempts', others.trackAttempts ?? true),
    order: checkOneOf('order', others.order ?? 'fair', ORDERS),
    retryDelay: retryDelay(others.backoff),
    onFailure: checkFunction('onFailure', others.onFailure),
    slotTimeoutMs: slotTimeout === undefined ? undefined : toTimerMs(slotTimeout, 'slotTimeout'),
    unhandled: checkOneOf('unhandled', others.unhandled ?? 'bury', UNHANDLED),
    graceMs: toTimerMs(others.grace ?? '10s', 'grace'),
    maxMessages: limit('maxMessages', others.maxMessages),
    timeLimitMs: timeLimit === undefined ? undefined : toTimerMs(timeLimit, 'timeLimit'),
    memoryLimit: limit('memoryLimit', others.memoryLimit),
    failureLimit: limit('failureLimit', others.failureLimit),
    untilEmpty: checkBoolean('untilEmpty', others.untilEmpty ?? false),
  };
}

function limit(name: string, value: number | undefined): number {
  return value === undefined ? Number.POSITIVE_INFINITY : checkInteger(name, value, 1);
}

function checkFunction<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw new InvalidOptionError(`${name} must be a function, got ${preview(value)}`);
}
