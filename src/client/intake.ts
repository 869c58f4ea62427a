import type { OnReadOpts, Socket } from 'node:net';

const SLAB = 64 * 1024;

/** With less room than this the next read gets a new slab. */
const LEAST_ROOM = 16 * 1024;

/** Takes in what a socket has read. @returns whether it keeps views of the bytes, so that they must not be overwritten */
export type TakeIn = (bytes: Buffer) => boolean;

/**
 * The memory that a socket reads into. With events of `data` each read would cost an allocation and a stream's bookkeeping
 * (protocol-notes, performance); here the same memory is read into again, unless somebody keeps views of it: then the next
 * read goes behind what has come. The rest of a large body is read right into its place.
 */
export class Intake {
  #free = Buffer.allocUnsafeSlow(SLAB);
  /** What the next read fills. */
  #target: Buffer = this.#free;
  takeIn: TakeIn = () => false;
  /** Where the bytes that come next belong, undefined where they may lie anywhere. */
  placeOfNext: () => Buffer | undefined = () => undefined;

  /** For `net.connect` and `tls.connect`. */
  readonly onread: OnReadOpts = {
    // Asked for right after each callback, for the read that follows.
    buffer: () => {
      const place = this.placeOfNext();
      // Less than a slab holds is copied out of it: what comes behind would need a read of its own.
      this.#target = place !== undefined && place.length >= SLAB ? place : this.#free;
      return this.#target;
    },
    callback: (length) => {
      const isKept = this.takeIn(this.#target.subarray(0, length));
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
