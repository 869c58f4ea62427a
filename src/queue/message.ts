import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidOptionError, SchemaError } from './errors.js';

/** What is passed from a publisher to slots. */
export interface Message<T = unknown> {
  /** Names the message itself: the same for every delivery of it. */
  readonly id: string;
  /** What it is about, such as `mail.send`: slots are connected to it. */
  readonly type: string;
  readonly data: T;
  /** When it was published. */
  readonly time: Date;
  readonly headers: Readonly<Record<string, string>>;
  /** Who published it: a URI reference. */
  readonly source: string;
}

/** A kind of message: publishers and slots share it, so that both know the data's type. */
export interface MessageType<Output = unknown, Input = Output> {
  readonly type: string;
  /** Checked when a message is published and when it is received. */
  readonly schema: StandardSchemaV1<Input, Output> | undefined;
}

/**
 * Declares a kind of message.
 * @param type its name on the wire
 * @param schema anything that implements Standard Schema (zod, valibot, arktype). What travels is the data as it was
 * given to `publish`; slots get what the schema makes of it
 */
export function defineMessage<T = unknown>(type: string): MessageType<T>;
export function defineMessage<S extends StandardSchemaV1>(
  type: string,
  schema: S,
): MessageType<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>;
export function defineMessage(type: string, schema?: StandardSchemaV1): MessageType {
  if (typeof type !== 'string' || type === '') {
    throw new InvalidOptionError(
      `a message type is a text that is not empty, got ${JSON.stringify(type) ?? typeof type}`,
    );
  }
  if (schema !== undefined && schema['~standard']?.version !== 1) {
    throw new InvalidOptionError(`the schema of "${type}" does not implement Standard Schema 1`);
  }
  return { type, schema };
}

/** What the schema makes of `data`. @throws SchemaError */
export async function validate<Output>({ type, schema }: MessageType<Output, unknown>, data: unknown): Promise<Output> {
  if (schema === undefined) return data as Output;
  const result = await schema['~standard'].validate(data);
  if (result.issues === undefined) return result.value;
  throw new SchemaError(
    type,
    result.issues.map(({ message, path = [] }) => ({ message, path: path.map(segment).join('.') })),
  );
}

function segment(part: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof part === 'object' ? part.key : part);
}
