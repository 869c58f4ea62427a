import type { Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

export type Direction = 'toServer' | 'toClient';

/** What becomes of one connection as soon as `at` bytes have gone in a direction; with 0, when the first byte comes. */
export interface Fault {
  readonly direction: Direction;
  readonly at: number;
  /**
   * reset: RST to both sides. close: FIN to both sides behind what has passed. stall: nothing more of this connection goes
   * in that direction until `resume()`. half-close: FIN in that direction, the other one goes on.
   */
  readonly effect: 'reset' | 'close' | 'stall' | 'half-close';
}

/** How bytes travel; by default as they come. */
export interface Flow {
  /** Holds every piece for so long. */
  readonly delayMs?: number;
  /** No packet is larger. */
  readonly pieceBytes?: number;
  /** What comes within so long goes on in one packet. */
  readonly coalesceMs?: number;
}

/** What a pipe asks and tells the connection it belongs to. */
export interface PipeOwner {
  /** Of this direction, as it is now. */
  flow(): Flow;
  /** So many bytes have gone. */
  passed(bytes: number): void;
  strike(fault: Fault): void;
}

/** Above this the sender has to wait. */
const MAX_QUEUED_CHUNKS = 64;

/** One direction of a connection. */
export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #owner: PipeOwner;
  readonly #fault: Fault | undefined;
  readonly #queue: Buffer[] = [];
  #passed = 0;
  #busy = false;
  #ended = false;
  #shut = false;
  #stalled = false;
  #resume = (): void => {};

  constructor(from: Socket, to: Socket, owner: PipeOwner, fault: Fault | undefined) {
    this.#from = from;
    this.#to = to;
    this.#owner = owner;
    this.#fault = fault;
    from.on('data', (chunk: Buffer) => {
      this.#queue.push(chunk);
      if (this.#queue.length > MAX_QUEUED_CHUNKS) from.pause();
      void this.#pump();
    });
    from.on('end', () => {
      this.#ended = true;
      void this.#pump();
    });
  }

  /** FIN: nothing goes in this direction any more. */
  shut(): void {
    this.#shut = true;
    this.#to.end();
  }

  stall(): void {
    this.#stalled = true;
  }

  resume(): void {
    this.#stalled = false;
    this.#resume();
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#queue.length > 0) {
      const { coalesceMs = 0 } = this.#owner.flow();
      if (coalesceMs > 0) await sleep(coalesceMs);
      const chunk = coalesceMs > 0 ? Buffer.concat(this.#queue.splice(0)) : this.#queue.shift();
      if (chunk) await this.#pass(chunk);
      this.#from.resume();
    }
    this.#busy = false;
    if (this.#ended) this.shut();
  }

  async #pass(chunk: Buffer): Promise<void> {
    this.#strikeAt(0);
    for (let rest = chunk; rest.length > 0 && !this.#shut && !this.#to.destroyed; ) {
      const { delayMs = 0, pieceBytes = rest.length } = this.#owner.flow();
      if (delayMs > 0) await sleep(delayMs);
      if (this.#stalled) await this.#resumed();
      const piece = rest.subarray(0, Math.min(pieceBytes, this.#room()));
      rest = rest.subarray(piece.length);
      await this.#write(piece);
      this.#passed += piece.length;
      this.#owner.passed(piece.length);
      this.#strikeAt(this.#passed);
      // In a packet of its own.
      if (rest.length > 0) await nextTurn();
    }
  }

  #resumed(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  /** How many bytes may go until the fault. */
  #room(): number {
    const left = (this.#fault?.at ?? 0) - this.#passed;
    return left > 0 ? left : Number.POSITIVE_INFINITY;
  }

  #strikeAt(passed: number): void {
    if (this.#fault?.at === passed && this.#passed === passed) this.#owner.strike(this.#fault);
  }

  async #write(piece: Buffer): Promise<void> {
    const to = this.#to;
    if (to.destroyed || to.write(piece)) return;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        to.off('drain', settle);
        to.off('close', settle);
        resolve();
      };
      to.on('drain', settle);
      to.on('close', settle);
    });
  }
}
