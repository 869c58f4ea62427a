import type { StandardSchemaV1 } from '@standard-schema/spec';
import { preview, truncate } from '../shared/text.js';
import { InvalidOptionError, SchemaError } from './errors.js';

/** Half of a pair of code units: no character, and no UTF-8. */
const LONE_SURROGATE = /\p{Cs}/u;

/** What is passed from a publisher to slots. */
export interface Message<T = unknown> {
  /** Names the message itself: the same for every delivery of it. The engine's id where the body tells none. */
  readonly id: string;
  /** What it is about, such as `mail.send`: slots are connected to it. */
  readonly type: string;
  /** The data of the message. */
  readonly data: T;
  /** When it was published; `new Date(0)` where the body does not tell. */
  readonly time: Date;
  /** Strings that travel beside the data. */
  readonly headers: Readonly<Record<string, string>>;
  /** Who published it: a URI reference; `/haricot/<queue>` where the body does not tell. */
  readonly source: string;
}

/** A kind of message: publishers and slots share it, so that both know the data's type. */
export interface MessageType<Output = unknown, Input = Output> {
  /** The name of the type on the wire. */
  readonly type: string;
  /** Checked when a message is published and when it is received. */
  readonly schema: StandardSchemaV1<Input, Output> | undefined;
}

/**
 * Declares a kind of message, whose data is not checked.
 * @param type its name on the wire
 * @throws InvalidOptionError for a name that is empty or contains lone surrogates
 */
export function defineMessage<T = unknown>(type: string): MessageType<T>;
/**
 * Declares a kind of message.
 * @param type its name on the wire
 * @param schema anything that implements Standard Schema (zod, valibot, arktype). It checks the data as the codec carries
 * it, when a message is published and when it is received: a date has become a string by then, so `z.iso.datetime()` or
 * `z.coerce.date()` fits it, and `z.date()` does not. What travels is the data as it was given to `publish`; slots get what
 * the schema makes of it
 */
export function defineMessage<S extends StandardSchemaV1>(
  type: string,
  schema: S,
): MessageType<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>;
export function defineMessage(type: string, schema?: StandardSchemaV1): MessageType {
  checkType(type);
  if (schema !== undefined && schema['~standard']?.version !== 1) {
    throw new InvalidOptionError(
      `the schema of ${preview(type)} must implement Standard Schema 1, got ${preview(schema)}`,
    );
  }
  return { type, schema };
}

/** @throws InvalidOptionError */
export function checkType(type: string): string {
  if (typeof type === 'string' && type !== '' && !LONE_SURROGATE.test(type)) return type;
  throw new InvalidOptionError(
    `a message type must be a string that is not empty and without lone surrogates, got ${preview(type)}`,
  );
}

/** The message's own id. @throws InvalidOptionError */
export function checkMessageId(id: string): string {
  if (typeof id === 'string' && id !== '' && !LONE_SURROGATE.test(id)) return id;
  throw new InvalidOptionError(
    `the id of a message must be a string that is not empty and without lone surrogates, got ${preview(id)}`,
  );
}

/**
 * What the schema makes of `data`: at once, unless the schema itself is asynchronous.
 * @throws SchemaError for issues that the schema finds, and what the schema itself throws as it is; or rejects with it
 */
export function validate<Output>(
  { type, schema }: MessageType<Output, unknown>,
  data: unknown,
): Output | Promise<Output> {
  if (schema === undefined) return data as Output;
  const result = schema['~standard'].validate(data);
  if (!isPromise(result)) return accepted(type, result);
  return Promise.resolve(result).then((later) => accepted(type, later));
}

/** Never throws: of some values, such as a revoked Proxy, one cannot even ask. */
export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  try {
    return value instanceof Promise || typeof (value as PromiseLike<T> | null | undefined)?.then === 'function';
  } catch {
    return false;
  }
}

function accepted<Output>(type: string, result: StandardSchemaV1.Result<Output>): Output {
  if (result.issues === undefined) return result.value;
  throw new SchemaError(
    type,
    result.issues.map(({ message, path = [] }) => ({ message, path: path.map(segment).join('.') })),
  );
}

function segment(part: PropertyKey | StandardSchemaV1.PathSegment): string {
  return truncate(String(typeof part === 'object' ? part.key : part), 100);
}
