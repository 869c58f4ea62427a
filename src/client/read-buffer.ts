import type { OnReadOpts, Socket } from 'node:net';
import { throwUncaught } from '../shared/uncaught.js';

const SIZE = 64 * 1024;

/**
 * The memory that a socket reads into. With `data` events each read would cost an allocation and a stream's bookkeeping
 * (protocol-notes, performance); here all reads share one buffer, so what is read must be copied before `onData`
 * returns. The rest of a large body is read straight into its own memory.
 */
export class ReadBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(SIZE);
  /** What the next read fills. */
  #target: Buffer = this.#buffer;
  /** Called with what was read. The bytes are overwritten by the next read. */
  onData: (bytes: Buffer) => void = () => {};
  /** Where the next bytes belong, undefined where they are to be passed to `onData` wherever they are. */
  nextTarget: () => Buffer | undefined = () => undefined;

  /** For `net.connect` and `tls.connect`. */
  readonly onread: OnReadOpts = {
    // Node asks for it after each callback, for the read that follows.
    buffer: () => {
      const target = this.nextTarget();
      // Less than the buffer holds is copied out of it: what comes behind would need a read of its own.
      this.#target = target !== undefined && target.length >= SIZE ? target : this.#buffer;
      return this.#target;
    },
    callback: (length) => {
      this.#receive(this.#target.subarray(0, length));
      return true;
    },
  };

  /** For a socket that was made elsewhere. */
  listenTo(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** An error would keep Node from asking for the next target: it would go on reading into a body that was handed out. */
  #receive(bytes: Buffer): void {
    try {
      this.onData(bytes);
    } catch (error) {
      throwUncaught(error);
    }
  }
}
