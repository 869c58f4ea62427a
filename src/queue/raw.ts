import { isUint8Array } from 'node:util/types';
import { copyBytes } from '../shared/bytes.js';
import { preview } from '../shared/text.js';
import { kindOf } from './checks.js';
import { type Codec, type CodecContext, messageOf } from './codec.js';
import { EncodeError } from './errors.js';
import type { Message } from './message.js';

/**
 * The body is the data, which is bytes: `Uint8Array` in, `Buffer` out, exact. A message that is read has the type of its
 * queue, the engine's id as its own, no headers, and `new Date(0)` as its time, which nobody knows.
 */
export const raw: Codec = {
  dataOnly: true,

  encode({ type, data }: Message): Uint8Array {
    // A copy: the caller may change or transfer its bytes as soon as `publish` has returned.
    if (isUint8Array(data)) return copyBytes(data);
    throw new EncodeError(
      `the data of a message of type ${preview(type)} must be bytes (Uint8Array) where the codec is raw, got ${kindOf(data)}`,
    );
  },

  decode(body: Buffer, context: CodecContext): Message {
    return messageOf(body, context);
  },
};
