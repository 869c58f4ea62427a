import { createHash } from 'node:crypto';
import type { OffTheClock } from './measure.js';

/** How many different bodies a run has: one that is taken for another's shows. */
const VARIETY = 64;
/** Checked while they arrive up to here: that costs 50 ns for 100 bytes. Larger ones are kept until they can be hashed off the clock. */
const SMALL = 256;

/** The bodies of `count` jobs, and the check that all of them came back. */
export class Payloads {
  readonly bodies: readonly Buffer[];
  readonly #size: number;
  #kept: Uint8Array[] = [];
  #hashes: string[] = [];
  #sum = 0;
  #seen = 0;

  constructor(size: number) {
    this.#size = size;
    this.bodies = Array.from({ length: size < 1024 * 1024 ? VARIETY : 2 }, (_, index) => bytes(size, index + 1));
  }

  /** The body of the job with this number, counted from the first put of a round. */
  body(index: number): Buffer {
    return this.bodies[index % this.bodies.length] as Buffer;
  }

  /** A body has arrived. */
  see(body: Uint8Array): void {
    this.#seen++;
    if (this.#size <= SMALL) this.#sum = (this.#sum + checksum(body)) | 0;
    else this.#kept.push(body);
  }

  /** Nothing is under way: hashes what was kept, and keeps it no longer, because who is measured needs the memory again. */
  pause(offTheClock: OffTheClock): void {
    if (this.#kept.length > 0) offTheClock(() => this.#hash());
  }

  /** Whether exactly the bodies of `count` jobs were seen, in whatever order; then forgets them. */
  verdict(count: number): boolean {
    this.#hash();
    const intact =
      this.#seen === count && (this.#size <= SMALL ? this.#sumIsRight(count) : this.#hashesAreRight(count));
    this.#hashes = [];
    this.#sum = 0;
    this.#seen = 0;
    return intact;
  }

  #hash(): void {
    for (const body of this.#kept) this.#hashes.push(sha256(body));
    this.#kept = [];
  }

  #sumIsRight(count: number): boolean {
    let sum = 0;
    for (let index = 0; index < count; index++) sum = (sum + checksum(this.body(index))) | 0;
    return sum === this.#sum;
  }

  #hashesAreRight(count: number): boolean {
    const expected = this.bodies.map(sha256);
    const wanted = Array.from({ length: count }, (_, index) => expected[index % expected.length]);
    return wanted.sort().join() === this.#hashes.sort().join();
  }
}

function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64');
}

/** Of every byte and of its place. */
function checksum(body: Uint8Array): number {
  let sum = body.length;
  for (let at = 0; at < body.length; at++) sum = (Math.imul(sum, 31) + (body[at] as number)) | 0;
  return sum;
}

/** Printable characters: some peers take text alone, and the floor counts line ends. */
function bytes(size: number, seed: number): Buffer {
  const body = Buffer.allocUnsafeSlow(size);
  let state = seed;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    body[at] = 33 + ((state >> 16) % 94);
  }
  return body;
}
