import { connect as connectTcp, type Socket } from 'node:net';
import { onAbort } from '../shared/abort.js';
import { type Address, formatAddress, serverNameOf } from './address.js';
import { ConnectionLostError } from './errors.js';
import { ReadBuffer } from './read-buffer.js';

/** When the operating system begins to ask a silent peer whether it is still there. */
const KEEP_ALIVE_MS = 10_000;

/** Makes a socket that connects. */
export type SocketFactory = (address: Address) => Socket;

export interface OpenSocket {
  readonly socket: Socket;
  /** Where its bytes arrive. */
  readonly readBuffer: ReadBuffer;
}

/**
 * A connected socket. Names are resolved and several addresses of one tried as Node does by default.
 * @param signal gives up: rejects with its reason
 * @param factory makes the socket; for tests
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
      // A socket that is torn down can still report an error, and nobody else listens.
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
