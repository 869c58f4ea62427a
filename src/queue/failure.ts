import { truncate } from '../shared/text.js';

/** Why something failed, as far as its error tells. */
export interface FailureCause {
  /** The name of the error, such as `TypeError`. */
  readonly name: string;
  /** The message of the error. */
  readonly message: string;
}

/** Why a message failed: a record that engines keep with it. At most 16 KiB as JSON in UTF-8. */
export interface Failure extends FailureCause {
  /** Such as `'attempts'`, `'invalid'`; see `FailureReason`. */
  readonly reason: string;
  /** The top of it, `''` where the error has none. */
  readonly stack: string;
  /** Of the error, from the nearest on; the `errors` of an AggregateError as well. */
  readonly causes: readonly FailureCause[];
  /** The delivery that failed, 1-based; undefined where the engine did not tell. */
  readonly attempt: number | undefined;
  /** When the message failed. */
  readonly at: Date;
}

/** Of a failure, what its error cannot tell. */
export type FailureContext = Pick<Failure, 'reason' | 'attempt'> & Partial<Pick<Failure, 'at'>>;

/** Most that a failure takes, as JSON in UTF-8. */
export const MAX_FAILURE_BYTES: number = 16 * 1024;

const MAX_NAME = 200;
const MAX_MESSAGE = 4000;
const MAX_STACK = 8000;
const MAX_CAUSES = 10;
const MAX_CAUSE_MESSAGE = 1000;

/** The record of an error, which may be any value, throw when it is looked at, or hold itself. Never throws. */
export function toFailure(error: unknown, { reason, attempt, at = new Date() }: FailureContext): Failure {
  const { name, message } = causeOf(error, MAX_MESSAGE);
  const stack = truncate(stringOf(error, 'stack') ?? '', MAX_STACK);
  return bounded({ reason: truncate(reason, MAX_NAME), name, message, stack, causes: causesOf(error), attempt, at });
}

/** What an error, or whatever was thrown, says: its name and message. Never throws. */
export function causeOf(error: unknown, maxMessage: number = MAX_CAUSE_MESSAGE): FailureCause {
  if (!isObject(error)) return { name: typeof error, message: truncate(textOf(error), maxMessage) };
  const name = stringOf(error, 'name') || constructorName(error) || 'Error';
  const message = stringOf(error, 'message') ?? textOf(error);
  return { name: truncate(name, MAX_NAME), message: truncate(message, maxMessage) };
}

/** The message of an error, or the text of whatever was thrown. Never throws. */
export function messageOfError(error: unknown): string {
  return causeOf(error, MAX_MESSAGE).message;
}

/** As engines store it. @param maxBytes at least 1024 */
export function serializeFailure(failure: Failure, maxBytes: number = MAX_FAILURE_BYTES): string {
  return JSON.stringify(bounded(failure, maxBytes));
}

/** Reads what `serializeFailure` wrote; a string that it did not write becomes the message. Never throws. */
export function parseFailure(stored: string): Failure {
  let value: unknown;
  try {
    value = JSON.parse(stored);
  } catch {
    // From somebody else.
  }
  const fields: Partial<Record<keyof Failure, unknown>> = isObject(value) ? value : { message: stored };
  const { reason, name, message, stack, causes, attempt, at } = fields;
  const time = new Date(typeof at === 'string' ? at : Number.NaN);
  return {
    reason: textOr(reason, 'attempts'),
    name: textOr(name, 'Error'),
    message: textOr(message, ''),
    stack: textOr(stack, ''),
    causes: Array.isArray(causes) ? causes.map((cause) => causeOf(cause)) : [],
    attempt: Number.isSafeInteger(attempt) ? (attempt as number) : undefined,
    at: Number.isNaN(time.getTime()) ? new Date(0) : time,
  };
}

/** The causes and the errors of an aggregate, nearest first, none of them twice. */
function causesOf(error: unknown): FailureCause[] {
  const seen = new Set([error]);
  const found: FailureCause[] = [];
  let next: unknown[] = beneath(error);
  while (next.length > 0 && found.length < MAX_CAUSES) {
    const [first, ...others] = next;
    next = others;
    if (isObject(first) && seen.has(first)) continue;
    seen.add(first);
    found.push(causeOf(first));
    next = [...beneath(first), ...others];
  }
  return found;
}

function beneath(error: unknown): unknown[] {
  const cause = property(error, 'cause');
  const errors = property(error, 'errors');
  const causes = cause === undefined || cause === null ? [] : [cause];
  try {
    return Array.isArray(errors) ? [...causes, ...errors.slice(0, MAX_CAUSES)] : causes;
  } catch {
    return causes;
  }
}

/** The stack goes first, then the causes, then the end of the message. */
function bounded(failure: Failure, maxBytes: number = MAX_FAILURE_BYTES): Failure {
  let fitting = failure;
  for (let round = 1; Buffer.byteLength(JSON.stringify(fitting)) > maxBytes; round++) {
    const { stack, causes, message, name, reason } = fitting;
    if (stack.length > 200) fitting = { ...fitting, stack: truncate(stack, stack.length >> 1) };
    else if (causes.length > 0) fitting = { ...fitting, stack: '', causes: causes.slice(0, causes.length >> 1) };
    else if (message.length > 1) fitting = { ...fitting, stack: '', message: truncate(message, message.length >> 1) };
    else fitting = { ...fitting, name: truncate(name, MAX_NAME >> round), reason: truncate(reason, MAX_NAME >> round) };
  }
  return fitting;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** A property that can be read, whatever stands in the way. */
function property(of: unknown, name: string): unknown {
  try {
    return isObject(of) ? (of as Record<string, unknown>)[name] : undefined;
  } catch {
    return undefined;
  }
}

function stringOf(of: unknown, name: string): string | undefined {
  const value = property(of, name);
  return typeof value === 'string' ? value : undefined;
}

function constructorName(of: object): string | undefined {
  const name = stringOf(property(of, 'constructor'), 'name');
  return name === 'Object' ? undefined : name;
}

function textOf(value: unknown): string {
  try {
    return typeof value === 'object' ? (JSON.stringify(value) ?? String(value)) : String(value);
  } catch {
    return 'a value that cannot be shown';
  }
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value : fallback;
}
