import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Peer } from './scripted-server.js';

/** A server on the loopback for code that opens its connections itself: the test takes them one after another. */
export class WireServer {
  readonly #server: Server = createServer({ allowHalfOpen: true });
  readonly #peers: Peer[] = [];
  #taken = 0;

  constructor() {
    this.#server.on('connection', (socket) => {
      this.#peers.push(new Peer(socket));
      this.#server.emit('peer');
    });
  }

  get url(): string {
    return `beanstalkd://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** The next connection, whose first question is answered. @param tube that it uses */
  async peer(tube?: string): Promise<Peer> {
    const peer = await this.silentPeer();
    await peer.answersFirst(tube);
    return peer;
  }

  /** The next connection, of which nothing was taken yet. */
  async silentPeer(): Promise<Peer> {
    if (this.#peers.length === this.#taken) await once(this.#server, 'peer');
    return this.#peers[this.#taken++] as Peer;
  }

  /** How many connections were made. */
  get connections(): number {
    return this.#peers.length;
  }

  /** Refuses connections from now on; those there are stay. */
  refuse(): void {
    this.#server.close();
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    if (!this.#server.listening) return;
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A {@link WireServer} for each test of the suite this is called in. */
export function useWireServer(): () => WireServer {
  let server: WireServer;
  beforeEach(async () => {
    server = new WireServer();
    await server.listen();
  });
  afterEach(() => server.close());
  return () => server;
}

/** The reply to `stats-job` of a reserved job: one that was released or buried after every delivery before. */
export function jobStats({ tube = 'mail', pri = 55, ttr = 60, reserves = 1, kicks = 0 } = {}): string {
  const counts = `reserves: ${reserves}\nreleases: ${reserves - 1 - kicks}\nburies: ${kicks}\nkicks: ${kicks}\n`;
  const text = `---\nid: 7\ntube: "${tube}"\nstate: reserved\npri: ${pri}\nttr: ${ttr}\n${counts}`;
  return `OK ${text.length}\r\n${text}\r\n`;
}
