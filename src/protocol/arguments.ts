import { InvalidArgumentError } from './errors.js';
import { MAX_RESERVE_TIMEOUT, MAX_TUBE_NAME, MAX_U32, MAX_U64_TEXT } from './limits.js';

/** A job id as callers may give it. The client itself always hands out decimal strings: ids are u64. */
export type JobId = string | number | bigint;

/** A body as callers may give it: a string is sent as UTF-8. */
export type BodyInput = Uint8Array | string;

const TUBE_NAME = /^[A-Za-z0-9+/;.$_()][A-Za-z0-9\-+/;.$_()]*$/;

/** Decimal text of a u64, without leading zeros: it is longer than the largest one, or compares above it. */
export function exceedsU64(digits: string): boolean {
  const excess = digits.length - MAX_U64_TEXT.length;
  return excess > 0 || (excess === 0 && digits > MAX_U64_TEXT);
}

/** Whether the server takes `name` for a tube: 1 to 200 bytes of `A-Z a-z 0-9 - + / ; . $ _ ( )`, not beginning with `-`. */
export function isTubeName(name: string): boolean {
  return name.length <= MAX_TUBE_NAME && TUBE_NAME.test(name);
}

export function checkTube(name: unknown, command: string): string {
  if (typeof name === 'string' && isTubeName(name)) return name;
  throw new InvalidArgumentError(
    `a tube name is 1 to ${MAX_TUBE_NAME} of A-Z a-z 0-9 - + / ; . $ _ ( ) and does not begin with "-", got ${given(name)}`,
    { command },
  );
}

export function checkJobId(id: unknown, command: string): string {
  const text = typeof id === 'string' ? id : Number.isSafeInteger(id) || typeof id === 'bigint' ? String(id) : '';
  if (/^(0|[1-9][0-9]*)$/.test(text) && !exceedsU64(text)) return text;
  throw new InvalidArgumentError(`a job id is an integer from 0 to ${MAX_U64_TEXT}, got ${given(id)}`, { command });
}

export function checkU32(what: string, value: unknown, command: string): number {
  return checkInteger(what, value, MAX_U32, command);
}

export function checkReserveTimeout(seconds: unknown): number {
  return checkInteger('timeout', seconds, MAX_RESERVE_TIMEOUT, 'reserve-with-timeout');
}

/** @param limit the server's max-job-size, where it is known */
export function checkBody(body: unknown, byteLength: (text: string) => number, limit: number | undefined): number {
  const command = 'put';
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new InvalidArgumentError(`a body is a string or a Uint8Array, got ${given(body)}`, { command });
  }
  const size = typeof body === 'string' ? byteLength(body) : body.length;
  if (size > (limit ?? MAX_U32)) {
    const whose = limit === undefined ? 'the protocol' : "the server's max-job-size";
    throw new InvalidArgumentError(`a body of ${size} bytes is above the ${limit ?? MAX_U32} of ${whose}`, { command });
  }
  return size;
}

function checkInteger(what: string, value: unknown, max: number, command: string): number {
  // -0 passes every comparison and prints as 0.
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new InvalidArgumentError(`${what} is an integer from 0 to ${max}, got ${given(value)}`, { command });
}

function given(value: unknown): string {
  if (typeof value === 'string') {
    const shown = JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
    return value.length > 80 ? `${shown} (${value.length} characters)` : shown;
  }
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return `an object (${value.constructor?.name ?? 'no prototype'})`;
  return typeof value === 'function' ? 'a function' : String(value);
}
