import { isDetached } from '../shared/bytes.js';
import { preview } from '../shared/text.js';
import { InvalidArgumentError, JobTooBigError } from './errors.js';
import { MAX_RESERVE_TIMEOUT, MAX_TUBE_NAME, MAX_U32, MAX_U64_TEXT } from './limits.js';

/** A job id as callers give it. Ids are unsigned 64-bit integers; the client itself returns decimal strings. */
export type JobId = string | number | bigint;

/** A body as callers give it. A string is sent as UTF-8. */
export type BodyInput = Uint8Array | string;

const TUBE_NAME = /^[A-Za-z0-9+/;.$_()][A-Za-z0-9\-+/;.$_()]*$/;

/**
 * @internal Whether a decimal string without leading zeros exceeds a u64: it is longer than the largest one, or
 * compares above it.
 */
export function exceedsU64(digits: string): boolean {
  const excess = digits.length - MAX_U64_TEXT.length;
  return excess > 0 || (excess === 0 && digits > MAX_U64_TEXT);
}

/**
 * @internal Whether the server accepts `name` as a tube name: 1 to 200 bytes of `A-Z a-z 0-9 - + / ; . $ _ ( )`, not
 * beginning with `-`.
 */
export function isTubeName(name: string): boolean {
  return name.length <= MAX_TUBE_NAME && TUBE_NAME.test(name);
}

/** @internal */
export function checkTube(name: unknown, command: string): string {
  if (typeof name === 'string' && isTubeName(name)) return name;
  const rule = `1 to ${MAX_TUBE_NAME} of A-Z a-z 0-9 - + / ; . $ _ ( ) and not begin with "-"`;
  throw new InvalidArgumentError(`a tube name must be ${rule}, got ${preview(name)}`, { command });
}

/** @internal */
export function checkJobId(id: unknown, command: string): string {
  const text = typeof id === 'string' ? id : Number.isSafeInteger(id) || typeof id === 'bigint' ? String(id) : '';
  // The length first: it bounds the work of the other checks.
  if (text.length <= MAX_U64_TEXT.length && /^(0|[1-9][0-9]*)$/.test(text) && !exceedsU64(text)) return text;
  throw new InvalidArgumentError(`a job id must be an integer from 0 to ${MAX_U64_TEXT}, got ${preview(id)}`, {
    command,
  });
}

/** @internal */
export function checkU32(what: string, value: unknown, command: string): number {
  return checkInteger(what, value, MAX_U32, command);
}

/** @internal */
export function checkReserveTimeout(seconds: unknown): number {
  return checkInteger('timeout', seconds, MAX_RESERVE_TIMEOUT, 'reserve-with-timeout');
}

/**
 * @internal
 * The size of a body, in bytes.
 * @param limit the server's max-job-size, if it is known
 * @throws JobTooBigError as the server would answer; InvalidArgumentError
 */
export function checkBody(body: unknown, byteLength: (text: string) => number, limit: number = MAX_U32): number {
  const command = 'put';
  const isBytes = isUint8Array(body);
  if (typeof body !== 'string' && !isBytes) {
    throw new InvalidArgumentError(`a body must be a string or a Uint8Array, got ${preview(body)}`, { command });
  }
  const size = isBytes ? sizeOf(body) : byteLength(body);
  if (isBytes && size === 0 && isDetached(body)) {
    throw new InvalidArgumentError('a body must have its memory, got bytes that were transferred', { command });
  }
  if (size <= limit) return size;
  const whose = limit === MAX_U32 ? 'the protocol' : "the server's max-job-size";
  throw new JobTooBigError(`a body must have at most ${limit} bytes (${whose}), got ${size}`, { command });
}

function checkInteger(what: string, value: unknown, max: number, command: string): number {
  // -0 passes all comparisons and prints as 0.
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new InvalidArgumentError(`${what} must be an integer from 0 to ${max}, got ${preview(value)}`, { command });
}

const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const kindOf = getterOf<string | undefined>(typedArray, Symbol.toStringTag);

/** The actual size, even if a subclass overrides `length`: the command line must declare what is copied. */
const sizeOf = getterOf<number>(typedArray, 'byteLength');

/** Accepts an array of another realm, but not an object that only has the prototype. */
function isUint8Array(value: unknown): value is Uint8Array {
  return kindOf(value) === 'Uint8Array';
}

function getterOf<T>(prototype: object, key: PropertyKey): (value: unknown) => T {
  return Function.prototype.call.bind(Object.getOwnPropertyDescriptor(prototype, key)?.get as () => T);
}
