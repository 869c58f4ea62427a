import { preview } from '../shared/text.js';
import { DecodeError, EncodeError, HaricotError, InvalidOptionError } from './errors.js';
import type { Message } from './message.js';

/** Where a body comes from: what it need not tell itself. */
export interface CodecContext {
  readonly queue: string;
  /** The engine's id of the message. */
  readonly jobId: string;
  /** The type of the queue's messages, where it has one. */
  readonly type: string | undefined;
}

/** Turns messages into bodies and back: two functions. A queue has one; the default is CloudEvents. */
export interface Codec {
  /**
   * The body tells nothing but the data. Such a queue must have a `type`, and headers cannot be published. Default false.
   */
  readonly dataOnly?: boolean;
  /** @throws EncodeError */
  encode(message: Message): Uint8Array;
  /** @throws DecodeError */
  decode(body: Buffer, context: CodecContext): Message;
}

/** A codec whose bodies tell everything, and can be read wherever they come from. */
export interface SelfDescribingCodec extends Codec {
  /** @throws DecodeError */
  decode(body: Uint8Array): Message;
}

/** Writes a message, whatever the codec throws or answers. @throws EncodeError */
export function write(codec: Codec, message: Message): Uint8Array {
  let body: Uint8Array;
  try {
    body = codec.encode(message);
  } catch (cause) {
    if (cause instanceof HaricotError) throw cause;
    throw new EncodeError(`the codec could not write a "${message.type}" message: ${textOf(cause)}`, { cause });
  }
  if (body instanceof Uint8Array) return body;
  throw new EncodeError(`the codec wrote a "${message.type}" message as ${typeof body}, not as bytes (Uint8Array)`);
}

/** Reads a body, whatever the codec throws or answers. @throws DecodeError that tells whose body it is */
export function read(codec: Codec, body: Buffer, context: CodecContext): Message {
  try {
    const message = codec.decode(body, context);
    if (typeof message?.type === 'string') return message;
    // Its rejection would end the process.
    if (message instanceof Promise) message.catch(() => {});
    throw new DecodeError('the codec answered with something that is no message');
  } catch (cause) {
    const { queue, jobId } = context;
    const error =
      cause instanceof DecodeError ? cause : new DecodeError(`the codec failed: ${textOf(cause)}`, { cause });
    throw error.locate({ queue, jobId, body });
  }
}

/** What a body means that tells nothing but the data: the rest is known from where it was found. @throws DecodeError */
export function messageOf(data: unknown, { queue, jobId, type }: CodecContext): Message {
  if (type === undefined) throw new DecodeError(`the body does not tell its type, and queue "${queue}" has none`);
  return { id: jobId, type, data, time: new Date(0), headers: {}, source: defaultSource(queue) };
}

/** Who publishes to a queue, where nothing else is said. */
export function defaultSource(queue: string): string {
  return `/haricot/${queue}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @throws InvalidOptionError */
export function checkCodec(codec: Codec): Codec {
  if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') return codec;
  throw new InvalidOptionError(
    `codec must be an object with the functions encode and decode, such as json or raw, got ${preview(codec)}`,
  );
}
