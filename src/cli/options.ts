import { InvalidArgumentError } from 'commander';
import { openDriver } from '../drivers/open.js';
import type { Driver } from '../queue/driver.js';
import { type Duration, toMs } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';

/** The options of every command. */
export interface GlobalOptions {
  readonly url?: string;
  readonly json?: boolean;
}

/** The engine that `--url` or HARICOT_URL names. */
export function openEngine({ url = process.env['HARICOT_URL'] }: GlobalOptions): Promise<Driver> {
  if (url) return openDriver(url);
  throw new InvalidOptionError(
    'no engine is named: give --url, such as beanstalkd://127.0.0.1:11300, or set HARICOT_URL',
  );
}

/** As in the API, a bare number is milliseconds. */
export function parseDuration(text: string): Duration {
  try {
    return toMs(/^[0-9.]+$/.test(text) ? Number(text) : text, 'it');
  } catch {
    throw new InvalidArgumentError('Allowed are 500ms, 30s, 5m, 2h, 1d, or a number of milliseconds.');
  }
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

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

export function parseBytes(text: string): number {
  const [, amount, unit = ''] = /^([0-9]+)([KMG]?)(?:i?B)?$/i.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * (BYTE_UNITS[unit.toUpperCase()] ?? 1);
  throw new InvalidArgumentError('Allowed are 268435456, 256M, 1G and the like.');
}

/** Gathers `--header k=v` given several times. */
export function parseHeader(text: string, headers: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Allowed is name=value.');
  return { ...headers, [text.slice(0, equals)]: text.slice(equals + 1) };
}
