import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ConnectionLostError, ReplyTimeoutError } from '../../src/client/errors.js';
import { NotFoundError } from '../../src/protocol/errors.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { connectFake, type FakeSocket } from '../support/fake-socket.js';
import { ok } from '../support/replies.js';

describe('A server that does not answer', () => {
  let client: Client;
  let socket: FakeSocket;

  // Runs before the clock is restored.
  afterEach(() => client.destroy());

  const clock = useFakeClock();

  async function connect(replyTimeoutMs?: number): Promise<void> {
    ({ client, socket } = await connectFake({ replyTimeoutMs }));
  }

  /** Lets the replies arrive. */
  async function arrived(): Promise<void> {
    await nextTurn();
    await nextTurn();
  }

  it('is lost after 30 s: REPLY_TIMEOUT for the oldest command, CONNECTION_LOST for those behind it', async () => {
    await connect();
    const oldest = rejection(client.delete(7), ReplyTimeoutError);
    const behind = rejection(client.put('x'), ConnectionLostError);
    await nextTurn();
    await clock.tickAsync(29_999);
    expect(socket.destroyed).to.equal(false);
    await clock.tickAsync(1);
    expect(socket.destroyed).to.equal(true);
    const error = await oldest;
    expect(error).to.include({ code: 'REPLY_TIMEOUT', command: 'delete', jobId: '7' });
    expect(error.message).to.equal('cannot delete 7: no reply from beanstalkd://127.0.0.1:11300 within 30000 ms');
    expect(await behind).to.include({ sent: true, cause: error });
    expect((await behind).message).to.match(/^cannot put: the server does not answer \(/);
    expect(clock.pending).to.equal(0);
  });

  it('is lost after replyTimeoutMs, counted from when the command was called', async () => {
    await connect(1000);
    await clock.tickAsync(5000);
    const lost = rejection(client.use('a'), ReplyTimeoutError);
    await clock.tickAsync(999);
    expect(socket.destroyed).to.equal(false);
    await clock.tickAsync(1);
    expect((await lost).message).to.match(/within 1000 ms$/);
  });

  it('is not lost while it does answer, however many commands wait', async () => {
    await connect(1000);
    const calls = Array.from({ length: 10 }, (_, i) => client.use(`t${i}`));
    for (let i = 0; i < 10; i++) {
      await clock.tickAsync(900);
      socket.reply(`USING t${i}\r\n`);
      await arrived();
    }
    expect(await Promise.all(calls)).to.have.length(10);
    await clock.tickAsync(60_000);
    expect(client.isOpen).to.equal(true);
    expect(clock.pending).to.equal(0);
  });

  it('is not lost while a large reply is still coming', async () => {
    await connect(1000);
    const reserved = client.peek(1);
    socket.reply(`FOUND 1 ${20 * 1024}\r\n`);
    await arrived();
    for (let i = 0; i < 20; i++) {
      await clock.tickAsync(900);
      socket.reply('x'.repeat(1024));
      await arrived();
    }
    socket.reply('\r\n');
    expect((await reserved)?.text()).to.equal('x'.repeat(20 * 1024));
  });

  for (const [what, reply, asks] of [
    ['the line of a reply', `USING ${'t'.repeat(50)}\r\n`, (c: Client) => c.use('t')],
    ['the data of a reply', `${'x'.repeat(1100)}\r\n`, (c: Client) => c.peek(1)],
    ['the reply to a reserve that may wait for ever', 'RESERVED 1234567890 1\r\nx\r\n', (c: Client) => c.reserve()],
    ['a body that is skipped', `${'x'.repeat(1100)}\r\n`, (c: Client) => c.peek(1)],
  ] as const) {
    it(`is lost where ${what} comes too slowly, a byte now and then`, async () => {
      ({ client, socket } = await connectFake({
        replyTimeoutMs: 1000,
        maxBodyBytes: what === 'a body that is skipped' ? 10 : undefined,
      }));
      const lost = rejection(asks(client) as Promise<unknown>, ReplyTimeoutError);
      await clock.tickAsync(500);
      if (reply.startsWith('x')) socket.reply('FOUND 1 1100\r\n');
      await arrived();
      let ticks = 0;
      for (; !socket.destroyed && ticks < reply.length; ticks++) {
        socket.reply(reply.charAt(ticks));
        await arrived();
        await clock.tickAsync(100);
      }
      expect(ticks).to.be.within(9, 11);
      await lost;
    });
  }

  it('is lost where it stops in a body of which much had come', async () => {
    await connect(1000);
    const lost = rejection(client.peek(1), ReplyTimeoutError);
    socket.reply(`FOUND 1 1000000\r\n${'x'.repeat(500_000)}`);
    await arrived();
    await clock.tickAsync(2000);
    expect((await lost).message).to.match(/^cannot peek 1: no whole reply from .* within 1000 ms/);
  });

  it('is lost where it stops in the middle of a reply', async () => {
    await connect(1000);
    const lost = rejection(client.peek(1), ReplyTimeoutError);
    socket.reply('FOUND 1 20\r\nxxx');
    await arrived();
    await clock.tickAsync(1000);
    await lost;
  });

  it('may take for a reserve its timeout on top', async () => {
    await connect(1000);
    const lost = rejection(client.reserve({ timeout: 60 }), ReplyTimeoutError);
    await clock.tickAsync(60_999);
    expect(socket.destroyed).to.equal(false);
    await clock.tickAsync(1);
    expect((await lost).message).to.equal(
      'cannot reserve-with-timeout: no reply from beanstalkd://127.0.0.1:11300 within 61000 ms',
    );
  });

  it('may take for ever for a reserve without a timeout', async () => {
    await connect(1000);
    const reserved = client.reserve();
    await clock.tickAsync(30 * 24 * 3600 * 1000);
    expect(clock.pending).to.equal(0);
    socket.reply('RESERVED 7 1\r\nx\r\n');
    expect((await reserved)?.id).to.equal('7');
  });

  it('has to answer within the time what comes behind a reserve, once that is answered', async () => {
    await connect(1000);
    const reserved = client.reserve();
    const lost = rejection(client.use('a'), ReplyTimeoutError);
    await clock.tickAsync(60_000);
    socket.reply('TIMED_OUT\r\n');
    expect(await reserved).to.equal(null);
    await clock.tickAsync(999);
    expect(socket.destroyed).to.equal(false);
    await clock.tickAsync(1);
    expect(await lost).to.include({ command: 'use' });
  });

  it('has to answer reserve-job as any other command', async () => {
    await connect(1000);
    const lost = rejection(client.reserveJob(7), ReplyTimeoutError);
    await clock.tickAsync(1000);
    await lost;
  });

  it('may take for ever for anything where replyTimeoutMs is 0', async () => {
    await connect(0);
    const calls = [client.use('a'), client.reserve({ timeout: 1 })];
    await clock.tickAsync(30 * 24 * 3600 * 1000);
    expect(clock.pending).to.equal(0);
    socket.reply('USING a\r\nTIMED_OUT\r\n');
    expect(await Promise.all(calls)).to.deep.equal(['a', null]);
  });

  it('has answered also where it refuses', async () => {
    await connect(1000);
    const deleted = rejection(client.delete(7), NotFoundError);
    await clock.tickAsync(999);
    socket.reply('NOT_FOUND\r\n');
    await deleted;
    await clock.tickAsync(60_000);
    expect(client.isOpen).to.equal(true);
  });

  it('is asked about a job that is held for long, and only while no reserve waits', async () => {
    await connect(1000);
    const reserved = client.reserve();
    socket.reply('RESERVED 7 1\r\nx\r\n');
    const job = await reserved;
    await clock.tickAsync(1000);
    await nextTurn();
    expect(socket.sent).to.equal('reserve\r\nstats-job 7\r\n');
    socket.reply(ok('id: 7\nstate: reserved\ntime-left: 10\n'));
    await arrived();
    const next = client.reserve();
    await clock.tickAsync(60_000);
    await nextTurn();
    expect(socket.sent).to.equal('reserve\r\nstats-job 7\r\nreserve\r\n');
    socket.reply('TIMED_OUT\r\n');
    expect(await next).to.equal(null);
    await clock.tickAsync(500);
    await nextTurn();
    expect(socket.sent).to.match(/reserve\r\nstats-job 7\r\n$/);
    const deleted = job?.delete();
    socket.reply('NOT_FOUND\r\nDELETED\r\n');
    await deleted;
    await clock.tickAsync(60_000);
    await nextTurn();
    expect(socket.sent).to.match(/stats-job 7\r\ndelete 7\r\n$/);
    expect(clock.pending).to.equal(0);
  });
});
