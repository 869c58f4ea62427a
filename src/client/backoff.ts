import { LONGEST_TIMER_MS } from '../shared/deadline.js';
import type { OptionNames } from '../shared/options.js';
import { checkNumber, checkOptions } from './arguments.js';

/** The delays between attempts to reconnect: capped exponential backoff with full jitter. */
export interface ReconnectOptions {
  /** The largest delay before the first attempt, in milliseconds. The actual delay is random. Default 100. */
  readonly initialDelayMs?: number | undefined;
  /** The largest delay before any attempt, in milliseconds. Default 10,000. */
  readonly maxDelayMs?: number | undefined;
  /** The factor by which the largest delay grows from one attempt to the next. Default 2. */
  readonly factor?: number | undefined;
  /** How many attempts in a row may fail before the client closes. Default: no limit. */
  readonly maxAttempts?: number | undefined;
}

const RECONNECT_OPTIONS: OptionNames<ReconnectOptions> = {
  initialDelayMs: true,
  maxDelayMs: true,
  factor: true,
  maxAttempts: true,
};

/** @internal Computes the delay before each attempt to connect. */
export class Backoff {
  readonly #initialDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #factor: number;
  readonly #random: () => number;
  readonly maxAttempts: number;

  /** @throws InvalidArgumentError */
  constructor(given: ReconnectOptions, random: () => number = Math.random) {
    const {
      initialDelayMs = 100,
      maxDelayMs = 10_000,
      factor = 2,
      maxAttempts = Number.POSITIVE_INFINITY,
    } = checkOptions('reconnect', given, RECONNECT_OPTIONS);
    this.#initialDelayMs = checkNumber('reconnect.initialDelayMs', initialDelayMs, 0, LONGEST_TIMER_MS);
    this.#maxDelayMs = checkNumber('reconnect.maxDelayMs', maxDelayMs, 0, LONGEST_TIMER_MS);
    this.#factor = checkNumber('reconnect.factor', factor, 1);
    this.maxAttempts = checkNumber('reconnect.maxAttempts', maxAttempts, 1);
    this.#random = random;
  }

  /** The delay before an attempt, in milliseconds. @param attempt 1 for the first */
  delayMs(attempt: number): number {
    const ceiling = Math.min(this.#maxDelayMs, this.#initialDelayMs * this.#factor ** (attempt - 1));
    return Math.round(this.#random() * ceiling);
  }
}
