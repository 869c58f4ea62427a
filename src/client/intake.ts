import type { OnReadOpts, Socket } from 'node:net';

const SLAB = 64 * 1024;

/** With less room than this the next read gets a new slab. */
const LEAST_ROOM = 16 * 1024;

/** Takes in what a socket has read. @returns whether it keeps views of the bytes, so that they must not be overwritten */
export type TakeIn = (bytes: Buffer) => boolean;

/**
 * The memory that a socket reads into. With events of `data` each read would cost an allocation and a stream's bookkeeping
 * (protocol-notes, performance); here the same memory is read into again, unless somebody keeps views of it: then the next
 * read goes behind what has come.
 */
export class Intake {
  #free = Buffer.allocUnsafeSlow(SLAB);
  takeIn: TakeIn = () => false;

  /** For `net.connect` and `tls.connect`. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#free,
    callback: (length) => {
      const isKept = this.takeIn(this.#free.subarray(0, length));
      if (isKept) this.#goOnBehind(length);
      return true;
    },
  };

  /** For a socket that was made elsewhere. */
  listenTo(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.takeIn(chunk));
  }

  #goOnBehind(length: number): void {
    const hasRoom = this.#free.length - length >= LEAST_ROOM;
    this.#free = hasRoom ? this.#free.subarray(length) : Buffer.allocUnsafeSlow(SLAB);
  }
}
