import type { OnReadOpts, Socket } from 'node:net';
import { throwUncaught } from '../shared/uncaught.js';

const SIZE = 64 * 1024;

/**
 * The memory that a socket reads into. `data` events would cost an allocation and the bookkeeping of a stream for each
 * read (protocol-notes, performance). Here all reads share one buffer, so `onData` must copy the bytes before it
 * returns. The rest of a large body is read directly into its own memory.
 */
export class ReadBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(SIZE);
  /** The memory that the next read fills. */
  #target: Buffer = this.#buffer;
  /** Called with the bytes of each read. The next read overwrites them. */
  onData: (bytes: Buffer) => void = () => {};
  /** Returns where the next bytes belong; undefined if they may be passed to `onData` at any place. */
  nextTarget: () => Buffer | undefined = () => undefined;

  /** The `onread` option for `net.connect` and `tls.connect`. */
  readonly onread: OnReadOpts = {
    // Node calls this after each callback, for the next read.
    buffer: () => {
      const target = this.nextTarget();
      // A target smaller than the buffer is not used: the bytes after it would require another read. They are copied
      // instead.
      this.#target = target !== undefined && target.length >= SIZE ? target : this.#buffer;
      return this.#target;
    },
    callback: (length) => {
      this.#receive(this.#target.subarray(0, length));
      return true;
    },
  };

  /** Reads from a socket that was created elsewhere. */
  listenTo(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /**
   * An error here would keep Node from asking for the next target. Node would continue to read into a body that was
   * delivered.
   */
  #receive(bytes: Buffer): void {
    try {
      this.onData(bytes);
    } catch (error) {
      throwUncaught(error);
    }
  }
}
