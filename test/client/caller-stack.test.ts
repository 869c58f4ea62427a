import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { Client } from '../../src/client/client.js';
import { BeanstalkdError } from '../../src/client/errors.js';
import { Pool } from '../../src/client/pool.js';
import { rejection } from '../support/failures.js';

describe('callerStacks', () => {
  let server: Server;
  let port: number;

  /** A server that has no job except the one that it delivers, and that closes the connection after a `kick`. */
  beforeEach(async () => {
    server = createServer((peer) => {
      peer.on('error', () => {});
      peer.on('data', (bytes) => {
        for (const line of String(bytes).split('\r\n')) {
          if (line.startsWith('use')) peer.write('USING default\r\n');
          else if (line.startsWith('reserve')) peer.write('RESERVED 7 2\r\nhi\r\n');
          else if (line.startsWith('kick')) peer.destroy();
          else if (line !== '' && !line.startsWith('peek')) peer.write('NOT_FOUND\r\n');
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });

  afterEach(() => server.close());

  const deleteFromHere = (client: Client): Promise<void> => client.delete('1');
  const kickFromHere = (client: Client): Promise<number> => client.kick(1);
  const peekFromHere = (client: Client): Promise<unknown> => client.peek('1');
  const settleFromHere = async (client: Client): Promise<void> => (await client.reserve())?.delete();
  const pauseFromHere = (client: Client): Promise<void> => client.tube('mails').pause(1);

  for (const [code, call, command, replyTimeoutMs] of [
    ['NOT_FOUND', deleteFromHere, 'delete 1', 0],
    ['NOT_FOUND', settleFromHere, 'delete 7', 0],
    ['NOT_FOUND', pauseFromHere, 'pause-tube', 0],
    ['CONNECTION_LOST', kickFromHere, 'kick', 0],
    ['REPLY_TIMEOUT', peekFromHere, 'peek 1', 50],
  ] as const) {
    it(`puts the caller into the stack of a ${code} to a ${command}`, async () => {
      const client = await Client.connect({ port, callerStacks: true, replyTimeoutMs, reconnect: false });
      const error = await rejection(call(client), BeanstalkdError);
      expect(error.code).to.equal(code);
      expect(error.stack).to.contain(`${error.name}: cannot ${command}: `).and.contain(call.name);
      client.destroy();
    });
  }

  it('is off by default', async () => {
    const client = await Client.connect({ port });
    const error = await rejection(deleteFromHere(client), BeanstalkdError);
    expect(error.stack).to.not.contain(deleteFromHere.name);
    client.destroy();
  });

  it('holds for connecting, and for the clients of a pool', async () => {
    const pool = new Pool({ port, callerStacks: true });
    const deleted = await rejection(pool.use(deleteFromHere), BeanstalkdError);
    await pool.drain();
    await new Promise((resolve) => server.close(resolve));
    const connectFromHere = (): Promise<Client> => Client.connect({ port, callerStacks: true });
    const refused = await rejection(connectFromHere(), BeanstalkdError);
    expect(deleted.stack).to.contain(deleteFromHere.name);
    expect(refused.stack)
      .to.match(/^ConnectionLostError: cannot connect/)
      .and.contain(connectFromHere.name);
  });
});
