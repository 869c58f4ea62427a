import { LONGEST_TIMER_MS } from '../shared/deadline.js';
import { preview } from '../shared/text.js';
import { InvalidOptionError } from './error-base.js';

export { LONGEST_TIMER_MS };

/** Milliseconds, or a string such as `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. At most 4294967295 seconds (136 years). */
export type Duration = number | string;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** 136 years: the most that beanstalkd can hold, and less than the other engines can. */
export const MAX_DURATION_MS = 4_294_967_295_000;

/** The least time to run: an engine may know whole seconds only. */
export const MIN_TTR_MS = 1000;

const FORMS = 'a number of milliseconds or a string such as "500ms", "30s", "5m", "2h", "1d"';

/**
 * The duration in milliseconds, from 0 to 136 years.
 * @param what names the option in the error
 * @throws InvalidOptionError
 */
export function toMs(duration: Duration, what: string): number {
  const ms = typeof duration === 'string' ? parse(duration) : duration;
  if (typeof ms === 'number' && ms >= 0 && ms <= MAX_DURATION_MS) return ms;
  throw new InvalidOptionError(
    `${what} must be ${FORMS}, from 0 to 4294967295 s (136 years), got ${preview(duration)}`,
  );
}

/**
 * As `toMs`, for a time to run, which is at least a second.
 * @throws InvalidOptionError that says what a number means: beanstalkd's own clients take seconds
 */
export function toTtrMs(duration: Duration, what: string): number {
  const ms = toMs(duration, what);
  if (ms >= MIN_TTR_MS) return ms;
  throw new InvalidOptionError(`${what} must be at least 1 second (${what} is ${FORMS}), got ${preview(duration)}`);
}

/** As `toMs`, for a duration that becomes a timer. @throws InvalidOptionError */
export function toTimerMs(duration: Duration, what: string): number {
  const ms = toMs(duration, what);
  if (ms <= LONGEST_TIMER_MS) return ms;
  throw new InvalidOptionError(`${what} must be at most 24.8 days (${LONGEST_TIMER_MS} ms), got ${preview(duration)}`);
}

function parse(text: string): number {
  const [, amount, unit = 'ms'] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  return Number(amount) * (UNITS[unit] ?? Number.NaN);
}
