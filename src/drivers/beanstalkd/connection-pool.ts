import { Client } from '../../client/client.js';
import { DriverClosedError } from '../../queue/errors.js';
import { runOutside } from '../../shared/async-context.js';
import { ConsumerConnection } from './connection.js';
import { MAX_BODY_BYTES } from './tubes.js';

/** How long a connection that nobody uses is kept, in milliseconds. */
const IDLE_MS = 5000;

/** How long a server may take to answer what was sent before a connection closes, in milliseconds. */
const QUIT_TIMEOUT_MS = 1000;

/** No more are kept that nobody uses. */
const MAX_IDLE = 8;

/** The connections that consume, of all consumers of a driver: one that is free serves whoever needs one next. */
export class ConnectionPool {
  readonly #url: string;
  readonly #connections = new Set<ConsumerConnection>();
  /** The one freed last stands last. */
  readonly #idle: ConsumerConnection[] = [];
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** One that is free: the one freed last, if possible among those that watch these tubes already. */
  take(tubes: readonly string[]): ConsumerConnection | undefined {
    for (;;) {
      const same = this.#idle.findLastIndex((connection) => connection.watches(tubes));
      const isLast = same < 0 || same === this.#idle.length - 1;
      const taken = isLast ? this.#idle.pop() : this.#idle.splice(same, 1)[0];
      if (taken === undefined || taken.isOpen) return taken;
    }
  }

  /** @throws ConnectionLostError, ConnectTimeoutError, DriverClosedError */
  async open(): Promise<ConsumerConnection> {
    const { signal } = this.#closing;
    if (this.isClosed) throw new DriverClosedError('cannot use the driver: it is closed');
    const client = await Client.connect(this.#url, {
      reconnect: false,
      maxBodyBytes: MAX_BODY_BYTES,
      quitTimeoutMs: QUIT_TIMEOUT_MS,
      signal,
    });
    const connection = new ConsumerConnection(client);
    this.#connections.add(connection);
    client.once('close', () => this.#connections.delete(connection));
    if (this.isClosed) connection.destroy();
    return connection;
  }

  /** It holds nothing and waits for nothing. */
  give(connection: ConsumerConnection): void {
    connection.onIdle = ignore;
    if (!connection.isOpen) return;
    connection.idleSince = performance.now();
    this.#idle.push(connection);
    if (this.#idle.length > MAX_IDLE) void this.#idle.shift()?.quit();
    this.#timer ??= runOutside(() => setTimeout(() => this.#closeIdle(), IDLE_MS).unref());
  }

  /** Closes all at once: what is held goes back to its queue. */
  destroy(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
    for (const connection of this.#connections) connection.destroy();
  }

  #closeIdle(): void {
    this.#timer = undefined;
    const before = performance.now() - IDLE_MS;
    while (this.#idle[0] !== undefined && this.#idle[0].idleSince <= before) void this.#idle.shift()?.quit();
    const [oldest] = this.#idle;
    if (oldest !== undefined) this.#timer = setTimeout(() => this.#closeIdle(), oldest.idleSince - before).unref();
  }
}

function ignore(): void {}
