import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ConnectionLostError } from '../../src/client/errors.js';
import { BeanstalkdError, ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake } from '../support/fake-socket.js';
import { useScriptedServer } from '../support/scripted-server.js';

describe('Connection, when the server breaks the protocol,', () => {
  const server = useScriptedServer();

  it('gives the fault to the oldest call, CONNECTION_LOST to the others, and closes', async () => {
    const { client, peer } = await server.connect();
    const answered = client.use('a');
    const faulty = rejection(client.delete(7), ProtocolError);
    const others = [rejection(client.watch('b'), ConnectionLostError), rejection(client.peek(8), ConnectionLostError)];
    await peer.takes('use a\r\ndelete 7\r\nwatch b\r\npeek 8\r\n');
    peer.sends('USING a\r\nHELLO\xff\r\nWATCHING 2\r\n');

    expect(await answered).to.equal('a');
    const fault = await faulty;
    expect(fault.message).to.equal('cannot delete 7: the server sent an unknown reply: "HELLO\\xff"');
    expect(fault).to.include({ command: 'delete', jobId: '7' });
    expect(Buffer.from(fault.bytes).toString('latin1')).to.equal('HELLO\xff');
    const [watch, peek] = await Promise.all(others);
    expect(watch).to.include({ command: 'watch', sent: true, cause: fault.cause });
    expect(peek).to.include({ command: 'peek', jobId: '8', sent: true, cause: fault.cause });
    expect(watch?.message).to.match(
      /^cannot watch: the server broke the protocol \(beanstalkd:\/\/127\.0\.0\.1:\d+\)$/,
    );
    await peer.takesEnd();
    expect(client.isOpen).to.equal(false);
  });

  it('refuses every later call with CONNECTION_LOST, unsent, for the same cause', async () => {
    const { client, socket } = await connectFake();
    const faulty = rejection(client.use('a'), ProtocolError);
    socket.reply('\r\n');
    const fault = await faulty;
    const later = await rejection(client.put('x'), ConnectionLostError);
    expect(later).to.include({ sent: false, command: 'put', cause: fault.cause });
    await nextTurn();
    expect(socket.sent).to.equal('use a\r\n');
  });

  it('closes at a reply that nobody asked for', async () => {
    const { client, peer } = await server.connect();
    peer.sends('DELETED\r\n');
    await peer.takesEnd();
    const later = await rejection(client.use('a'), ConnectionLostError);
    expect(later.sent).to.equal(false);
    expect(later.cause).to.be.instanceOf(ProtocolError).with.property('message', 'the server sent DELETED unasked');
  });

  it('closes at a reply too many, after the ones that were asked for', async () => {
    const { client, peer } = await server.connect();
    const used = client.use('a');
    await peer.takes('use a\r\n');
    peer.sends('USING a\r\nUSING a\r\n');
    expect(await used).to.equal('a');
    await peer.takesEnd();
    expect(client.isOpen).to.equal(false);
  });

  it('closes at rubbish that nobody asked for', async () => {
    const { client, peer } = await server.connect();
    peer.sends('x'.repeat(300));
    await peer.takesEnd();
    const later = await rejection(client.use('a'), ConnectionLostError);
    expect((later.cause as ProtocolError).bytes).to.have.length(208);
  });

  it('names the command and the reply that does not fit it', async () => {
    const { client, socket } = await connectFake();
    const faulty = rejection(client.put('x'), ProtocolError);
    const other = rejection(client.use('a'), ConnectionLostError);
    socket.reply('DELETED\r\nUSING a\r\n');
    expect((await faulty).message).to.equal('cannot put: the server answered DELETED, which is no reply to put');
    expect((await other).cause).to.equal((await faulty).cause);
  });

  for (const [what, call] of [
    ['peek-ready', (c: Client) => c.peekReady()],
    ['peek-delayed', (c: Client) => c.peekDelayed()],
    ['peek-buried', (c: Client) => c.peekBuried()],
  ] as const) {
    it(`closes at a FOUND without CR LF for ${what}, which cannot meet a job being uploaded`, async () => {
      const { client, socket } = await connectFake();
      const peeked = rejection(call(client), ProtocolError);
      socket.reply('FOUND 3 5\r\nhe\0\0\0\0\0');
      expect((await peeked).message).to.match(/FOUND <id> <bytes> without CR LF behind its body$/);
      expect(socket.destroyed).to.equal(true);
    });
  }

  it('closes at a body without CR LF', async () => {
    const { client, socket } = await connectFake();
    const reserved = rejection(client.reserve(), ProtocolError);
    socket.reply('RESERVED 1 2\r\nhiDELETED\r\n');
    expect((await reserved).message).to.match(/^cannot reserve: the server sent a body without CR LF behind it: "D"$/);
    expect(socket.destroyed).to.equal(true);
  });

  for (const word of ['EXPECTED_CRLF', 'BAD_FORMAT', 'UNKNOWN_COMMAND']) {
    it(`closes after ${word} to a put, because the body may be taken for commands`, async () => {
      const { client, peer } = await server.connect();
      const put = rejection(client.put('x'), BeanstalkdError);
      const other = rejection(client.use('a'), ConnectionLostError);
      await peer.takes('put 1024 0 60 1\r\nx\r\nuse a\r\n');
      peer.sends(`${word}\r\nUSING a\r\n`);
      expect((await put).code).to.equal(word);
      expect(await other).to.include({ sent: true, cause: await put });
      expect((await other).message).to.match(new RegExp(`^cannot use: out of step after ${word} to a put`));
      await peer.takesEnd();
    });
  }

  describe('while a command is held back by backpressure,', () => {
    async function heldBack(reply: string) {
      const { client, socket } = await connectFake();
      socket.hold();
      const put = client.put(Buffer.alloc(20_000)).catch((error: unknown) => error);
      await nextTurn();
      const deleted = rejection(client.delete(7), ConnectionLostError);
      socket.reply(reply);
      return { put: await put, deleted: await deleted, socket };
    }

    it('takes no reply for an answer to that command, which the server cannot know of', async () => {
      const { put, deleted, socket } = await heldBack('INSERTED 1\r\nDELETED\r\n');
      expect(put).to.equal('1');
      expect(deleted).to.include({ sent: false, command: 'delete', jobId: '7' });
      expect(deleted.cause).to.have.property('message', 'the server sent DELETED unasked');
      expect(socket.destroyed).to.equal(true);
    });

    it('tells that it was not sent', async () => {
      const { put, deleted, socket } = await heldBack('HELLO\r\n');
      expect(put).to.be.instanceOf(ProtocolError);
      expect(deleted).to.include({ sent: false, cause: (put as ProtocolError).cause });
      socket.release();
      await nextTurn();
      expect(socket.sent).to.not.contain('delete');
    });
  });
});
