import { InvalidOptionError } from './errors.js';

/** Milliseconds, or a text such as `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = number | string;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * The duration in milliseconds.
 * @param what names the option in the error
 * @throws InvalidOptionError
 */
export function toMs(duration: Duration, what: string): number {
  const ms = typeof duration === 'string' ? parse(duration) : duration;
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0) return ms;
  throw new InvalidOptionError(
    `${what} is a number of milliseconds or a text such as "500ms", "30s", "5m", "2h", "1d", not negative; got ${typeof duration === 'string' ? JSON.stringify(duration) : String(duration)}`,
  );
}

/** What Node's timers can hold; longer ones would fire at once. */
export const LONGEST_TIMER_MS = 2_147_483_647;

/** As `toMs`, for a duration that becomes a timer. @throws InvalidOptionError */
export function toTimerMs(duration: Duration, what: string): number {
  const ms = toMs(duration, what);
  if (ms <= LONGEST_TIMER_MS) return ms;
  throw new InvalidOptionError(
    `${what} is at most ${LONGEST_TIMER_MS} ms (24.8 days), got ${JSON.stringify(duration)}`,
  );
}

function parse(text: string): number {
  const [, amount, unit = 'ms'] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  return Number(amount) * (UNITS[unit] ?? Number.NaN);
}
