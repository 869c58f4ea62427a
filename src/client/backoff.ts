import { LONGEST_TIMER_MS } from '../shared/deadline.js';
import type { OptionNames } from '../shared/options.js';
import { checkNumber, checkOptions } from './arguments.js';

/** How a client comes back after its connection was lost: capped exponential backoff with full jitter. */
export interface ReconnectOptions {
  /** Upper bound of the delay before the first try, in milliseconds. Default 100. */
  readonly initialDelayMs?: number | undefined;
  /** No delay is longer, in milliseconds. Default 10,000. */
  readonly maxDelayMs?: number | undefined;
  /** From one try to the next. Default 2. */
  readonly factor?: number | undefined;
  /** After so many tries in a row that failed the client closes. Default: never. */
  readonly maxAttempts?: number | undefined;
}

const RECONNECT_OPTIONS: OptionNames<ReconnectOptions> = {
  initialDelayMs: true,
  maxDelayMs: true,
  factor: true,
  maxAttempts: true,
};

/** @internal When to try again, and whether. */
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

  /** @param attempt 1-based; the delay before it, in milliseconds */
  delayMs(attempt: number): number {
    const ceiling = Math.min(this.#maxDelayMs, this.#initialDelayMs * this.#factor ** (attempt - 1));
    return Math.round(this.#random() * ceiling);
  }
}
