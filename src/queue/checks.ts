// Checks of single values, for everything that the framework is given: each returns what it was given, or throws.
import { isUint8Array } from 'node:util/types';
import { isAbortSignal } from '../shared/abort.js';
import { isDetached } from '../shared/bytes.js';
import { faultInOptions, listOf, type OptionNames } from '../shared/options.js';
import { preview } from '../shared/text.js';
import { MAX_DURATION_MS } from './duration.js';
import { InvalidOptionError } from './error-base.js';

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

/** @throws InvalidOptionError for what is no array, or has less than it must */
export function checkArray<T>(what: string, values: readonly T[], least: 0 | 1): readonly T[] {
  if (Array.isArray(values) && values.length >= least) return values;
  throw new InvalidOptionError(
    `${what} must be an array${least === 1 ? ' of at least one' : ''}, got ${preview(values)}`,
  );
}

/** A duration in milliseconds. @throws InvalidOptionError for one that not every engine can hold */
export function checkMs(what: string, ms: number, min = 0): number {
  if (typeof ms === 'number' && ms >= min && ms <= MAX_DURATION_MS) return ms;
  throw new InvalidOptionError(`${what} must be a number from ${min} to ${MAX_DURATION_MS}, got ${preview(ms)}`);
}

/** How many messages: 0 or more. @throws InvalidOptionError */
export function checkLimit(limit: number): number {
  return checkInteger('limit', limit, 0);
}

const MAX_PRIORITY = 4_294_967_295;

/** The lowest is delivered first. @throws InvalidOptionError */
export function checkPriority(priority: number): number {
  return checkInteger('priority', priority, 0, MAX_PRIORITY);
}

/** The body of a message. @throws InvalidOptionError */
export function checkBody(body: Uint8Array): Uint8Array {
  if (!isUint8Array(body)) throw new InvalidOptionError(`a body must be bytes (Uint8Array), got ${kindOf(body)}`);
  if (body.length === 0 && isDetached(body))
    throw new InvalidOptionError('a body must have its memory, got bytes that were transferred');
  return body;
}

/** The engine's id of a message, whose form only the engine knows. @throws InvalidOptionError */
export function checkJobId(id: string): string {
  if (typeof id === 'string' && id !== '') return id;
  throw new InvalidOptionError(`a job id must be a string that is not empty, got ${preview(id)}`);
}

/** @throws InvalidOptionError */
export function checkJobIds(ids: readonly string[]): readonly string[] {
  for (const id of checkArray('the job ids', ids, 0)) checkJobId(id);
  return ids;
}

/** The largest id that an engine counts to: 64 bits. */
const MAX_ID = 2n ** 64n - 1n;

/** An id of an engine that counts its messages: a whole number in decimal. @throws InvalidOptionError */
export function checkDecimalId(id: string): string {
  if (typeof id === 'string' && /^[1-9][0-9]{0,19}$/.test(id) && BigInt(id) <= MAX_ID) return id;
  throw new InvalidOptionError(`a job id must be a decimal number from 1 to ${MAX_ID}, got ${preview(id)}`);
}

type Headers = Readonly<Record<string, string>>;

const NONE: Headers = Object.freeze({});

/** @throws InvalidOptionError */
export function checkHeaders(headers: Headers | undefined): Headers {
  if (headers === undefined) return NONE;
  // A Map has no properties: what is in it would be lost.
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    throw new InvalidOptionError(`headers must be an object of strings, got ${preview(headers)}`);
  }
  for (const name of Object.keys(headers)) {
    const value: unknown = headers[name];
    if (typeof value !== 'string') {
      throw new InvalidOptionError(`the header ${preview(name)} must be a string, got ${preview(value)}`);
    }
  }
  return headers;
}

// RFC 3986: a scheme, or a first segment without a colon; perhaps an IPv6 host in brackets; a fragment at most.
const CHARACTER = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})";
const USER_CHARACTER = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})";
const URI_REFERENCE = new RegExp(
  `^(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))(?://(?:${USER_CHARACTER}*@)?\\[([0-9A-Fa-f:.]+)\\](?=(?::[0-9]*)?(?:[/?#]|$)))?${CHARACTER}*(?:#${CHARACTER}*)?$`,
);

/** @throws InvalidOptionError */
export function checkSource(source: string): string {
  const [reference, address] = (typeof source === 'string' && URI_REFERENCE.exec(source)) || [];
  if (reference && (address === undefined || isIPv6(address))) return source;
  throw new InvalidOptionError(
    `a source must be a URI reference such as "https://shop.example/orders" or "/orders", got ${preview(source)}`,
  );
}

/** Not by `node:net`: it is slow to load, and not every engine has a network. */
function isIPv6(address: string): boolean {
  return URL.canParse(`http://[${address}]`);
}

/** What a value is, without a word of what it says: the content of messages never stands in an error. */
export function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'object':
      return preview(value);
    case 'undefined':
      return 'undefined';
    case 'string':
      return value === '' ? 'an empty string' : 'a string';
    case 'bigint':
      return 'a BigInt';
    default:
      return `a ${typeof value}`;
  }
}
