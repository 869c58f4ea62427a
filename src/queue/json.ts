import { isUtf8 } from 'node:buffer';
import { isUint8Array } from 'node:util/types';
import { type Codec, type CodecContext, messageOf } from './codec.js';
import { DecodeError, EncodeError } from './errors.js';
import type { Message } from './message.js';

/**
 * The body is the data as JSON and nothing else, for queues shared with programs that know nothing of us. A message that is
 * read has the type of its queue, the engine's id as its own, no headers, and `new Date(0)` as its time, which nobody knows.
 */
export const json: Codec = {
  dataOnly: true,

  encode({ type, data }: Message): Uint8Array {
    if (isUint8Array(data)) throw notJson(type, 'it is bytes, which the codecs `raw` and `cloudEvents` can write');
    return Buffer.from(jsonOf(type, data));
  },

  decode(body: Buffer, context: CodecContext): Message {
    return messageOf(readJson(body), context);
  },
};

/** A message's data as JSON text. @throws EncodeError */
export function jsonOf(type: string, data: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch (cause) {
    throw notJson(type, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  if (text === undefined) {
    throw notJson(type, typeof data === 'object' ? 'its toJSON made nothing of it' : `JSON knows no ${typeof data}`);
  }
  return text;
}

/** What JSON text in UTF-8 means. @throws DecodeError */
export function readJson(body: Uint8Array): unknown {
  const text = asBuffer(body).toString();
  // What is not UTF-8 is read as this character, which would change the data without a word.
  if (text.includes('\ufffd') && !isUtf8(body)) throw new DecodeError(`the body is not UTF-8 (${body.length} bytes)`);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, and messages end up in logs.
    throw new DecodeError(`the body is not JSON (${body.length} bytes)`);
  }
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function notJson(type: string, why: string, options?: ErrorOptions): EncodeError {
  return new EncodeError(`the data of a "${type}" message is not JSON: ${why}`, options);
}
