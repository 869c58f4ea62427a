import type { Socket } from 'node:net';
import type { BodyInput } from '../protocol/arguments.js';

const FIRST_SLAB = 4 * 1024;
const LARGEST_SLAB = 64 * 1024;

/**
 * Collects commands and writes them to the socket once per tick, but not while the socket waits for a drain.
 *
 * The bytes are copied when a command is added, so that the caller may change its buffer at once. They are copied into
 * a slab, which is filled from front to back and never written twice, because the socket may still be reading from it.
 * A body that is too large for a slab gets its own memory, which is reused after it is written. Lines without bodies
 * remain a string, because the socket writes that in fewer steps.
 */
export class Writer {
  readonly #socket: Socket;
  readonly #spares = new Spares();
  #slab = Buffer.allocUnsafeSlow(FIRST_SLAB);
  /** The part of the slab that is filled and not yet written: from #start to #end. */
  #start = 0;
  #end = 0;
  /** Filled buffers that precede that part. */
  #full: Buffer[] = [];
  /** Lines that follow that part. */
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

  /** How many commands were handed to the socket. */
  get written(): number {
    return this.#written;
  }

  /** Whether {@link end} was called. */
  get isEnding(): boolean {
    return this.#ending;
  }

  /**
   * Adds a command. After {@link end} it is ignored.
   * @param line the command line, ASCII, including CR LF
   * @param body follows the line with its own CR LF, as one unit
   * @param size the size of the body in bytes
   */
  add(line: string, body?: BodyInput, size = 0): void {
    if (this.#ending) return;
    if (body === undefined) this.#lines += line;
    else this.#addBytes(this.#lines + line, body, size);
    this.#added++;
    if (!this.#scheduled && !this.#draining) {
      this.#scheduled = true;
      // Runs after the promise continuations of one chunk of replies, so that the commands they send are written
      // together.
      process.nextTick(this.#onTick);
    }
  }

  /** Copies the pending lines together with the body that follows them. */
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

  /** Ends the sending side after all commands that were added. */
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
    // The socket itself writes what it has buffered before it ends.
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

  /** Slabs grow with the traffic, so that a quiet connection uses little memory. */
  #nextSlab(atLeast: number): void {
    this.#seal();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(atLeast, Math.min(LARGEST_SLAB, this.#slab.length * 2)));
    this.#start = 0;
    this.#end = 0;
  }
}

/**
 * Memory of large bodies that were written, for reuse: filling memory that is touched for the first time takes several
 * times as long (protocol-notes, performance). The references are weak, so that the next garbage collection frees what
 * was not reused.
 */
class Spares {
  #buffers = new WeakRef<Buffer[]>([]);

  /**
   * Returns at least `size` bytes and at most twice as many, so that a small body does not keep the memory of a large
   * one.
   */
  take(size: number): Buffer {
    const spare = this.#buffers.deref()?.pop();
    const fits = spare !== undefined && spare.length >= size && spare.length <= 2 * size;
    return fits ? spare : Buffer.allocUnsafeSlow(size);
  }

  /** @param part a view of memory that nothing uses any more */
  give(part: Buffer): void {
    let buffers = this.#buffers.deref();
    if (buffers === undefined) {
      buffers = [];
      this.#buffers = new WeakRef(buffers);
    }
    buffers.push(Buffer.from(part.buffer));
  }
}

/** Writes one command into `target` at `at` and returns where it ends. */
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
