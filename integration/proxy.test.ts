import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { TcpProxy } from './support/proxy.js';
import { until } from './support/until.js';

/** One side of a connection, and what came to it. */
class Side {
  readonly socket: Socket;
  readonly chunks: string[] = [];
  /** `end` for FIN, the code of an error for anything else. */
  ending: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true).on('data', (chunk) => this.chunks.push(chunk.toString('latin1')));
    socket.on('end', () => this.#ends('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#ends(error.code ?? error.message));
  }

  get text(): string {
    return this.chunks.join('');
  }

  receives(text: string): Promise<void> {
    return until(`${text} has come`, async () => this.text === text);
  }

  async ends(): Promise<string | undefined> {
    await until('the connection has ended', async () => this.ending !== undefined);
    return this.ending;
  }

  #ends(how: string): void {
    this.ending ??= how;
  }
}

describe('the proxy of these tests', () => {
  let target: Server;
  let proxy: TcpProxy;
  const sides: Side[] = [];

  beforeEach(async () => {
    target = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(target, 'listening');
    proxy = await TcpProxy.start({ host: '127.0.0.1', port: (target.address() as AddressInfo).port });
  });

  afterEach(async () => {
    for (const side of sides.splice(0)) side.socket.destroy();
    await proxy.close();
    target.close();
  });

  async function open(): Promise<{ client: Side; server: Side }> {
    const accepted = once(target, 'connection');
    const client = new Side(connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true }));
    const [socket] = (await accepted) as [Socket];
    const server = new Side(socket);
    sides.push(client, server);
    return { client, server };
  }

  it('passes bytes both ways and counts them, and the connections', async () => {
    const { client, server } = await open();
    client.socket.write('hello');
    await server.receives('hello');
    server.socket.write('welcome');
    await client.receives('welcome');
    await open();
    expect(proxy.bytes).to.deep.equal({ toServer: 5, toClient: 7 });
    expect([proxy.connections, proxy.open]).to.deep.equal([2, 2]);
  });

  it('passes the end of one side and goes on in the other direction', async () => {
    const { client, server } = await open();
    client.socket.end('bye');
    await server.receives('bye');
    expect(await server.ends()).to.equal('end');
    server.socket.end('farewell');
    await client.receives('farewell');
    expect(await client.ends()).to.equal('end');
    await until('the connection is gone', async () => proxy.open === 0);
  });

  it('passes a reset', async () => {
    const { client, server } = await open();
    server.socket.resetAndDestroy();
    expect(await client.ends()).to.equal('ECONNRESET');
  });

  it('resets both sides behind a chosen byte, and only of the connection it is planned for', async () => {
    proxy.plan({ direction: 'toServer', at: 3, effect: 'reset' });
    const { client, server } = await open();
    client.socket.write('abcdef');
    expect(await client.ends()).to.equal('ECONNRESET');
    await server.ends();
    expect('abc').to.contain(server.text);
    expect([proxy.bytes.toServer, proxy.faults]).to.deep.equal([3, 1]);
    const next = await open();
    next.client.socket.write('abcdef');
    await next.server.receives('abcdef');
  });

  it('closes both sides behind a chosen byte', async () => {
    proxy.plan({ direction: 'toClient', at: 2, effect: 'close' });
    const { client, server } = await open();
    client.socket.write('ask');
    await server.receives('ask');
    server.socket.write('answer');
    await client.receives('an');
    expect([await client.ends(), await server.ends()]).to.deep.equal(['end', 'end']);
  });

  it('strikes before the first byte passes where that is chosen, and not before it comes', async () => {
    proxy.plan({ direction: 'toServer', at: 0, effect: 'close' });
    const { client, server } = await open();
    await sleep(20);
    expect(client.ending).to.equal(undefined);
    client.socket.write('a');
    expect([await client.ends(), await server.ends(), server.text]).to.deep.equal(['end', 'end', '']);
  });

  it('half-closes behind a chosen byte: the other direction goes on', async () => {
    proxy.plan({ direction: 'toServer', at: 1, effect: 'half-close' });
    const { client, server } = await open();
    client.socket.write('abc');
    await server.receives('a');
    expect(await server.ends()).to.equal('end');
    server.socket.write('still here');
    await client.receives('still here');
    expect(client.ending).to.equal(undefined);
  });

  it('stalls behind a chosen byte in that direction alone, until it resumes', async () => {
    proxy.plan({ direction: 'toServer', at: 2, effect: 'stall' });
    const { client, server } = await open();
    client.socket.write('abc');
    server.socket.write('back');
    await Promise.all([server.receives('ab'), client.receives('back')]);
    await sleep(20);
    expect(server.text).to.equal('ab');
    proxy.resume();
    await server.receives('abc');
  });

  it('delays', async () => {
    proxy.flow = { toServer: { delayMs: 50 }, toClient: {} };
    const { client, server } = await open();
    const start = performance.now();
    client.socket.write('late');
    await server.receives('late');
    expect(performance.now() - start).to.be.at.least(49);
  });

  it('fragments: every byte is a packet of its own', async () => {
    proxy.flow = { toServer: {}, toClient: { pieceBytes: 1 } };
    const { client, server } = await open();
    server.socket.write('fragments');
    await client.receives('fragments');
    expect(client.chunks.length).to.be.greaterThan(4);
  });

  it('coalesces: what comes within a while goes on as one', async () => {
    proxy.flow = { toServer: { coalesceMs: 500 }, toClient: {} };
    const { client, server } = await open();
    for (const text of ['a', 'b', 'c']) {
      client.socket.write(text);
      await sleep(5);
    }
    await server.receives('abc');
    expect(server.chunks).to.deep.equal(['abc']);
  });

  it('resets every connection and refuses new ones when told so', async () => {
    const { client } = await open();
    proxy.refuse();
    proxy.reset();
    expect(await client.ends()).to.equal('ECONNRESET');
    const refused = new Side(connect(proxy.port, '127.0.0.1'));
    expect(await refused.ends()).to.equal('ECONNRESET');
    proxy.accept();
    await open();
  });

  it('loses nothing of much, and makes a sender wait whose receiver does not read', async () => {
    const { client, server } = await open();
    server.socket.pause();
    const much = 'x'.repeat(32 * 1024 * 1024);
    client.socket.write(much);
    await sleep(100);
    expect(proxy.bytes.toServer).to.be.below(much.length);
    server.socket.resume();
    await until('all has come', async () => proxy.bytes.toServer === much.length);
    await until('all is read', async () => server.text.length === much.length);
  });
});
