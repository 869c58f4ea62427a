import { connect as connectTcp, type Socket } from 'node:net';
import { type Address, formatAddress, serverNameOf } from './address.js';
import { ConnectionLostError, ConnectTimeoutError } from './errors.js';
import { ReadBuffer } from './read-buffer.js';

/** When the operating system begins to ask a silent peer whether it is still there. */
const KEEP_ALIVE_MS = 10_000;

export interface SocketOptions {
  /** How long connecting may take, TLS included, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Gives up connecting: rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Where the socket comes from; for tests. */
  readonly openSocket?: ((address: Address) => Socket) | undefined;
}

export interface OpenSocket {
  readonly socket: Socket;
  /** Where its bytes arrive. */
  readonly readBuffer: ReadBuffer;
}

/**
 * A connected socket. Names are resolved and several addresses of one tried as Node does by default.
 * @throws ConnectTimeoutError, ConnectionLostError with `sent: false`, or the signal's reason
 */
export function openSocket(address: Address, options: SocketOptions): Promise<OpenSocket> {
  const { connectTimeoutMs, signal } = options;
  const name = formatAddress(address);
  if (signal?.aborted) return Promise.reject(signal.reason);
  const readBuffer = new ReadBuffer();
  const socket = options.openSocket?.(address) ?? createSocket(address, readBuffer);
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('close', onClose);
    };
    const fail = (error: unknown): void => {
      settle();
      // A socket that is torn down can still report an error, and nobody else listens.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal?.reason);
    const onError = (cause: Error): void => {
      fail(new ConnectionLostError(`could not connect to ${name}: ${describe(cause)}`, false, { cause }));
    };
    const onClose = (): void => {
      fail(new ConnectionLostError(`could not connect to ${name}: the connection was closed`, false));
    };
    const timer = setTimeout(() => {
      fail(new ConnectTimeoutError(`no connection to ${name} within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      settle();
      if (options.openSocket) readBuffer.listenTo(socket);
      resolve({ socket, readBuffer });
    });
  });
}

/** What went wrong with a socket. A connection tried on several addresses fails with an error of each. */
export function describe(cause: Error): string {
  if (cause instanceof AggregateError) return cause.errors.map((error: Error) => error.message).join(', ');
  return cause.message;
}

function createSocket(address: Address, { onread }: ReadBuffer): Socket {
  if ('path' in address) return connectTcp({ path: address.path, onread });
  const { host, port, tls } = address;
  const target = { host, port, onread };
  const socket = tls
    ? // Loaded when it is needed, as few need it.
      process
        .getBuiltinModule('node:tls')
        .connect({ ...tls, ...target, servername: serverNameOf({ host, tls }) ?? '', rejectUnauthorized: true })
    : connectTcp(target);
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
}
