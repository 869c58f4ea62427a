import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ConnectionLostError } from '../../src/client/errors.js';
import { Pool } from '../../src/client/pool.js';
import { rejection } from '../support/failures.js';
import { answersTo, FakeNetwork, sentNext } from '../support/fake-network.js';
import type { FakeSocket } from '../support/fake-socket.js';

describe('A client that is given back to its pool', () => {
  let network: FakeNetwork;
  let pool: Pool;
  let client: Client;
  let socket: FakeSocket;

  beforeEach(async () => {
    network = new FakeNetwork();
    network.answer = 'accept';
    pool = new Pool({ max: 1, openSocket: network.openSocket, drainTimeoutMs: 0 });
    client = await pool.acquire();
    socket = network.sockets[0] ?? expect.fail('no connection');
  });

  afterEach(() => pool.drain());

  /** Returns a client, and answers what the return sends. @returns what was sent */
  async function giveBack(): Promise<string> {
    const before = socket.sent.length;
    let released = false;
    const release = pool.release(client).then(() => {
      released = true;
    });
    let answered = before;
    for (let turns = 0; !released && turns < 20; turns++) {
      await nextTurn();
      const commands = socket.sent.slice(answered);
      answered += commands.length;
      if (commands) socket.reply(answersTo(commands));
    }
    await release;
    return socket.sent.slice(before);
  }

  /** Answers the commands that are called. */
  async function answered(reply: string, ...calls: Promise<unknown>[]): Promise<void> {
    socket.reply(reply);
    await Promise.all(calls);
  }

  function isKept(): boolean {
    expect(pool.size).to.equal(pool.available);
    return pool.size === 1 && !socket.destroyed;
  }

  it('sends nothing where it has changed nothing', async () => {
    await answered(
      'INSERTED 1\r\nWATCHING 2\r\nWATCHING 1\r\n',
      client.put('x'),
      client.watch('a'),
      client.ignore('a'),
    );
    expect(await giveBack()).to.equal('');
    expect(isKept()).to.equal(true);
  });

  it('goes back to the tubes a new connection has', async () => {
    const calls = [client.use('mail'), client.watch('a'), client.watch('b'), client.ignore('default')];
    await answered('USING mail\r\nWATCHING 2\r\nWATCHING 3\r\nWATCHING 2\r\n', ...calls);
    expect(await giveBack()).to.equal('use default\r\nwatch default\r\nignore a\r\nignore b\r\n');
    expect(isKept()).to.equal(true);
    client = await pool.acquire();
    expect(await giveBack()).to.equal('');
  });

  it('is lent again only when the server has confirmed that', async () => {
    await answered('WATCHING 2\r\n', client.watch('a'));
    const released = pool.release(client);
    let lent = false;
    const next = pool.acquire().then((other) => {
      lent = true;
      return other;
    });
    expect(await sentNext(socket)).to.equal('ignore a\r\n');
    await nextTurn();
    expect(lent).to.equal(false);
    socket.reply('WATCHING 1\r\n');
    await Promise.all([released, next]);
    expect(network.sockets).to.have.length(1);
  });

  it('goes back also from what it has called and not waited for', async () => {
    const calls = [client.watch('a'), client.ignore('default')];
    const released = pool.release(client);
    expect(await sentNext(socket)).to.equal('watch a\r\nignore default\r\nuse default\r\n');
    socket.reply('WATCHING 2\r\nWATCHING 1\r\nUSING default\r\n');
    await nextTurn();
    expect(await sentNext(socket)).to.equal('');
    expect(socket.sent).to.match(/use default\r\nwatch default\r\nignore a\r\n$/);
    socket.reply('WATCHING 2\r\nWATCHING 1\r\n');
    await Promise.all([...calls, released]);
    expect(isKept()).to.equal(true);
  });

  it('need not go back from the tube of client.tube: the next borrower sends its own use', async () => {
    await answered('USING mail\r\nINSERTED 1\r\n', client.tube('mail').put('x'));
    expect(await giveBack()).to.equal('');
    client = await pool.acquire();
    expect(await sentNext(socket, () => void client.put('y').catch(() => {}))).to.equal(
      'use default\r\nput 1024 0 60 1\r\ny\r\n',
    );
  });

  it('is closed where the server does not let it go back', async () => {
    await answered('USING mail\r\n', client.use('mail'));
    const released = pool.release(client);
    socket.reply('OUT_OF_MEMORY\r\n');
    await released;
    expect(socket.destroyed).to.equal(true);
    expect(pool.size).to.equal(0);
  });

  it('is closed while it holds jobs, which are free at once', async () => {
    const reserved = client.reserve();
    await answered('RESERVED 7 1\r\nx\r\n', reserved);
    await pool.release(client);
    expect(socket.destroyed).to.equal(true);
    await rejection((await reserved)?.delete() ?? expect.fail('no job'), Error);
    expect(pool.size).to.equal(0);
  });

  it('is kept when it has given its jobs up, also where that is not answered yet', async () => {
    const reserved = client.reserve();
    await answered('RESERVED 7 1\r\nx\r\n', reserved);
    const deleted = (await reserved)?.delete();
    const released = pool.release(client);
    expect(await sentNext(socket)).to.equal('delete 7\r\nuse default\r\n');
    socket.reply('DELETED\r\nUSING default\r\n');
    await Promise.all([deleted, released]);
    expect(isKept()).to.equal(true);
  });

  it('is closed where a job was still to come', async () => {
    const reserved = client.reserveJob(7);
    const released = pool.release(client);
    socket.reply('RESERVED 7 1\r\nx\r\nUSING default\r\n');
    await Promise.all([reserved, released]);
    expect(socket.destroyed).to.equal(true);
  });

  it('is closed while a reserve waits, which is lost', async () => {
    const reserved = rejection(client.reserve(), Error);
    await nextTurn();
    await pool.release(client);
    expect(await reserved).to.include({ code: 'CLOSED' });
    expect(socket.destroyed).to.equal(true);
    expect(socket.sent).to.equal('reserve-with-timeout 30\r\n');
  });

  it('is closed after a cancelled reserve, and opens nothing for that', async () => {
    const cancelling = new AbortController();
    const reserved = rejection(client.reserve({ signal: cancelling.signal }), Error);
    await nextTurn();
    cancelling.abort();
    await reserved;
    await pool.release(client);
    expect(network.sockets).to.have.length(1);
    expect(socket.destroyed).to.equal(true);
    expect(pool.size).to.equal(0);
  });

  it('is closed after the connection was lost', async () => {
    const lost = rejection(client.put('x'), ConnectionLostError);
    await nextTurn();
    await socket.fail(new Error('ECONNRESET'));
    await lost;
    await pool.release(client);
    expect(pool.size).to.equal(0);
    client = await pool.acquire();
    expect(network.sockets).to.have.length(2);
  });

  it('is closed where the connection is lost as it goes back, without an error for its borrower', async () => {
    await answered('USING mail\r\n', client.use('mail'));
    const released = pool.release(client);
    await nextTurn();
    await socket.fail(new Error('ECONNRESET'));
    await released;
    expect(pool.size).to.equal(0);
  });
});
