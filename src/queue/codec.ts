import { isUint8Array } from 'node:util/types';
import { isA } from '../shared/is-a.js';
import { escapeText, preview, truncate } from '../shared/text.js';
import { kindOf } from './checks.js';
import { DecodeError, EncodeError, HaricotError, InvalidOptionError } from './errors.js';
import { messageOfError } from './failure.js';
import type { Message } from './message.js';

/** Where a body comes from: what it need not tell itself. */
export interface CodecContext {
  /** The queue that the message came from. */
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
  readonly dataOnly?: boolean | undefined;
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
    if (isA(HaricotError, cause)) throw cause;
    throw new EncodeError(`cannot encode a ${preview(message.type)} message: ${reasonOf(cause)}`, { cause });
  }
  if (isUint8Array(body)) return body;
  throw new EncodeError(
    `what the codec writes must be bytes (Uint8Array), got ${kindOf(body)} for a ${preview(message.type)} message`,
  );
}

/** Reads a body, whatever the codec throws or answers. @throws DecodeError that tells whose body it is */
export function read(codec: Codec, body: Buffer, context: CodecContext): Message {
  try {
    const message = codec.decode(body, context);
    if (typeof message?.type === 'string') return message;
    // Its rejection would end the process.
    if (message instanceof Promise) message.catch(() => {});
    throw new DecodeError(`what the codec reads must be a message, got ${kindOf(message)}`);
  } catch (cause) {
    const { queue, jobId } = context;
    throw (isA(DecodeError, cause) ? cause : codecFailed(cause)).locate({ queue, jobId, body });
  }
}

function codecFailed(cause: unknown): DecodeError {
  // JSON.parse quotes the body in its message, and errors end up in logs with their causes.
  if (isA(SyntaxError, cause)) return new DecodeError('cannot decode the body: the codec failed with a SyntaxError');
  return new DecodeError(`cannot decode the body: ${reasonOf(cause)}`, { cause });
}

function reasonOf(cause: unknown): string {
  return truncate(escapeText(messageOfError(cause)), 200);
}

/** What a body means that tells nothing but the data: the rest is known from where it was found. @throws DecodeError */
export function messageOf(data: unknown, { queue, jobId, type }: CodecContext): Message {
  if (type === undefined)
    throw new DecodeError(`cannot decode the body: it does not tell its type, and queue "${queue}" has none`);
  return { id: jobId, type, data, time: new Date(0), headers: {}, source: defaultSource(queue) };
}

/** Who publishes to a queue, where nothing else is said. */
export function defaultSource(queue: string): string {
  return `/haricot/${queue}`;
}

/** @throws InvalidOptionError */
export function checkCodec(codec: Codec): Codec {
  if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') return codec;
  throw new InvalidOptionError(
    `codec must be an object with the functions encode and decode, such as json or raw, got ${preview(codec)}`,
  );
}
