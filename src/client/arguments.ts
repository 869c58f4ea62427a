// Checks of the arguments that callers give. Each check fails with InvalidArgumentError before a byte is sent.
import { type ErrorContext, InvalidArgumentError } from '../protocol/errors.js';
import { isAbortSignal } from '../shared/abort.js';
import { faultInOptions, type OptionNames } from '../shared/options.js';
import { preview } from '../shared/text.js';

const NO_OPTIONS = Object.freeze({});

/**
 * Checks the options of a command. Unknown names are refused, because an ignored misspelling would be noticed only in
 * production.
 * @throws InvalidArgumentError
 */
export function commandOptions<Options extends object>(
  command: string,
  options: Options | undefined,
  names: OptionNames<Options>,
): Partial<Options> {
  if (options === undefined) return NO_OPTIONS;
  const fault = faultInOptions(options, names);
  if (fault !== undefined) throw new InvalidArgumentError(fault, { command });
  return options;
}

/**
 * @param what the owner of the options, for the message
 * @throws InvalidArgumentError
 */
export function checkOptions<Options extends object>(
  what: string,
  options: Options | undefined,
  names: OptionNames<Options>,
): Partial<Options> {
  if (options === undefined) return NO_OPTIONS;
  const fault = faultInOptions(options, names, what);
  if (fault !== undefined) throw new InvalidArgumentError(fault);
  return options;
}

/**
 * Merges options that may be given after an address, or instead of it.
 * @throws InvalidArgumentError
 */
export function targetOptions<Options extends { readonly url?: string | undefined }>(
  what: string,
  target: string | Options | undefined,
  options: Options | undefined,
  names: OptionNames<Options>,
): Partial<Options> {
  const more = checkOptions(what, options, names);
  if (typeof target !== 'string') return { ...checkOptions(what, target, names), ...more };
  if (more.url !== undefined) throw new InvalidArgumentError('an address must be given once, got url as well');
  return { ...more, url: target };
}

/** @throws InvalidArgumentError for an object that only resembles a signal */
export function checkSignal(value: unknown, context: ErrorContext = {}): AbortSignal | undefined {
  if (value === undefined || isAbortSignal(value)) return value;
  throw new InvalidArgumentError(`signal must be an AbortSignal, got ${preview(value)}`, context);
}

/** Checks an integer. @throws InvalidArgumentError */
export function checkInteger(what: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`${what} must be an integer from ${min} to ${max}, got ${preview(value)}`);
}

/** Checks a number, which may be Infinity if `max` is. @throws InvalidArgumentError */
export function checkNumber(what: string, value: unknown, min: number, max: number = Number.POSITIVE_INFINITY): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  const range = max === Number.POSITIVE_INFINITY ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new InvalidArgumentError(`${what} must be a number ${range}, got ${preview(value)}`);
}

/** @throws InvalidArgumentError */
export function checkFunction<T>(what: string, value: T): T {
  if (value === undefined || typeof value === 'function') return value;
  throw new InvalidArgumentError(`${what} must be a function, got ${preview(value)}`);
}

/** @throws InvalidArgumentError */
export function checkBoolean(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new InvalidArgumentError(`${what} must be true or false, got ${preview(value)}`);
}
