import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect } from 'chai';
import { Client } from '../../src/client/client.js';
import type { Job } from '../../src/client/job.js';
import type { ClientOptions } from '../../src/client/options.js';
import { afterTest } from './after-test.js';

type Done = (error?: Error | null) => void;

/** A socket without a network: it records what each system call would be given, and lets the test hold them back. */
export class FakeSocket extends Duplex {
  /** The buffers of each write or writev, the very objects. */
  readonly writes: Buffer[][] = [];
  #holding = false;
  #release: (() => void) | undefined;
  #answersFirst = false;

  constructor() {
    super({ highWaterMark: 16 * 1024, allowHalfOpen: false });
  }

  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** All that was written, as text. */
  get sent(): string {
    return Buffer.concat(this.writes.flat()).toString('latin1');
  }

  /** Connects and answers what a client asks first, all in this turn; that does not count as written. */
  accept(): void {
    this.#answersFirst = true;
    this.emit('connect');
  }

  /** From now on a write is taken, but does not complete. */
  hold(): void {
    this.#holding = true;
  }

  /** Completes the write that is held, and all that follow. */
  release(): void {
    this.#holding = false;
    this.#release?.();
  }

  /** What the server says, as one chunk. It comes in a later turn, as from a network. */
  reply(bytes: string | Buffer): void {
    setImmediate(() => this.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes));
  }

  /** The server closes its side. */
  hangUp(): void {
    setImmediate(() => this.push(null));
  }

  /** Breaks the connection, and waits until the socket has told so. */
  async fail(error: Error): Promise<void> {
    const closed = new Promise((resolve) => this.once('close', resolve));
    this.destroy(error);
    await closed;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #take(buffers: Buffer[], done: Done): void {
    if (this.#answersFirst) {
      this.#answersFirst = false;
      expect(Buffer.concat(buffers).toString()).to.equal('use default\r\n');
      process.nextTick(() => this.push('USING default\r\n'));
      done();
      return;
    }
    this.writes.push(buffers);
    if (this.#holding) this.#release = done;
    else done();
  }
}

/**
 * A client on a {@link FakeSocket}, of which there is just one: it does not come back when that is lost. It waits for ever,
 * because what a test leaves unanswered must not fail in the midst of a later one.
 */
export async function connectFake(options: ClientOptions = {}): Promise<{ client: Client; socket: FakeSocket }> {
  const socket = new FakeSocket();
  const connecting = Client.connect({
    reconnect: false,
    replyTimeoutMs: 0,
    livenessMs: 0,
    ...options,
    openSocket: () => socket.asSocket,
  });
  socket.accept();
  const client = await connecting;
  // A job that it holds would set timers in later tests.
  afterTest(() => client.destroy());
  return { client, socket };
}

/** Lets the server answer a reserve with a job whose body is one byte. */
export async function delivered(reserving: Promise<Job | null>, socket: FakeSocket, id: string): Promise<Job> {
  return (await answered(reserving, socket, `RESERVED ${id} 1\r\nx`)) ?? expect.fail('no job');
}

/** Lets the server answer a call with one line. */
export async function answered<T>(call: Promise<T>, socket: FakeSocket, reply: string): Promise<T> {
  socket.reply(`${reply}\r\n`);
  return call;
}
