// How the command line says things.
import { toFailure } from '../../queue/failure.js';
import { escapeText, maskUrl, truncate } from '../../shared/text.js';

/** Longest message of an error that a line shows, and longest text in general. */
const MAX_LENGTH = 1000;

/** A string from elsewhere on one line: cut, and with what does not show escaped. Takes time linear in the length. */
export function oneLine(text: string, length: number = MAX_LENGTH): string {
  // Cut before anything else is done with it, so that a long string costs no more than a short one.
  const line = truncate(text, length).replace(/[ \t\r\n]+/g, (blanks) => (/[\r\n]/.test(blanks) ? ' ' : blanks));
  return truncate(escapeText(line), length);
}

/** What went wrong, with its causes, on one line, and without the credentials of a URL. Never throws. */
export function describeError(error: unknown): string {
  const { message, name, causes } = toFailure(error, { reason: '', attempt: undefined });
  const [first = '', ...others] = [{ message, name }, ...causes].map((one) => oneLine(one.message || one.name));
  return maskUrls(withCauses(first, others));
}

/** Wherever a text has a URL with credentials in it. */
function maskUrls(text: string): string {
  return text.replace(/\/\/[^\s/@]*@/g, maskUrl);
}

/** Each cause in the parentheses of what it caused; none that was said already. */
function withCauses(text: string, causes: readonly string[]): string {
  const [next, ...others] = causes;
  if (next === undefined) return text;
  const why = withCauses(next, others);
  return text.includes(why) ? text : `${text} (${why})`;
}

/** `1 message`, `2 messages`. */
export function pluralize(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

/** A duration with its two largest units: `2h 5m`, `12s`; less than a second is `0.3s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms === 0 ? 0 : Math.max(0.1, Math.round(ms / 100) / 10)}s`;
  let rest = Math.round(ms / 1000) * 1000;
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0) parts.push(`${amount}${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

/** A time of day in UTC, such as `02:03:04Z`. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(11, 19)}Z`;
}

/** A date and time in UTC, such as `2026-01-31 02:03:04Z`. */
export function formatDate(time: Date): string {
  // A pause may last longer than four digits can tell of a year.
  return `${time
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, '')}Z`;
}
