import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { HANG_MS } from './until.js';

/** A plain socket to the server, for bytes that the client does not send. Text is latin1: a character is a byte. */
export class RawConnection {
  readonly #socket: Socket;
  #unread = '';
  #end: string | undefined;
  #wake: () => void = () => {};

  static async open({ host, port }: { host: string; port: number }): Promise<RawConnection> {
    // Half open, so that the server alone decides when its side ends.
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#unread += text;
      this.#wake();
    });
    socket.on('end', () => this.#ended('end of file'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#ended(error.code ?? error.message));
  }

  /** What has come and was not taken by `receives`, `matches` or `exchanges`. */
  get unread(): string {
    return this.#unread;
  }

  send(bytes: string): void {
    this.#socket.write(bytes, 'latin1');
  }

  /** Every byte in a packet of its own. */
  async sendByteByByte(bytes: string): Promise<void> {
    for (const byte of bytes) {
      this.send(byte);
      await nextTurn();
    }
  }

  /** Closes the sending side; answers can still come. */
  endSending(): void {
    this.#socket.end();
  }

  /** Stops taking bytes from the system, until `resumeReading`. */
  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Waits for as many bytes as `expected` has and asserts that they are these. */
  async receives(expected: string): Promise<void> {
    await this.#until(() => this.#unread.length >= expected.length, JSON.stringify(expected));
    expect(this.#take(expected.length)).to.equal(expected);
  }

  /** Waits until what has come matches from its beginning, takes that part and answers the match. */
  async matches(pattern: RegExp): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await this.#until(() => {
      match = pattern.exec(this.#unread);
      return match !== null;
    }, String(pattern));
    const found = match as unknown as RegExpExecArray;
    expect(found.index, `what comes before ${pattern}`).to.equal(0);
    this.#take(found[0].length);
    return found;
  }

  async exchanges(sent: string, expected: string): Promise<void> {
    this.send(sent);
    await this.receives(expected);
  }

  /** Waits for the end of the connection, which must come without further bytes, and answers how it came. */
  async ends(): Promise<string> {
    await this.#until(() => this.#end !== undefined, 'the end');
    expect(this.#unread).to.equal('');
    return this.#end ?? '';
  }

  #take(length: number): string {
    const taken = this.#unread.slice(0, length);
    this.#unread = this.#unread.slice(length);
    return taken;
  }

  #ended(how: string): void {
    this.#end ??= how;
    this.#wake();
  }

  #until(condition: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (settlement: () => void): void => {
        clearTimeout(timer);
        this.#wake = () => {};
        settlement();
      };
      const fail = (why: string): void => {
        settle(() => reject(new Error(`${why} while waiting for ${what}; came: ${JSON.stringify(this.#unread)}`)));
      };
      const timer = setTimeout(() => fail(`nothing more within ${HANG_MS} ms`), HANG_MS);
      this.#wake = () => {
        if (condition()) settle(resolve);
        else if (this.#end !== undefined) fail(this.#end);
      };
      this.#wake();
    });
  }
}
