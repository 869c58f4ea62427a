import { createDebug } from '../debug.js';
import { tubeLine } from '../protocol/commands.js';
import { ProtocolError } from '../protocol/errors.js';
import { onAbort } from '../shared/abort.js';
import { runOutside } from '../shared/async-context.js';
import { Deadline } from '../shared/deadline.js';
import { type Address, formatAddress } from './address.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { ConnectionLostError, ConnectTimeoutError, ReplyTimeoutError } from './errors.js';
import { noop } from './operations.js';
import { openSocket } from './socket.js';

const debug = createDebug('haricot:connection');

/** The tubes that a connection uses and watches. */
export interface Tubes {
  readonly used: string;
  /** May change while the connection opens, when another connection confirms a `watch` or `ignore`. */
  readonly watched: ReadonlySet<string>;
}

/** The tubes of every new connection. */
export const NEW_TUBES: Tubes = { used: 'default', watched: new Set(['default']) };

/**
 * Opens a connection and restores the tubes it uses and watches. Waits for a reply, so that a peer that only accepts
 * connections is not mistaken for a server.
 * @param options the signal aborts the attempt
 * @throws ConnectTimeoutError, ConnectionLostError with `sent: false`, ProtocolError, or the signal's reason
 */
export function openConnection(address: Address, options: ConnectionOptions, tubes: Tubes): Promise<Connection> {
  return runOutside(() => new Opening(address, options).open(tubes));
}

/** Repeats on `connection` a command that another connection has confirmed. */
export function follow(connection: Connection, command: 'watch' | 'ignore', tube: string): void {
  connection.send({ command, line: tubeLine(command, tube), decode: noop }).catch(noop);
}

/** One attempt to connect. */
class Opening {
  readonly #address: Address;
  readonly #name: string;
  readonly #options: ConnectionOptions;
  /** Aborts when the attempt ends early. */
  readonly #ending = new AbortController();

  constructor(address: Address, options: ConnectionOptions) {
    this.#address = address;
    this.#name = formatAddress(address);
    this.#options = options;
  }

  async open(tubes: Tubes): Promise<Connection> {
    const { connectTimeoutMs, signal } = this.#options;
    signal?.throwIfAborted();
    let isConnected = false;
    const ignore = signal && onAbort(signal, () => this.#ending.abort(signal.reason));
    const deadline = new Deadline(connectTimeoutMs, () => {
      const why = isConnected ? 'it does not answer' : 'there is no connection';
      this.#ending.abort(
        new ConnectTimeoutError(`cannot connect to ${this.#name}: ${why} within ${connectTimeoutMs} ms`),
      );
    });
    try {
      const socket = await openSocket(this.#address, this.#ending.signal, this.#options.openSocket);
      isConnected = true;
      debug('%s connected', this.#name);
      const connection = new Connection(socket, this.#name, this.#options);
      await this.#restore(connection, tubes);
      return connection;
    } catch (error) {
      debug('%s %o', this.#name, error);
      throw error;
    } finally {
      deadline.cancel();
      ignore?.();
    }
  }

  async #restore(connection: Connection, { used, watched }: Tubes): Promise<void> {
    const restored = new Set(watched);
    const closed = new Promise<never>((_, reject) => {
      connection.onClose = reject;
    });
    closed.catch(noop);
    const { signal } = this.#ending;
    const ignore = onAbort(signal, () => connection.destroy());
    try {
      await Promise.all(sendTubes(connection, used, restored));
      // Bytes after the last reply may have closed it.
      if (!connection.isOpen) await closed;
    } catch (cause) {
      connection.destroy();
      throw signal.aborted ? signal.reason : this.#explain(cause);
    } finally {
      ignore();
    }
    for (const tube of watched) if (!restored.has(tube)) follow(connection, 'watch', tube);
    for (const tube of restored) if (!watched.has(tube)) follow(connection, 'ignore', tube);
  }

  /**
   * Reports the failure as one of connecting: no command of the caller was sent, and the `use` and `watch` commands
   * were not the caller's.
   */
  #explain(cause: unknown): unknown {
    const why = `cannot connect to ${this.#name}`;
    if (cause instanceof ProtocolError) {
      const { message } = cause.cause instanceof ProtocolError ? cause.cause : cause;
      return new ProtocolError(`${why}: it does not speak the protocol of beanstalkd: ${message}`, cause.bytes, {
        cause,
      });
    }
    if (cause instanceof ConnectionLostError) {
      const reason = cause.cause instanceof Error ? cause.cause.message : 'the server closed the connection';
      return new ConnectionLostError(`${why}: ${reason}`, false, { cause });
    }
    if (cause instanceof ReplyTimeoutError) {
      return new ConnectTimeoutError(`${why}: it does not answer within ${this.#options.replyTimeoutMs} ms`, { cause });
    }
    return cause;
  }
}

/** Always sends a `use`, so that there is a reply to wait for. */
function sendTubes(connection: Connection, used: string, watched: ReadonlySet<string>): Promise<unknown>[] {
  const answers: Promise<unknown>[] = [];
  const send = (command: 'use' | 'watch' | 'ignore', tube: string): void => {
    answers.push(connection.send({ command, line: tubeLine(command, tube), decode: noop }));
  };
  for (const tube of watched) if (tube !== 'default') send('watch', tube);
  // After the others: the server refuses to ignore the only watched tube.
  if (!watched.has('default')) send('ignore', 'default');
  send('use', used);
  connection.usedTube = used;
  return answers;
}
