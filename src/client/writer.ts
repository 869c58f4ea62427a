import type { Socket } from 'node:net';
import type { BodyInput } from '../protocol/arguments.js';

const FIRST_SLAB = 4 * 1024;
const LARGEST_SLAB = 64 * 1024;

/**
 * Gathers commands and gives the socket one write a tick, and none while the socket asks for a drain.
 *
 * The bytes are copied when the command is added, so the caller may change its buffer at once; they go into a slab that
 * is used up from front to back and never written twice, because the socket may still be reading from it. A body too
 * large for that gets memory of its own, which is used again once it is written. Lines alone stay text until then: the
 * socket writes that in fewer steps.
 */
export class Writer {
  readonly #socket: Socket;
  readonly #spares = new Spares();
  #slab = Buffer.allocUnsafeSlow(FIRST_SLAB);
  /** The part of the slab that is filled and not yet handed on: from #start to #end. */
  #start = 0;
  #end = 0;
  /** Filled buffers that come before that part. */
  #full: Buffer[] = [];
  /** Lines that come behind that part. */
  #lines = '';
  #scheduled = false;
  #draining = false;
  #ending = false;
  #added = 0;
  #written = 0;
  readonly #onTick = (): void => {
    this.#scheduled = false;
    this.#flush();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => {
      this.#draining = false;
      this.#flush();
    });
  }

  /** How many commands have been handed to the socket. */
  get written(): number {
    return this.#written;
  }

  /** Whether the end was asked for. */
  get isEnding(): boolean {
    return this.#ending;
  }

  /**
   * Once the end was asked for, nothing is added any more.
   * @param line the command line, ASCII, CR LF included
   * @param body follows the line together with its own CR LF, as one unit
   * @param size of the body in bytes
   */
  add(line: string, body?: BodyInput, size = 0): void {
    if (this.#ending) return;
    if (body === undefined) this.#lines += line;
    else this.#addBytes(this.#lines + line, body, size);
    this.#added++;
    if (!this.#scheduled && !this.#draining) {
      this.#scheduled = true;
      // Runs after the promise continuations that one chunk of replies has woken, so that what they send goes together.
      process.nextTick(this.#onTick);
    }
  }

  /** The lines go with the body behind them, and so do those that came before. */
  #addBytes(lines: string, body?: BodyInput, size = 0): void {
    const total = lines.length + (body === undefined ? 0 : size + 2);
    if (total > LARGEST_SLAB) {
      this.#seal();
      const own = this.#spares.take(total);
      this.#full.push(own.subarray(0, fill(own, 0, lines, body, size)));
    } else {
      if (total > this.#slab.length - this.#end) this.#nextSlab(total);
      this.#end = fill(this.#slab, this.#end, lines, body, size);
    }
    this.#lines = '';
  }

  /** Ends the sending side behind everything that was added. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#flush();
  }

  #flush(): void {
    const socket = this.#socket;
    if (this.#draining || socket.destroyed) return;
    if (this.#added > this.#written) {
      this.#written = this.#added;
      if (this.#full.length === 0 && this.#end === this.#start) this.#writeLines();
      else this.#writeBuffers();
    }
    // The socket itself keeps the order of what it still holds and the end.
    if (this.#ending) socket.end();
  }

  #writeLines(): void {
    const lines = this.#lines;
    this.#lines = '';
    this.#draining = !this.#socket.write(lines, 'latin1');
  }

  #writeBuffers(): void {
    if (this.#lines !== '') this.#addBytes(this.#lines);
    this.#seal();
    const buffers = this.#full;
    this.#full = [];
    if (buffers.length > 1) this.#socket.cork();
    for (const buffer of buffers) this.#draining = !this.#write(buffer);
    if (buffers.length > 1) this.#socket.uncork();
  }

  #write(buffer: Buffer): boolean {
    if (buffer.length <= LARGEST_SLAB) return this.#socket.write(buffer);
    return this.#socket.write(buffer, (error) => {
      if (!error) this.#spares.give(buffer);
    });
  }

  #seal(): void {
    if (this.#end > this.#start) this.#full.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  /** Slabs grow with the traffic, so that a quiet connection costs little. */
  #nextSlab(atLeast: number): void {
    this.#seal();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(atLeast, Math.min(LARGEST_SLAB, this.#slab.length * 2)));
    this.#start = 0;
    this.#end = 0;
  }
}

/**
 * Memory of large bodies that the socket has written, for the next ones: memory that is touched for the first time takes
 * several times as long to fill (protocol-notes, performance). It counts as garbage meanwhile: what is not used again
 * goes with the next collection, and nothing has to be dropped.
 */
class Spares {
  #buffers = new WeakRef<Buffer[]>([]);

  /** At least `size` bytes, and not much more than that: a small body must not hold the memory of a huge one. */
  take(size: number): Buffer {
    const spare = this.#buffers.deref()?.pop();
    const fits = spare !== undefined && spare.length >= size && spare.length <= 2 * size;
    return fits ? spare : Buffer.allocUnsafeSlow(size);
  }

  /** @param part whose whole memory nobody needs any more */
  give(part: Buffer): void {
    let buffers = this.#buffers.deref();
    if (buffers === undefined) {
      buffers = [];
      this.#buffers = new WeakRef(buffers);
    }
    buffers.push(Buffer.from(part.buffer));
  }
}

/** Writes one command into `target` from `at` and returns where it ends. */
function fill(target: Buffer, at: number, line: string, body: BodyInput | undefined, size: number): number {
  let end = at + target.write(line, at, 'latin1');
  if (body === undefined) return end;
  if (typeof body === 'string') target.write(body, end, 'utf8');
  else target.set(body, end);
  end += size;
  target[end] = 13;
  target[end + 1] = 10;
  return end + 2;
}
