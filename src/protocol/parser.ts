import { exceedsU64, isTubeName } from './arguments.js';
import { ProtocolError, printable } from './errors.js';
import { MAX_REPLY_LINE, MAX_U32 } from './limits.js';
import { REPLY_FORMS, type Reply, type ReplyForm } from './replies.js';

const CR = 13;
const LF = 10;
const SPACE = 32;
const ZERO = 48;

/** Below this number of bytes, a loop is faster than the call that copies a block. */
const SHORT_COPY = 16;

/** The longest decimal number that a JavaScript number represents exactly. */
const EXACT_DIGITS = 15;

/** A status word and what may follow it. */
interface Status {
  readonly word: string;
  /** The reply when nothing follows the word. It has no arguments, so one object serves for all. */
  bare?: Reply;
  /** The form when something follows. */
  form?: ReplyForm;
  argument?: 'id' | 'count' | 'tube' | 'bytes';
  /** Whether `<bytes>` follows the argument. */
  sized: boolean;
}

/** The status words by their first byte, which at most three of them share. */
const STATUSES: readonly (readonly Status[])[] = statusTable();

/**
 * Called for a reply with data when its line was read. Returns true to read the data, false to skip it.
 * @throws ProtocolError to stop parsing
 */
export type BodyPolicy = (form: ReplyForm, size: number) => boolean;

/**
 * Parses replies from the server's bytes, in chunks of any size. Does no I/O and knows no commands.
 *
 * - One pass: each byte is examined once. Only an unfinished line (at most 208 bytes) is kept between chunks.
 * - Each body has its own `ArrayBuffer` of the declared size. Its recipient may transfer it to another thread, and the
 *   chunk may be overwritten once {@link push} has returned. The missing part of a large body can be read into
 *   {@link nextTarget}, which saves a copy.
 * - Bytes that cannot be a reply make {@link push} throw a {@link ProtocolError}. The parser cannot be used after that,
 *   because the start of the next reply is unknown.
 */
export class ReplyParser {
  readonly #onReply: (reply: Reply) => void;
  readonly #bodyPolicy: BodyPolicy;

  /** The unfinished line. */
  readonly #line = Buffer.allocUnsafeSlow(MAX_REPLY_LINE);
  #lineLength = 0;

  /** The reply whose body or trailing CR LF is incomplete. */
  #form: ReplyForm | undefined;
  #value = '';
  /** Undefined while a body is skipped. */
  #body: Buffer | undefined;
  #size = 0;
  /** How many bytes of the body and its CR LF have arrived. */
  #received = 0;
  /** Whether the CR LF is correct so far. */
  #intact = true;
  /** The view that the next chunk may have been read into. */
  #target: Buffer | undefined;

  #fault: ProtocolError | undefined;

  /**
   * @param onReply is called for each reply, in order. An error that it throws ends {@link push}, and the rest of the
   * chunk is lost
   */
  constructor(onReply: (reply: Reply) => void, bodyPolicy: BodyPolicy = () => true) {
    this.#onReply = onReply;
    this.#bodyPolicy = bodyPolicy;
  }

  /** Where the next bytes belong; undefined when no body is incomplete. Bytes that were read there are not copied. */
  get nextTarget(): Buffer | undefined {
    const isReading = this.#form !== undefined && this.#received < this.#size;
    this.#target = isReading ? this.#body?.subarray(this.#received) : undefined;
    return this.#target;
  }

  /** Whether a part of a reply has arrived. */
  get isInReply(): boolean {
    return this.#form !== undefined || this.#lineLength > 0;
  }

  /** How many bytes of the data of an unfinished reply have arrived. */
  get received(): number {
    return this.#form === undefined ? 0 : this.#received;
  }

