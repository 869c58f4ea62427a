import { checkBoolean, checkInteger, checkOneOf, checkOptions, type OptionNames } from '../queue/checks.js';
import type { QueueOrder } from '../queue/driver.js';
import { type Duration, toTimerMs } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';
import type { Message } from '../queue/message.js';
import { preview } from '../shared/text.js';
import { type Backoff, type RetryDelay, retryDelay } from './retry.js';

/** What becomes of a message for whose type no slot is connected. */
export type Unhandled = 'bury' | 'release' | 'ignore';

/** A failure that `onFailure` is asked about. */
export interface MessageFailure {
  /** What a slot, a middleware or a schema has thrown, or the SlotTimeoutError. */
  readonly error: unknown;
  /** The delivery that failed, 1-based; undefined where it is unknown. */
  readonly attempt: number | undefined;
  readonly message: Message;
}

/**
 * What is to become of a message that has failed: `'retry'`, as without an answer, releases it with the backoff, or buries it at its
 * last attempt; `{ delay }` does the same with another delay; `'bury'` buries it now, with the reason `unrecoverable`.
 */
export type FailureAnswer = 'retry' | 'bury' | { readonly delay: Duration } | undefined;

/** Decides by the error what is to become of a message. When it throws, or returns anything else, `workerError` tells. */
export type OnFailure = (failure: MessageFailure) => FailureAnswer | Promise<FailureAnswer>;

export interface WorkerOptions {
  /** How many messages are worked on at once. Default 1. */
  readonly concurrency?: number | undefined;
  /**
   * How often a message is delivered before it is buried; deliveries to crashed processes count. One that the stop of a worker
   * has interrupted, or that a RetryLaterError has ended, counts only where the engine cannot take it back (beanstalkd). Default 5.
   */
  readonly attempts?: number | undefined;
  /**
   * Whether each delivery must tell which attempt it is. `false` spares engines that would have to ask a round trip for each
   * message (beanstalkd); there `context.attempt` is undefined, and only a message whose slot has failed is asked about: retries and
   * burial stay as they are. But a message that ends its process each time is buried only when one of its deliveries fails
   * in the ordinary way. Default true.
   */
  readonly trackAttempts?: boolean | undefined;
  /**
   * Which of several queues comes first: `fair` lets them take turns, so that a backlog in one does not keep the others waiting;
   * `strict` takes from a queue only when those named before it have nothing ready. Default `fair`.
   */
  readonly order?: QueueOrder | undefined;
  /** How long a message waits after a failure. Default: 1 s, doubled each time up to 5 min, with full jitter. */
  readonly backoff?: Backoff | undefined;
  /**
   * Asked about each failure before the attempts are counted, but not where a slot has thrown an UnrecoverableError or a
   * RetryLaterError. Until a promise that it returns is settled, the lease is renewed. Default: every failure is retried.
   * @example onFailure: ({ error }) => (error instanceof TypeError ? 'bury' : undefined)
   */
  readonly onFailure?: OnFailure | undefined;
  /**
   * Aborts slots that run longer, the check of the data included, and counts it as a failure. Default: never, the lease is
   * renewed for as long as it takes.
   */
  readonly slotTimeout?: Duration | undefined;
  /** `bury` puts it aside, `release` leaves it to another worker, `ignore` acknowledges it. Default `bury`. */
  readonly unhandled?: Unhandled | undefined;
  /**
   * How long running slots may go on when the worker stops; then their messages are released. Where the engine cannot take the
   * delivery back (beanstalkd), it counts, and a message that is interrupted at its last attempt is buried when it is delivered
   * next: choose it longer than the slots take. Default 10 s.
   */
  readonly grace?: Duration | undefined;
  /** Stops after so many messages, whatever became of them; exactly so many are begun. Default: no limit; so for the other limits. */
  readonly maxMessages?: number | undefined;
  /** Stops after this time: no new message is reserved; slots that run may finish within the grace. */
  readonly timeLimit?: Duration | undefined;
  /**
   * Stops when the process holds more bytes (resident set size): looked at before each message is begun, and once a second
   * while none comes.
   */
  readonly memoryLimit?: number | undefined;
  /**
   * Stops after so many messages that were buried. No message is begun once the limit is reached; those that others of the
   * `concurrency` work on may end, so at most `failureLimit + concurrency - 1` are buried.
   */
  readonly failureLimit?: number | undefined;
  /**
   * Stops when its queues have no ready message and it works on none. It waits for messages that it has itself released to be
   * retried, but not for other delayed messages, those of a RetryLaterError included. For what other workers hold it waits 6 s
   * at most. Messages of a paused queue are ready: it waits for the end of the pause. Default false.
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
