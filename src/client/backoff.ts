import { InvalidArgumentError } from '../protocol/errors.js';
import { LONGEST_TIMER_MS } from './timers.js';

/** How a client comes back after its connection was lost: capped exponential backoff with full jitter. */
export interface ReconnectOptions {
  /** Upper bound of the delay before the first try, in milliseconds. Default 100. */
  readonly initialDelayMs?: number;
  /** No delay is longer, in milliseconds. Default 10,000. */
  readonly maxDelayMs?: number;
  /** From one try to the next. Default 2. */
  readonly factor?: number;
  /** After so many tries in a row that failed the client closes. Default: never. */
  readonly maxAttempts?: number;
}

/** When to try again, and whether. */
export class Backoff {
  readonly #initialDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #factor: number;
  readonly #random: () => number;
  readonly maxAttempts: number;

  /** @throws InvalidArgumentError */
  constructor(options: ReconnectOptions, random: () => number = Math.random) {
    this.#initialDelayMs = atLeast('initialDelayMs', options.initialDelayMs ?? 100, 0, LONGEST_TIMER_MS);
    this.#maxDelayMs = atLeast('maxDelayMs', options.maxDelayMs ?? 10_000, 0, LONGEST_TIMER_MS);
    this.#factor = atLeast('factor', options.factor ?? 2, 1);
    this.maxAttempts = atLeast('maxAttempts', options.maxAttempts ?? Number.POSITIVE_INFINITY, 1);
    this.#random = random;
  }

  /** @param attempt 1-based; the delay before it, in milliseconds */
  delayMs(attempt: number): number {
    const ceiling = Math.min(this.#maxDelayMs, this.#initialDelayMs * this.#factor ** (attempt - 1));
    return Math.round(this.#random() * ceiling);
  }
}

function atLeast(name: string, value: number, least: number, most: number = Number.POSITIVE_INFINITY): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new InvalidArgumentError(`reconnect.${name} is a number ${range}, got ${String(value)}`);
}
