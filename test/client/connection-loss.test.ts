import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import { Client } from '../../src/client/client.js';
import { ConnectionLostError, ConnectTimeoutError } from '../../src/client/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake, FakeSocket } from '../support/fake-socket.js';
import { type Peer, useScriptedServer } from '../support/scripted-server.js';

describe('Connection, when it is lost,', () => {
  const server = useScriptedServer();

  for (const [what, lose, message] of [
    ['ends', (peer: Peer) => peer.ends(), 'the server closed the connection'],
    ['resets it', (peer: Peer) => peer.resets(), 'read ECONNRESET'],
  ] as const) {
    it(`rejects each pending call with CONNECTION_LOST where the server ${what}`, async () => {
      const { client, peer } = await server.connect();
      const calls = ['reserve', 'use', 'release'];
      const lost = [client.reserve(), client.use('a'), client.release(7)].map((call) =>
        rejection(call, ConnectionLostError),
      );
      await peer.takes('reserve\r\nuse a\r\nrelease 7 1024 0\r\n');
      lose(peer);
      const errors = await Promise.all(lost);
      expect(errors.map((error) => error.command)).to.deep.equal(calls);
      expect(errors[2]).to.include({ jobId: '7', sent: true, code: 'CONNECTION_LOST' });
      for (const error of errors) expect(error.sent).to.equal(true);
      expect(errors[0]?.message).to.equal(`cannot reserve: ${message} (beanstalkd://127.0.0.1:${server.port})`);
      expect(client.isOpen).to.equal(false);
    });
  }

  it('carries the error of the socket as cause', async () => {
    const { client, peer } = await server.connect();
    const lost = rejection(client.use('a'), ConnectionLostError);
    await peer.takes('use a\r\n');
    peer.resets();
    expect((await lost).cause).to.have.property('code', 'ECONNRESET');
  });

  it('settles what was answered before, also in the last chunk', async () => {
    const { client, peer } = await server.connect();
    const [used, lost] = [client.use('a'), rejection(client.reserve(), ConnectionLostError)];
    await peer.takes('use a\r\nreserve\r\n');
    peer.sends('USING a\r\nRESERVED 1 100\r\nonly the beginning');
    peer.ends();
    expect(await used).to.equal('a');
    expect((await lost).sent).to.equal(true);
  });

  it('refuses later calls with CONNECTION_LOST, unsent, for the same cause', async () => {
    const { client, socket } = await connectFake();
    const cause = new Error('EPIPE');
    await socket.fail(cause);
    const later = await rejection(client.delete(7), ConnectionLostError);
    expect(later).to.include({ sent: false, cause, command: 'delete', jobId: '7' });
    expect(later.message).to.equal('cannot delete 7: EPIPE (beanstalkd://127.0.0.1:11300)');
  });

  it('tells sent from unsent where backpressure held commands back', async () => {
    const { client, socket } = await connectFake();
    socket.hold();
    const written = [client.use('a'), client.put(Buffer.alloc(20_000)), client.reserve()];
    const sent = written.map((call) => rejection(call, ConnectionLostError));
    await nextTurn();
    const unsent = [client.put('x'), client.use('b')].map((call) => rejection(call, ConnectionLostError));
    await nextTurn();
    socket.destroy(new Error('ECONNRESET'));
    expect((await Promise.all(sent)).map((error) => error.sent)).to.deep.equal([true, true, true]);
    expect((await Promise.all(unsent)).map((error) => error.sent)).to.deep.equal([false, false]);
  });

  it('tells sent from unsent also after some were answered', async () => {
    const { client, socket } = await connectFake();
    const answered = [client.use('a'), client.use('b'), client.use('c')];
    const sent = rejection(client.use('d'), ConnectionLostError);
    socket.reply('USING a\r\nUSING b\r\nUSING c\r\n');
    await Promise.all(answered);
    socket.hold();
    const large = rejection(client.put(Buffer.alloc(20_000)), ConnectionLostError);
    await nextTurn();
    const unsent = rejection(client.use('e'), ConnectionLostError);
    socket.destroy(new Error('ECONNRESET'));
    expect([await sent, await large, await unsent].map((error) => error.sent)).to.deep.equal([true, true, false]);
  });

  it('calls unsent what was called in the tick of the loss', async () => {
    const { client, socket } = await connectFake();
    const unsent = rejection(client.put('x'), ConnectionLostError);
    socket.destroy(new Error('ECONNRESET'));
    expect((await unsent).sent).to.equal(false);
    expect(socket.sent).to.equal('');
  });

  it('tells so where the socket closes without a word', async () => {
    const { client, socket } = await connectFake();
    const lost = rejection(client.use('a'), ConnectionLostError);
    socket.destroy();
    expect((await lost).message).to.match(/^cannot use: the connection closed /);
  });

  it('raises nothing where nobody waits, and quit and destroy find it closed', async () => {
    const { client, socket } = await connectFake();
    await socket.fail(new Error('ECONNRESET'));
    expect(client.isOpen).to.equal(false);
    await client.quit();
    client.destroy();
    // Further errors still have a listener. Without one this would throw.
    socket.emit('error', new Error('late'));
  });
});

