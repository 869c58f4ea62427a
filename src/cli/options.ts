import { InvalidArgumentError } from 'commander';
import { type Duration, toMs } from '../queue/duration.js';

/**
 * A duration with its unit: a bare number is milliseconds in the API, and seconds to most who type one. 0 needs no unit.
 */
export function parseDuration(text: string): number {
  try {
    return toMs(/^0+$/.test(text) ? 0 : text, 'it');
  } catch {
    const unit = /^[0-9.]+$/.test(text) ? ' A number needs its unit.' : '';
    throw new InvalidArgumentError(`Allowed are 500ms, 30s, 5m, 2h, 1d and the like.${unit}`);
  }
}

/** One duration, or two for delays that grow from the first to the second. */
export function parseBackoff(text: string): Duration | { readonly initial: Duration; readonly max: Duration } {
  const [first = '', last, ...more] = text.split('..');
  try {
    if (last === undefined) return parseDuration(first);
    const [initial, max] = [parseDuration(first), parseDuration(last)];
    if (more.length === 0 && initial <= max) return { initial, max };
  } catch {
    // Said below, with what else is allowed.
  }
  throw new InvalidArgumentError(
    'Allowed are 30s, or 1s..5m for delays that grow from the one to the other. A number needs its unit.',
  );
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError('Allowed is a whole number that is not negative.');
}

export function parseExitCode(text: string): number {
  const code = parseCount(text);
  if (code <= 255) return code;
  throw new InvalidArgumentError('Allowed is a whole number from 0 to 255.');
}

const BYTE_UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** A size with its unit: of a bare number nobody can tell whether bytes or megabytes are meant. */
export function parseBytes(text: string): number {
  const [, amount, unit = ''] = /^([0-9]+)([KMG])(?:i?B)?$/i.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * (BYTE_UNITS[unit.toUpperCase()] ?? 1);
  const needed = /^[0-9]+$/.test(text) ? ` A number needs its unit, such as ${text}MB.` : '';
  throw new InvalidArgumentError(`Allowed are 256MB, 1GB and the like.${needed}`);
}

/** Gathers `--header k=v` given several times. */
export function parseHeader(text: string, headers: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Allowed is name=value.');
  return { ...headers, [text.slice(0, equals)]: text.slice(equals + 1) };
}