  /** Parses a chunk. @throws ProtocolError when the bytes cannot be a reply. Replies before them have been reported */
  push(chunk: Buffer): void {
    if (this.#fault) throw this.#fault;
    let at = 0;
    while (at < chunk.length) {
      at = this.#form === undefined ? this.#takeLine(chunk, at) : this.#takeBody(chunk, at);
    }
    this.#target = undefined;
  }

  /** Continues a line, up to its end or the end of the chunk. @returns where to continue */
  #takeLine(chunk: Buffer, from: number): number {
    const kept = this.#lineLength;
    const limit = Math.min(chunk.length, from + MAX_REPLY_LINE - kept);
    let at = from;
    while (at < limit && chunk[at] !== LF) at++;

    if (at === limit) {
      chunk.copy(this.#line, kept, from, limit);
      this.#lineLength = kept + limit - from;
      if (this.#lineLength === MAX_REPLY_LINE) this.#fail('longer than any reply line', this.#line, 0, MAX_REPLY_LINE);
      return limit;
    }
    if (kept === 0) {
      this.#readLine(chunk, from, at);
    } else {
      chunk.copy(this.#line, kept, from, at);
      this.#lineLength = 0;
      this.#readLine(this.#line, 0, kept + at - from);
    }
    return at + 1;
  }

  /** Parses the line in `bytes` from `start` to its LF at `lf`: word, argument, size. */
  #readLine(bytes: Buffer, start: number, lf: number): void {
    const end = lf - 1;
    if (end < start || bytes[end] !== CR) this.#fail('a reply line that does not end in CR LF', bytes, start, lf);
    const status = statusAt(bytes, start, end);
    if (status === undefined) this.#fail('an unknown reply', bytes, start, end);

    let at = start + status.word.length;
    if (at === end) {
      if (status.bare === undefined) this.#fail('a reply without its argument', bytes, start, end);
      else this.#onReply(status.bare);
      return;
    }
    if (status.form === undefined) this.#fail('a reply with an argument too many', bytes, start, end);

    let value = '';
    if (status.argument !== 'bytes') {
      const from = at + 1;
      if (status.sized) for (at = from; at < end && bytes[at] !== SPACE; ) at++;
      else at = end;
      value = status.argument === 'tube' ? tubeName(bytes, from, at) : decimal(bytes, from, at);
      if (value === '') this.#fail(`a reply with a malformed ${status.argument}`, bytes, start, end);
    }
    if (!status.sized) {
      this.#onReply({ form: status.form, value, body: undefined });
      return;
    }
    const size = decimal(bytes, at + 1, end);
    if (size === '') this.#fail('a reply with a malformed size', bytes, start, end);
    if (Number(size) > MAX_U32) this.#fail('a body larger than any job can be', bytes, start, end);
    this.#expectBody(status.form, value, Number(size));
  }

  #expectBody(form: ReplyForm, value: string, size: number): void {
    try {
      this.#body = this.#bodyPolicy(form, size) ? allocate(size) : undefined;
    } catch (fault) {
      this.#fault = fault as ProtocolError;
      throw fault;
    }
    this.#form = form;
    this.#value = value;
    this.#size = size;
    this.#received = 0;
    this.#intact = true;
  }

  /** Continues a body and the CR LF after it. @returns where to continue */
  #takeBody(chunk: Buffer, from: number): number {
    const missing = this.#size - this.#received;
    if (missing <= 0) return this.#takeTrailer(chunk, from);
    const to = Math.min(chunk.length, from + missing);
    if (this.#body !== undefined) this.#copy(chunk, from, to, this.#body);
    this.#received += to - from;
    return this.#takeTrailer(chunk, to);
  }

  #copy(chunk: Buffer, from: number, to: number, body: Buffer): void {
    if (to - from <= SHORT_COPY) {
      let into = this.#received;
      for (let at = from; at < to; at++) body[into++] = chunk[at] as number;
    } else if (!this.#isInPlace(chunk)) {
      chunk.copy(body, this.#received, from, to);
    }
  }

  #isInPlace(chunk: Buffer): boolean {
    const target = this.#target;
    return target !== undefined && chunk.buffer === target.buffer && chunk.byteOffset === target.byteOffset;
  }

  #takeTrailer(chunk: Buffer, from: number): number {
    let at = from;
    for (; at < chunk.length && this.#received < this.#size + 2; at++, this.#received++) {
      if (chunk[at] === (this.#received === this.#size ? CR : LF)) continue;
      // Only `peek` can return a job that is still being uploaded: the server sends size + 2 bytes of its memory.
      if (this.#form !== 'FOUND <id> <bytes>') this.#fail('a body without CR LF behind it', chunk, at, at + 1);
      this.#intact = false;
    }
    if (this.#received === this.#size + 2) this.#finishBody();
    return at;
  }

  #finishBody(): void {
    const form = this.#form as ReplyForm;
    const body = this.#body;
    const value = this.#value;
    const reply: Reply =
      body === undefined
        ? { form, value, body, skippedBytes: this.#size }
        : { form, value, body: this.#intact ? body : undefined };
    this.#form = undefined;
    this.#body = undefined;
    this.#target = undefined;
    this.#onReply(reply);
  }

  #fail(what: string, bytes: Buffer, start: number, end: number): never {
    this.#body = undefined;
    const offending = Buffer.from(bytes.subarray(start, end));
    this.#fault = new ProtocolError(`the server sent ${what}: ${printable(offending)}`, offending);
    throw this.#fault;
  }
}

/**
 * Allocates memory that nothing else shares, not even Node's pool of small buffers; undefined when there is not enough.
 */
function allocate(size: number): Buffer | undefined {
  try {
    return Buffer.allocUnsafeSlow(size);
  } catch {
    return undefined;
  }
}

/** The tube name between `from` and `to`, or '' if it is not valid. */
function tubeName(bytes: Buffer, from: number, to: number): string {
  const name = bytes.toString('latin1', from, to);
  return isTubeName(name) ? name : '';
}

/** The u64 between `from` and `to` as the server prints it (digits, no leading zero), or '' if there is none. */
function decimal(bytes: Buffer, from: number, to: number): string {
  const length = to - from;
  if (length <= 0 || (length > 1 && bytes[from] === ZERO)) return '';
  let number = 0;
  for (let at = from; at < to; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return '';
    number = number * 10 + digit;
  }
  if (length <= EXACT_DIGITS) return `${number}`;
  const text = bytes.toString('latin1', from, to);
  return exceedsU64(text) ? '' : text;
}

function statusAt(bytes: Buffer, start: number, end: number): Status | undefined {
  const candidates = STATUSES[bytes[start] as number];
  if (candidates === undefined) return undefined;
  for (const status of candidates) {
    const { word } = status;
    const behind = start + word.length;
    if (behind !== end && (behind > end || bytes[behind] !== SPACE)) continue;
    let at = 1;
    while (at < word.length && bytes[start + at] === word.charCodeAt(at)) at++;
    if (at === word.length) return status;
  }
  return undefined;
}

function statusTable(): Status[][] {
  const table: Status[][] = [];
  for (const form of REPLY_FORMS) {
    const [word, argument, size] = form.split(' ') as [string, string?, string?];
    const first = word.charCodeAt(0);
    table[first] ??= [];
    let status = table[first].find((known) => known.word === word);
    if (status === undefined) {
      status = { word, sized: false };
      table[first].push(status);
    }
    if (argument === undefined) {
      status.bare = { form, value: '', body: undefined };
    } else {
      status.form = form;
      status.argument = argument.slice(1, -1) as NonNullable<Status['argument']>;
      status.sized = size !== undefined || status.argument === 'bytes';
    }
  }
  return table;
}