describe('Connecting', () => {
  afterEach(() => sinon.restore());

  it('rejects with CONNECTION_LOST, unsent, where nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const error = await rejection(Client.connect({ port }), ConnectionLostError);
    expect(error.sent).to.equal(false);
    expect(error.cause).to.have.property('code', 'ECONNREFUSED');
    expect(error.message).to.equal(
      `cannot connect to beanstalkd://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  it('tells of each address that was tried', async () => {
    const socket = new FakeSocket();
    const error = rejection(Client.connect({ openSocket: () => socket.asSocket }), ConnectionLostError);
    socket.destroy(new AggregateError([new Error('no ::1'), new Error('no 127.0.0.1')]));
    expect((await error).message).to.match(/: no ::1, no 127\.0\.0\.1$/);
  });

  it('rejects with CONNECT_TIMEOUT after 5 s, and gives the socket up', async () => {
    const clock = sinon.useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setTimeout', 'clearTimeout'] });
    const socket = new FakeSocket();
    const error = rejection(Client.connect({ openSocket: () => socket.asSocket }), ConnectTimeoutError);
    clock.tick(4999);
    expect(socket.destroyed).to.equal(false);
    clock.tick(1);
    await nextTurn();
    expect(socket.destroyed).to.equal(true);
    expect(await error).to.include({
      code: 'CONNECT_TIMEOUT',
      message: 'cannot connect to beanstalkd://127.0.0.1:11300: there is no connection within 5000 ms',
    });
    expect(clock.countTimers()).to.equal(0);
  });

  it('rejects with CONNECT_TIMEOUT after connectTimeoutMs', async () => {
    const clock = sinon.useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setTimeout', 'clearTimeout'] });
    const socket = new FakeSocket();
    const connecting = Client.connect('[::1]:5', { connectTimeoutMs: 20, openSocket: () => socket.asSocket });
    const error = rejection(connecting, ConnectTimeoutError);
    clock.tick(20);
    expect((await error).message).to.equal(
      'cannot connect to beanstalkd://[::1]:5: there is no connection within 20 ms',
    );
  });

  it('lets no error escape that a socket reports once it was given up', async () => {
    const clock = sinon.useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setTimeout', 'clearTimeout'] });
    const socket = new FakeSocket();
    const error = rejection(Client.connect({ openSocket: () => socket.asSocket }), ConnectTimeoutError);
    clock.tick(5000);
    await nextTurn();
    socket.emit('error', new Error('late'));
    socket.emit('error', new Error('later'));
    await error;
  });

  it('leaves no timer behind, whether it succeeds or fails', async () => {
    const clock = sinon.useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setTimeout', 'clearTimeout'] });
    await connectFake();
    expect(clock.countTimers()).to.equal(0);
    const socket = new FakeSocket();
    const error = rejection(Client.connect({ openSocket: () => socket.asSocket }), ConnectionLostError);
    expect(clock.countTimers()).to.equal(1);
    socket.destroy(new Error('ECONNREFUSED'));
    await error;
    expect(clock.countTimers()).to.equal(0);
  });
});
