import { createDebug } from '../debug.js';
import { tubeLine } from '../protocol/commands.js';
import { ProtocolError } from '../protocol/errors.js';
import { onAbort } from '../shared/abort.js';
import { runOutside } from '../shared/async-context.js';
import { Deadline } from '../shared/deadline.js';
import { type Address, formatAddress } from './address.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { ConnectionLostError, ConnectTimeoutError, ReplyTimeoutError } from './errors.js';
import { nothing } from './operations.js';
import { openSocket } from './socket.js';

const debug = createDebug('haricot:connection');

/** What a connection uses and watches. */
export interface Tubes {
  readonly used: string;
  /** May change meanwhile, by what another connection still confirms. */
  readonly watched: ReadonlySet<string>;
}

/** What the server gives every connection. */
export const NEW_TUBES: Tubes = { used: 'default', watched: new Set(['default']) };

/**
 * A connection that uses and watches `tubes`. The server has answered: something that only accepts connections is not
 * taken for one.
 * @param options its signal ends the attempt
 * @throws ConnectTimeoutError, ConnectionLostError with `sent: false`, ProtocolError, or the signal's reason
 */
export function openConnection(address: Address, options: ConnectionOptions, tubes: Tubes): Promise<Connection> {
  return runOutside(() => new Opening(address, options).open(tubes));
}

/** Does on `connection` what another one has confirmed. */
export function follow(connection: Connection, command: 'watch' | 'ignore', tube: string): void {
  connection.send({ command, line: tubeLine(command, tube), decode: nothing }).catch(nothing);
}

/** One attempt to connect. */
class Opening {
  readonly #address: Address;
  readonly #name: string;
  readonly #options: ConnectionOptions;
  /** Aborts when the attempt is given up. */
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
    closed.catch(nothing);
    const { signal } = this.#ending;
    const ignore = onAbort(signal, () => connection.destroy());
    try {
      await Promise.all(sendTubes(connection, used, restored));
      // What came right behind the last answer may have ended it.
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

  /** Nothing that was called has been sent, and a `use` or `watch` that nobody called is no matter of the caller's. */
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

/** There is always a `use`, so that there is an answer. */
function sendTubes(connection: Connection, used: string, watched: ReadonlySet<string>): Promise<unknown>[] {
  const answers: Promise<unknown>[] = [];
  const send = (command: 'use' | 'watch' | 'ignore', tube: string): void => {
    answers.push(connection.send({ command, line: tubeLine(command, tube), decode: nothing }));
  };
  for (const tube of watched) if (tube !== 'default') send('watch', tube);
  // Only behind the others: the last watched tube cannot be ignored.
  if (!watched.has('default')) send('ignore', 'default');
  send('use', used);
  connection.usedTube = used;
  return answers;
}
