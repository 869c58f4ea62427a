import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { type Direction, type Fault, type Flow, Pipe } from './proxy-pipe.js';

export type { Direction, Fault, Flow } from './proxy-pipe.js';

const DIRECTIONS = ['toServer', 'toClient'] as const;

/** Stands between a client and a server and spoils the line. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #links = new Set<Link>();
  readonly #plan: (Fault | undefined)[] = [];
  readonly #stalled = new Set<Direction>();
  readonly #bytes = { toServer: 0, toClient: 0 };
  #connections = 0;
  #faults = 0;
  #refusing = false;

  /** How bytes travel from now on, in each direction. */
  flow: Readonly<Record<Direction, Flow>> = { toServer: {}, toClient: {} };

  /** @param listen where; by default a free port of 127.0.0.1 */
  static async start(target: { host: string; port: number }, listen: ListenOptions = LOOPBACK): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new TcpProxy(server, target);
    server.listen(listen);
    await once(server, 'listening');
    return proxy;
  }

  private constructor(server: Server, target: { host: string; port: number }) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (socket) => this.#link(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `beanstalkd://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** How many connections were accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /** How many are there now. */
  get open(): number {
    return this.#links.size;
  }

  /** How many bytes have gone so far, over all connections. */
  get bytes(): Readonly<Record<Direction, number>> {
    return this.#bytes;
  }

  /** How many planned faults have struck. */
  get faults(): number {
    return this.#faults;
  }

  /** The next connections get these faults, one each; those after them get none. */
  plan(...faults: (Fault | undefined)[]): void {
    this.#plan.push(...faults);
  }

  /** Nothing goes in these directions until `resume()`; by default in both. */
  stall(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : DIRECTIONS) {
      this.#stalled.add(direction);
      for (const { pipes } of this.#links) pipes[direction].stall();
    }
  }

  resume(): void {
    this.#stalled.clear();
    for (const { pipes } of this.#links) for (const direction of DIRECTIONS) pipes[direction].resume();
  }

  /** RST to both sides of every connection. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Every new connection is closed at once, until `accept()`. */
  refuse(): void {
    this.#refusing = true;
  }

  accept(): void {
    this.#refusing = false;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.reset();
    await closed;
  }

  #link(client: Socket): void {
    this.#connections++;
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const fault = this.#plan.shift();
    const server = connect({ ...this.#target, noDelay: true, allowHalfOpen: true });
    const pipe = (direction: Direction, from: Socket, to: Socket): Pipe => {
      const owner = {
        flow: () => this.flow[direction],
        passed: (bytes: number) => {
          this.#bytes[direction] += bytes;
        },
        strike: (struck: Fault) => this.#strike(struck, link),
      };
      return new Pipe(from, to, owner, fault?.direction === direction ? fault : undefined);
    };
    const link: Link = {
      pipes: { toServer: pipe('toServer', client, server), toClient: pipe('toClient', server, client) },
      reset: () => {
        client.resetAndDestroy();
        server.resetAndDestroy();
      },
    };
    this.#links.add(link);
    for (const direction of this.#stalled) link.pipes[direction].stall();
    for (const socket of [client, server]) {
      socket.on('error', link.reset);
      socket.on('close', () => {
        if (!client.closed || !server.closed) return;
        this.#links.delete(link);
        for (const direction of DIRECTIONS) link.pipes[direction].resume();
      });
    }
  }

  #strike({ direction, effect }: Fault, { pipes, reset }: Link): void {
    this.#faults++;
    if (effect === 'reset') reset();
    else if (effect === 'stall') pipes[direction].stall();
    else if (effect === 'half-close') pipes[direction].shut();
    else for (const each of DIRECTIONS) pipes[each].shut();
  }
}

/** One connection. */
interface Link {
  readonly pipes: Readonly<Record<Direction, Pipe>>;
  reset(): void;
}

const LOOPBACK: ListenOptions = { host: '127.0.0.1', port: 0 };
