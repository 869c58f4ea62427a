import { tubeLine } from '../protocol/commands.js';
import { type Address, formatAddress } from './address.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { ConnectTimeoutError } from './errors.js';
import { nothing } from './operations.js';

/**
 * A new connection that uses and watches what the last one did. The server has answered: it is truly there.
 * @param options its signal ends the attempt
 * @param watched may change meanwhile, by what another connection still confirms
 * @throws ConnectTimeoutError, ConnectionLostError, ProtocolError, or the signal's reason
 */
export async function openRestored(
  address: Address,
  options: ConnectionOptions,
  used: string,
  watched: ReadonlySet<string>,
): Promise<Connection> {
  const connection = await Connection.open(address, options);
  const restoring: Promise<unknown>[] = [];
  const send = (command: 'use' | 'watch' | 'ignore', tube: string): void => {
    restoring.push(connection.send({ command, line: tubeLine(command, tube), decode: nothing }));
  };
  const restored = new Set(watched);
  for (const tube of restored) if (tube !== 'default') send('watch', tube);
  // Only behind the others: the last watched tube cannot be ignored.
  if (!restored.has('default')) send('ignore', 'default');
  send('use', used);
  connection.usedTube = used;
  await confirmed(connection, Promise.all(restoring), address, options);
  for (const tube of watched) if (!restored.has(tube)) follow(connection, 'watch', tube);
  for (const tube of restored) if (!watched.has(tube)) follow(connection, 'ignore', tube);
  return connection;
}

/** Does on `connection` what another one has confirmed. */
export function follow(connection: Connection, command: 'watch' | 'ignore', tube: string): void {
  connection.send({ command, line: tubeLine(command, tube), decode: nothing }).catch(nothing);
}

/** The server must answer within the time that connecting may take, and the client must not be closed meanwhile. */
async function confirmed(
  connection: Connection,
  answers: Promise<unknown>,
  address: Address,
  { connectTimeoutMs, signal }: ConnectionOptions,
): Promise<void> {
  const closed = new Promise<never>((_, reject) => {
    connection.onClose = reject;
  });
  closed.catch(nothing);
  let overdue = false;
  const destroy = (): void => connection.destroy();
  const timer = setTimeout(() => {
    overdue = true;
    destroy();
  }, connectTimeoutMs);
  signal?.addEventListener('abort', destroy, { once: true });
  try {
    await answers;
    // What came right behind the last answer may have ended it.
    if (!connection.isOpen) await closed;
  } catch (cause) {
    destroy();
    if (!overdue) throw cause;
    throw new ConnectTimeoutError(`${formatAddress(address)} does not answer within ${connectTimeoutMs} ms`, { cause });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', destroy);
  }
}
