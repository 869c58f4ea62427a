import type { Message } from './message.js';

/** Turns messages into bodies and back. A queue has one; the default is CloudEvents. */
export interface Codec {
  /** @throws EncodeError */
  encode(message: Message): Uint8Array;
  /** @throws DecodeError */
  decode(body: Uint8Array): Message;
}
