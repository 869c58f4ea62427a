import { connect as connectTcp, type Socket } from 'node:net';
import { onAbort } from '../shared/abort.js';
import { type Address, formatAddress, serverNameOf } from './address.js';
import { ConnectionLostError } from './errors.js';
import { ReadBuffer } from './read-buffer.js';

/** How long a connection is idle before the operating system probes whether the peer is reachable. */
const KEEP_ALIVE_MS = 10_000;

/** Creates a socket that is connecting. */
export type SocketFactory = (address: Address) => Socket;

export interface OpenSocket {
  readonly socket: Socket;
  /** Receives the bytes of the socket. */
  readonly readBuffer: ReadBuffer;
}

/**
 * Connects a socket. Resolves names and tries several addresses of a name as Node does by default.
 * @param signal cancels the attempt: it rejects with the signal's reason
 * @param factory creates the socket; for tests
 * @throws ConnectionLostError with `sent: false`, or the signal's reason
 */
export function openSocket(address: Address, signal: AbortSignal, factory?: SocketFactory): Promise<OpenSocket> {
  const name = formatAddress(address);
  if (signal.aborted) return Promise.reject(signal.reason);
  const readBuffer = new ReadBuffer();
  const socket = factory?.(address) ?? createSocket(address, readBuffer);
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      ignore();
      socket.off('error', onError);
      socket.off('close', onClose);
    };
    const fail = (error: unknown): void => {
      settle();
      // A destroyed socket may still emit an error, and has no other listener.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onError = (cause: Error): void => {
      fail(new ConnectionLostError(`cannot connect to ${name}: ${describe(cause)}`, false, { cause }));
    };
    const onClose = (): void => {
      fail(new ConnectionLostError(`cannot connect to ${name}: the connection was closed`, false));
    };
    const ignore = onAbort(signal, () => fail(signal.reason));
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      settle();
      if (factory) readBuffer.listenTo(socket);
      resolve({ socket, readBuffer });
    });
  });
}

/** The message of a socket error. When several addresses of a name were tried, there is an error for each. */
export function describe(cause: Error): string {
  if (cause instanceof AggregateError) return cause.errors.map((error: Error) => error.message).join(', ');
  return cause.message;
}

function createSocket(address: Address, { onread }: ReadBuffer): Socket {
  if ('path' in address) return connectTcp({ path: address.path, onread });
  const { host, port, tls } = address;
  const target = { host, port, onread };
  const socket = tls
    ? // Loaded on demand: few programs use TLS.
      process
        .getBuiltinModule('node:tls')
        .connect({ ...tls, ...target, servername: serverNameOf({ host, tls }) ?? '', rejectUnauthorized: true })
    : connectTcp(target);
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
}
