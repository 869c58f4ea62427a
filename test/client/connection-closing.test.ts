import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ClosedError, ConnectionLostError } from '../../src/client/errors.js';
import { ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake, delivered } from '../support/fake-socket.js';
import { useScriptedServer } from '../support/scripted-server.js';

describe('quit', () => {
  const server = useScriptedServer();

  it('lets what is pending be answered first, then sends quit and FIN', async () => {
    const { client, peer } = await server.connect();
    const put = client.put('x');
    const used = client.use('a');
    const quit = client.quit();
    await peer.takes('put 1024 0 60 1\r\nx\r\nuse a\r\n');
    peer.sends('INSERTED 1\r\nUSING a\r\n');
    expect(await Promise.all([put, used])).to.deep.equal(['1', 'a']);
    await peer.takes('quit\r\n');
    await peer.takesEnd();
    peer.ends();
    await quit;
  });

  it('sends neither quit nor FIN before the last answer', async () => {
    const { client, socket } = await connectFake();
    const calls = [client.put('x'), client.use('a')];
    const quit = client.quit();
    await nextTurn();
    socket.reply('INSERTED 1\r\n');
    await calls[0];
    await nextTurn();
    expect(socket.sent).to.equal('put 1024 0 60 1\r\nx\r\nuse a\r\n');
    expect(socket.writableEnded).to.equal(false);
    const finished = once(socket, 'finish');
    socket.reply('USING a\r\n');
    await finished;
    expect(socket.sent).to.match(/quit\r\n$/);
    socket.hangUp();
    await quit;
  });

  it('sends quit and FIN at once where nothing is pending', async () => {
    const { client, peer } = await server.connect();
    const quit = client.quit();
    await peer.takes('quit\r\n');
    await peer.takesEnd();
    peer.ends();
    await quit;
  });

  it('ends a waiting reserve by FIN, and lets all be answered', async () => {
    const { client, peer } = await server.connect();
    const [used, reserved, watched] = [client.use('a'), client.reserve(), client.watch('b')];
    await peer.takes('use a\r\nreserve\r\nwatch b\r\n');
    const quit = client.quit();
    await peer.takesEnd();
    peer.sends('USING a\r\nTIMED_OUT\r\nWATCHING 2\r\n');
    peer.ends();
    expect(await used).to.equal('a');
    expect(await reserved).to.equal(null);
    expect(await watched).to.equal(2);
    await quit;
  });

  it('does not count a reserve that was answered as waiting', async () => {
    const { client, socket } = await connectFake();
    for (const call of [client.reserve(), client.reserve({ timeout: 0 })]) {
      socket.reply('TIMED_OUT\r\n');
      await call;
    }
    const used = client.use('a');
    await nextTurn();
    void client.quit();
    await nextTurn();
    expect(socket.writableEnded).to.equal(false);
    const finished = once(socket, 'finish');
    socket.reply('USING a\r\n');
    await Promise.all([used, finished]);
    expect(socket.sent).to.match(/use a\r\nquit\r\n$/);
    client.destroy();
  });

  it('sends what backpressure holds back before it ends', async () => {
    const { client, socket } = await connectFake();
    socket.hold();
    const put = client.put(Buffer.alloc(20_000));
    await nextTurn();
    const reserved = client.reserve();
    const quit = client.quit();
    expect(socket.writableEnded).to.equal(false);
    const finished = once(socket, 'finish');
    socket.release();
    await finished;
    expect(socket.sent).to.match(/\r\nreserve\r\n$/);
    socket.reply('INSERTED 1\r\nTIMED_OUT\r\n');
    socket.hangUp();
    expect(await Promise.all([put, reserved])).to.deep.equal(['1', null]);
    await quit;
  });

  it('refuses later calls with CLOSED, before and after the end', async () => {
    const { client, socket } = await connectFake();
    const used = client.use('a');
    const quit = client.quit();
    expect(client.isOpen).to.equal(false);
    const error = await rejection(client.delete(7), ClosedError);
    expect(error).to.include({ command: 'delete', jobId: '7', code: 'CLOSED' });
    expect(error.message).to.equal('cannot delete 7: the client was closed by quit()');
    socket.reply('USING a\r\n');
    await used;
    socket.hangUp();
    await quit;
    await rejection(client.put('x'), ClosedError);
    expect(socket.sent).to.equal('use a\r\nquit\r\n');
  });

  it('may be called again, and resolves when the connection is closed', async () => {
    const { client, socket } = await connectFake();
    const quits = [client.quit(), client.quit()];
    let closed = false;
    socket.once('close', () => {
      closed = true;
    });
    socket.hangUp();
    await Promise.all(quits);
    expect(closed).to.equal(true);
    await client.quit();
    expect(socket.sent).to.equal('quit\r\n');
  });

  it('rejects with CONNECTION_LOST what the server leaves unanswered', async () => {
    const { client, peer } = await server.connect();
    const lost = rejection(client.use('a'), ConnectionLostError);
    const quit = client.quit();
    await peer.takes('use a\r\n');
    peer.ends();
    expect((await lost).sent).to.equal(true);
    await quit;
    await rejection(client.use('a'), ClosedError);
  });

  it('resolves also where the server breaks the protocol meanwhile', async () => {
    const { client, socket } = await connectFake();
    const faulty = rejection(client.use('a'), ProtocolError);
    const quit = client.quit();
    socket.reply('HELLO\r\n');
    await faulty;
    await quit;
    expect(socket.sent).to.equal('use a\r\n');
  });
});

