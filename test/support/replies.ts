import { ProtocolError } from '../../src/protocol/errors.js';
import { type BodyPolicy, ReplyParser } from '../../src/protocol/parser.js';
import type { Reply } from '../../src/protocol/replies.js';

export interface Outcome {
  readonly replies: Reply[];
  readonly fault: ProtocolError | undefined;
}

/** Skips bodies above the ceiling. */
export function upTo(maxBodyBytes: number): BodyPolicy {
  return (_, size) => size <= maxBodyBytes;
}

/** What a new parser makes of `chunks`; an error that is not its typed one passes through. */
export function parse(chunks: Iterable<Buffer>, policy?: BodyPolicy): Outcome {
  const replies: Reply[] = [];
  const parser = new ReplyParser((reply) => replies.push(reply), policy);
  try {
    for (const chunk of chunks) parser.push(chunk);
  } catch (fault) {
    if (!(fault instanceof ProtocolError)) throw fault;
    return { replies, fault };
  }
  return { replies, fault: undefined };
}

/** The bytes a server sends for a reply. */
export function encode({ form, value, body }: Reply): Buffer {
  const line = form.replace(/<(id|count|tube)>/, () => value).replace('<bytes>', () => `${body?.length ?? 0}`);
  const parts: Buffer[] = [latin1(`${line}\r\n`)];
  if (form.includes('<bytes>')) parts.push(body ?? Buffer.alloc(0), latin1('\r\n'));
  return Buffer.concat(parts);
}

/** The reply that comes with data. */
export function ok(data: string): Buffer {
  return encode({ form: 'OK <bytes>', value: '', body: Buffer.from(data) });
}

/** A reply as text, to compare many of them quickly. */
export function show({ form, value, body, skippedBytes }: Reply): string {
  const missing = skippedBytes === undefined ? '-' : `- (${skippedBytes})`;
  const data = body === undefined ? missing : JSON.stringify(body.toString('latin1'));
  return `${form} ${value} ${data}`;
}

/** `bytes` cut at `places`, whatever their order; chunks of their own memory, as a socket delivers them. */
export function cut(bytes: Buffer, places: Iterable<number>): Buffer[] {
  const chunks: Buffer[] = [];
  let from = 0;
  for (const place of [...places].sort((a, b) => a - b).concat(bytes.length)) {
    chunks.push(Buffer.from(bytes.subarray(from, place)));
    from = place;
  }
  return chunks;
}

/** `bytes` in chunks of `size`. */
export function slices(bytes: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
