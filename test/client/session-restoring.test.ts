import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import { ConnectionLostError } from '../../src/client/errors.js';
import { rejection } from '../support/failures.js';
import { answersTo, eventsOf, FakeNetwork, sentNext } from '../support/fake-network.js';
import { delivered, type FakeSocket } from '../support/fake-socket.js';
import { ok } from '../support/replies.js';

const LOST = new Error('ECONNRESET');

describe('A client whose connection is lost', () => {
  let network: FakeNetwork;
  let client: Client;
  let socket: FakeSocket;

  beforeEach(async () => {
    network = new FakeNetwork();
    ({ client, socket } = await network.connect());
  });

  afterEach(() => {
    client.destroy();
    sinon.restore();
  });

  /** Lets the server confirm what `calls` send. */
  async function confirmed(...calls: Promise<unknown>[]): Promise<void> {
    await nextTurn();
    socket.reply(answersTo(socket.sent));
    await Promise.all(calls);
  }

  it('watches, ignores and uses what it did, in one write, before any command that waits', async () => {
    await confirmed(
      client.watch('a'),
      client.watch('b'),
      client.watch('c'),
      client.ignore('default'),
      client.ignore('b'),
      client.use('mail'),
    );
    await socket.fail(LOST);
    const put = client.put('x');
    const reserved = client.reserve();
    socket = await network.accept();
    await nextTurn();
    const restoring = 'watch a\r\nwatch c\r\nignore default\r\nuse mail\r\n';
    expect(socket.sent).to.equal(restoring);
    expect(socket.writes).to.have.length(1);
    socket.reply('WATCHING 2\r\nWATCHING 3\r\nWATCHING 2\r\n');
    await nextTurn();
    expect(await sentNext(socket)).to.equal('');
    socket.reply('USING mail\r\n');
    await nextTurn();
    expect(await sentNext(socket)).to.equal('');
    expect(socket.sent).to.equal(`${restoring}put 1024 0 60 1\r\nx\r\nreserve\r\n`);
    expect(socket.writes).to.have.length(2);
    socket.reply('INSERTED 5\r\nRESERVED 6 1\r\ny\r\n');
    expect(await put).to.equal('5');
    expect((await reserved)?.id).to.equal('6');
  });

  it('asks for an answer even where there is nothing to restore: a connection alone proves nothing', async () => {
    await socket.fail(LOST);
    socket = await network.restore('use default\r\n');
    const used = client.listTubeUsed();
    expect(await sentNext(socket)).to.equal('list-tube-used\r\n');
    socket.reply('USING default\r\n');
    expect(await used).to.equal('default');
  });

  it('restores only what the server had confirmed', async () => {
    await confirmed(client.use('old'), client.watch('kept'));
    const calls = [client.use('new'), client.watch('unconfirmed'), client.ignore('kept')];
    const lost = calls.map((call) => rejection(call, ConnectionLostError));
    await nextTurn();
    await socket.fail(LOST);
    for (const error of await Promise.all(lost)) expect(error.sent).to.equal(true);
    socket = await network.restore('watch kept\r\nuse old\r\n');
    const put = client.put('x');
    expect(await sentNext(socket)).to.equal('put 1024 0 60 1\r\nx\r\n');
    socket.reply('INSERTED 1\r\n');
    await put;
  });

  it('restores anew from the beginning when the next connection is lost too', async () => {
    await confirmed(client.watch('a'), client.use('mail'));
    await socket.fail(LOST);
    for (let i = 0; i < 3; i++) {
      socket = await network.accept();
      await nextTurn();
      expect(socket.sent).to.equal('watch a\r\nuse mail\r\n');
      if (i < 2) await socket.fail(LOST);
    }
    socket.reply('WATCHING 2\r\nUSING mail\r\n');
    const put = client.put('x');
    await nextTurn();
    await nextTurn();
    expect(socket.sent).to.match(/put 1024 0 60 1\r\nx\r\n$/);
    socket.reply('INSERTED 1\r\n');
    await put;
  });

  it('repeats nothing that was sent, and sends nothing for the jobs of the lost connection', async () => {
    const job = await delivered(client.reserve(), socket, '7');
    const put = rejection(client.put('x'), ConnectionLostError);
    await nextTurn();
    await socket.fail(LOST);
    expect(await put).to.include({ sent: true, cause: LOST });
    socket = await network.restore();
    for (const call of [job.delete(), job.release(), job.bury(), job.touch(), job.stats()]) {
      const error = await rejection(call, ConnectionLostError);
      expect(error).to.include({ sent: false, jobId: '7', cause: LOST });
    }
    expect(await sentNext(socket)).to.equal('');
  });

  it('has no use for an answer that comes with the next connection but breaks the protocol', async () => {
    const events = eventsOf(client);
    sinon.stub(Math, 'random').returns(0);
    await socket.fail(LOST);
    socket = await network.accept();
    socket.reply('USING default\r\nHELLO\r\n');
    socket = await network.restore();
    const used = client.listTubeUsed();
    socket.reply('USING default\r\n');
    expect(await used).to.equal('default');
    expect(events).to.deep.equal([
      'disconnect ECONNRESET (beanstalkd://127.0.0.1:11300)',
      'reconnecting 1, 0 ms',
      'reconnecting 2, 0 ms',
      'connect',
    ]);
  });

  it('forgets what it knew of max-job-size: another server may have another', async () => {
    const stats = client.stats();
    socket.reply(ok('max-job-size: 10\n'));
    await stats;
    await rejection(client.put('x'.repeat(11)), Error);
    await socket.fail(LOST);
    socket = await network.restore();
    const put = client.put('x'.repeat(11));
    expect(await sentNext(socket)).to.equal(`put 1024 0 60 11\r\n${'x'.repeat(11)}\r\n`);
    socket.reply('INSERTED 1\r\n');
    await put;
  });

  it('uses the tube that a listener of the loss asks for, though an earlier use of it was lost', async () => {
    const lost = rejection(client.use('mail'), ConnectionLostError);
    let again: Promise<string> | undefined;
    client.once('disconnect', () => {
      again = client.use('mail');
    });
    await nextTurn();
    await socket.fail(LOST);
    await lost;
    socket = await network.restore();
    expect(await sentNext(socket)).to.equal('');
    expect(socket.sent).to.match(/use mail\r\n$/);
    socket.reply('USING mail\r\n');
    expect(await again).to.equal('mail');
    void client.put('x').catch(() => {});
    expect(await sentNext(socket)).to.equal('put 1024 0 60 1\r\nx\r\n');
  });

  it('sends what waited each with the tube it was called for', async () => {
    await confirmed(client.use('mail'));
    await socket.fail(LOST);
    const calls = [client.put('1'), client.use('other'), client.put('2'), client.tube('third').kick(1), client.kick(2)];
    socket = await network.restore('use mail\r\n');
    await nextTurn();
    expect(socket.sent).to.equal(
      'use mail\r\nput 1024 0 60 1\r\n1\r\nuse other\r\nput 1024 0 60 1\r\n2\r\nuse third\r\nkick 1\r\nuse other\r\nkick 2\r\n',
    );
    expect(socket.writes).to.have.length(2);
    socket.reply('INSERTED 1\r\nUSING other\r\nINSERTED 2\r\nUSING third\r\nKICKED 1\r\nUSING other\r\nKICKED 2\r\n');
    expect(await Promise.all(calls)).to.deep.equal(['1', 'other', '2', 1, 2]);
  });

  it('refuses what would be too much to wait, and sends the rest as it was when it was called', async () => {
    client.destroy();
    ({ client, socket } = await network.connect({ maxWaitingCommands: 2, maxWaitingBytes: 100 }));
    await socket.fail(LOST);
    const body = Buffer.from('before');
    const put = client.put(body);
    body.fill('x');
    const large = await rejection(client.put('y'.repeat(100)), ConnectionLostError);
    expect(large.sent).to.equal(false);
    expect(large.message).to.match(/^cannot put: more than 100 bytes would wait for the connection: ./);
    const watched = client.watch('a');
    const many = await rejection(client.kick(1), ConnectionLostError);
    expect(many.sent).to.equal(false);
    expect(many.message).to.match(/^cannot kick: 2 commands wait for the connection already: ./);
    socket = await network.restore();
    expect(socket.sent).to.equal('use default\r\nput 1024 0 60 6\r\nbefore\r\nwatch a\r\n');
    socket.reply('INSERTED 1\r\nWATCHING 2\r\n');
    expect(await Promise.all([put, watched])).to.deep.equal(['1', 2]);
  });
});