describe('destroy', () => {
  const server = useScriptedServer();

  it('closes at once and rejects what is pending with CLOSED', async () => {
    const { client, peer } = await server.connect();
    const pending = [client.reserve(), client.delete(7)].map((call) => rejection(call, ClosedError));
    await peer.takes('reserve\r\ndelete 7\r\n');
    client.destroy();
    expect(client.isOpen).to.equal(false);
    const [reserve, deleted] = await Promise.all(pending);
    expect(reserve?.message).to.equal('cannot reserve: the client was closed by destroy()');
    expect(deleted).to.include({ command: 'delete', jobId: '7', code: 'CLOSED' });
    await peer.takesEnd();
  });

  it('sends nothing more, not even what was called before in the tick', async () => {
    const { client, socket } = await connectFake();
    const pending = rejection(client.put('x'), ClosedError);
    client.destroy();
    await pending;
    await rejection(client.put('y'), ClosedError);
    await nextTurn();
    expect(socket.sent).to.equal('');
    expect(socket.destroyed).to.equal(true);
  });

  it('cuts a quit short, which then resolves', async () => {
    const { client } = await connectFake();
    const pending = rejection(client.use('a'), ClosedError);
    const quit = client.quit();
    client.destroy();
    expect((await pending).message).to.equal('cannot use: the client was closed by destroy()');
    await quit;
  });

  it('may be called again, and after it quit resolves', async () => {
    const { client, socket } = await connectFake();
    client.destroy();
    client.destroy();
    await client.quit();
    const later = await rejection(client.use('a'), ClosedError);
    expect(later.message).to.equal('cannot use: the client was closed by destroy()');
    expect(socket.sent).to.equal('');
  });

  it('rejects the methods of a job that was reserved', async () => {
    const { client, socket } = await connectFake();
    const job = await delivered(client.reserve(), socket, '1');
    client.destroy();
    for (const call of [job.delete(), job.release(), job.bury(), job.touch(), job.stats()]) {
      expect((await rejection(call, ClosedError)).jobId).to.equal('1');
    }
  });

  it('may be called by whoever an answer wakes', async () => {
    const { client, socket } = await connectFake();
    const destroyed = client.use('a').then((): Client => {
      client.destroy();
      return client;
    });
    const other = rejection(client.watch('b'), ClosedError);
    socket.reply('USING a\r\n');
    expect((await destroyed).isOpen).to.equal(false);
    await other;
  });
});
