import type { QueueOrder } from '../queue/driver.js';
import { type Duration, toTimerMs } from '../queue/duration.js';
import { checkBoolean, checkInteger, checkOneOf, checkOptions, type OptionNames } from '../queue/options.js';
import { type Backoff, type RetryDelay, retryDelay } from './retry.js';

/** What becomes of a message for whose type no slot is connected. */
export type Unhandled = 'bury' | 'release' | 'ignore';

export interface WorkerOptions {
  /** How many messages are worked on at once. Default 1. */
  readonly concurrency?: number | undefined;
  /**
   * How often a message is delivered before it is buried; deliveries to crashed processes and those that a stop has
   * interrupted count. Default 5.
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
   * Aborts slots that run longer, the check of the data included, and counts it as a failure. Default: never, the lease is
   * renewed for as long as it takes.
   */
  readonly slotTimeout?: Duration | undefined;
  /** `bury` puts it aside, `release` leaves it to another worker, `ignore` acknowledges it. Default `bury`. */
  readonly unhandled?: Unhandled | undefined;
  /**
   * How long running slots may go on when the worker stops; then their messages are released. On engines that count deliveries
   * that one counts, so a message that is interrupted at its last attempt is buried when it is delivered next: better longer
   * than the slots take. Default 10 s.
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
}

/** The options, checked and filled in. */
export interface Settings {
  readonly concurrency: number;
  readonly attempts: number;
  readonly trackAttempts: boolean;
  readonly order: QueueOrder;
  readonly retryDelay: RetryDelay;
  readonly slotTimeoutMs: number | undefined;
  readonly unhandled: Unhandled;
  readonly graceMs: number;
  readonly maxMessages: number;
  readonly timeLimitMs: number | undefined;
  readonly memoryLimit: number;
  readonly failureLimit: number;
}

const OPTIONS: OptionNames<WorkerOptions> = {
  concurrency: true,
  attempts: true,
  trackAttempts: true,
  order: true,
  backoff: true,
  slotTimeout: true,
  unhandled: true,
  grace: true,
  maxMessages: true,
  timeLimit: true,
  memoryLimit: true,
  failureLimit: true,
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
    slotTimeoutMs: slotTimeout === undefined ? undefined : toTimerMs(slotTimeout, 'slotTimeout'),
    unhandled: checkOneOf('unhandled', others.unhandled ?? 'bury', UNHANDLED),
    graceMs: toTimerMs(others.grace ?? '10s', 'grace'),
    maxMessages: limit('maxMessages', others.maxMessages),
    timeLimitMs: timeLimit === undefined ? undefined : toTimerMs(timeLimit, 'timeLimit'),
    memoryLimit: limit('memoryLimit', others.memoryLimit),
    failureLimit: limit('failureLimit', others.failureLimit),
  };
}

function limit(name: string, value: number | undefined): number {
  return value === undefined ? Number.POSITIVE_INFINITY : checkInteger(name, value, 1);
}
