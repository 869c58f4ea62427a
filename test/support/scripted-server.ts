import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { Client } from '../../src/client/client.js';
import type { ClientOptions } from '../../src/client/options.js';

/** The server's end of one connection: the test reads what came and dictates what is answered. */
export class Peer {
  readonly #socket: Socket;
  #unread: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      this.#wake();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** What came and was not taken yet. */
  get unread(): string {
    return this.#unread.toString('latin1');
  }

  /** Waits for just these bytes; others in their place, or an end before them, fail the test. */
  async takes(expected: string | Buffer): Promise<void> {
    const bytes = typeof expected === 'string' ? Buffer.from(expected, 'latin1') : expected;
    while (this.#unread.length < bytes.length && !this.#ended && this.#isStartOf(bytes)) await this.#news();
    const came = this.#unread.subarray(0, bytes.length);
    if (!came.equals(bytes)) expect(came.toString('latin1')).to.equal(bytes.toString('latin1'));
    this.#unread = this.#unread.subarray(bytes.length);
  }

  /** Waits until the client ends its side, and fails if anything came that was not taken. */
  async takesEnd(): Promise<void> {
    while (!this.#ended) await this.#news();
    expect(this.unread).to.equal('');
  }

  /** Answers what a client asks when it connects. */
  async answersFirst(tube = 'default'): Promise<void> {
    await this.takes(`use ${tube}\r\n`);
    this.sends(`USING ${tube}\r\n`);
  }

  sends(bytes: string | Buffer): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Closes as a server does that ends or is killed: FIN. */
  ends(): void {
    this.#socket.end();
  }

  /** Closes as a server does that leaves bytes unread: RST. */
  resets(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #isStartOf(bytes: Buffer): boolean {
    return bytes.subarray(0, this.#unread.length).equals(this.#unread);
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A server on a free port of the loopback, whose every reply the test dictates. */
export class ScriptedServer {
  readonly #server: Server = createServer({ allowHalfOpen: true });
  readonly #peers: Peer[] = [];
  readonly #clients: Client[] = [];

  constructor() {
    this.#server.on('connection', (socket) => this.#peers.push(new Peer(socket)));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** A client of one connection only, and the server's end of that. */
  async connect(options: ClientOptions = {}): Promise<{ client: Client; peer: Peer }> {
    const accepted = once(this.#server, 'connection');
    const connecting = Client.connect({ port: this.port, reconnect: false, livenessMs: 0, ...options });
    await accepted;
    const peer = this.#peers.at(-1) as Peer;
    await peer.answersFirst();
    const client = await connecting;
    this.#clients.push(client);
    return { client, peer };
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    for (const peer of this.#peers) peer.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A {@link ScriptedServer} for each test of the suite this is called in. */
export function useScriptedServer(): { connect: ScriptedServer['connect']; readonly port: number } {
  let server: ScriptedServer;
  beforeEach(async () => {
    server = new ScriptedServer();
    await server.listen();
  });
  afterEach(() => server.close());
  return {
    connect: (options) => server.connect(options),
    get port() {
      return server.port;
    },
  };
}
