import { isAbortSignal } from '../shared/abort.js';
import { faultInOptions, listOf, type OptionNames } from '../shared/options.js';
import { preview } from '../shared/text.js';
import { InvalidOptionError } from './errors.js';

export type { OptionNames };

/**
 * Refuses options that are not a plain object or that contain a name that is unknown, and returns them.
 * @param what whose options they are, such as `publish`
 * @throws InvalidOptionError naming the option and those that are allowed
 */
export function checkOptions<Options extends object>(
  what: string,
  options: Options,
  names: OptionNames<Options>,
): Options {
  const fault = faultInOptions(options, names, what);
  if (fault !== undefined) throw new InvalidOptionError(fault);
  return options;
}

/** @throws InvalidOptionError for an integer that is not one, or not in the range */
export function checkInteger(what: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new InvalidOptionError(`${what} must be an integer ${range}, got ${preview(value)}`);
}

/** @throws InvalidOptionError */
export function checkBoolean(what: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw new InvalidOptionError(`${what} must be true or false, got ${preview(value)}`);
}

/** @throws InvalidOptionError for a value that is not among those allowed */
export function checkOneOf<T extends string>(what: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new InvalidOptionError(`${what} must be ${listOf(allowed.map((name) => `"${name}"`))}, got ${preview(value)}`);
}

/** @throws InvalidOptionError for what only looks like a signal */
export function checkSignal(what: string, value: AbortSignal | undefined): AbortSignal | undefined {
  if (value === undefined || isAbortSignal(value)) return value;
  throw new InvalidOptionError(`${what} must be an AbortSignal, got ${preview(value)}`);
}
