import { isUtf8 } from 'node:buffer';
import { isUint8Array } from 'node:util/types';
import { escapeText, preview, truncate } from '../shared/text.js';
import { kindOf } from './checks.js';
import { type Codec, type CodecContext, messageOf } from './codec.js';
import { DecodeError, EncodeError } from './errors.js';
import { messageOfError } from './failure.js';
import { findLoss, type Loss } from './json-loss.js';
import type { Message } from './message.js';

/**
 * The body is the data as JSON and nothing else, for queues shared with programs that know nothing of us. A message that is
 * read has the type of its queue, the engine's id as its own, no headers, and `new Date(0)` as its time, which nobody knows.
 */
export const json: Codec = {
  dataOnly: true,

  encode({ type, data }: Message): Uint8Array {
    if (isUint8Array(data)) throw notJson(type, 'it is bytes', 'the codecs raw and cloudEvents can write them');
    return Buffer.from(jsonOf(type, data));
  },

  decode(body: Buffer, context: CodecContext): Message {
    return messageOf(readJson(body), context);
  },
};

/**
 * A message's data as JSON, which must hold all of it.
 * @throws EncodeError that names the part that JSON would lose or change
 */
export function jsonOf(type: string, data: unknown): string {
  let json: string | undefined;
  let loss: Loss | undefined;
  try {
    json = JSON.stringify(data);
    // So it escapes lone surrogates. A backslash in the data followed by these letters makes the search slower only.
    loss = findLoss(data, { strings: json?.includes('\\ud') ?? true, cycles: false });
  } catch (cause) {
    throw unwritable(type, data, cause);
  }
  if (loss === undefined && json !== undefined) return json;
  throw lossy(type, loss ?? { path: '', what: kindOf(data) });
}

/** What JSON in UTF-8 means; of members with the same name, the last. @throws DecodeError */
export function readJson(body: Uint8Array): unknown {
  const text = asBuffer(body).toString();
  // What is not UTF-8 is read as this character, which would change the data without a word.
  if (text.includes('\ufffd') && !isUtf8(body)) throw notReadable(body, 'UTF-8');
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, and messages end up in logs.
    throw notReadable(body, 'JSON');
  }
}

function notReadable(body: Uint8Array, what: string): DecodeError {
  const mark = [['UTF-8', 0xef, 0xbb, 0xbf] as const, ['UTF-16', 0xff, 0xfe] as const, ['UTF-16', 0xfe, 0xff] as const];
  const [encoding] = mark.find(([, ...bytes]) => bytes.every((byte, index) => body[index] === byte)) ?? [];
  if (encoding === undefined) return new DecodeError(`the body must be ${what}, got ${body.length} bytes that are not`);
  return new DecodeError(
    `the body must be ${what}, got a byte order mark (BOM) of ${encoding}; JSON is UTF-8 without one`,
  );
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** JSON.stringify or a function of the data has thrown. */
function unwritable(type: string, data: unknown, cause: unknown): EncodeError {
  let loss: Loss | undefined;
  try {
    loss = findLoss(data, { strings: true, cycles: true });
  } catch {
    // The same again, most likely.
  }
  if (loss !== undefined) return lossy(type, loss, cause);
  const isTooDeep = cause instanceof RangeError && /call stack/.test(cause.message);
  return notJson(
    type,
    isTooDeep ? 'it is nested too deeply' : truncate(escapeText(messageOfError(cause)), 200),
    undefined,
    cause,
  );
}

function lossy(type: string, { path, what }: Loss, cause?: unknown): EncodeError {
  const where = path === '' ? 'it' : path;
  return notJson(
    type,
    `${where} is ${what}`,
    'what travels must be strings, finite numbers, booleans, null, arrays and objects of these',
    cause,
  );
}

function notJson(type: string, why: string, help?: string, cause?: unknown): EncodeError {
  const message = `cannot write the data of a message of type ${preview(type)} as JSON: ${why}${help ? `; ${help}` : ''}`;
  return new EncodeError(message, cause === undefined ? undefined : { cause });
}
