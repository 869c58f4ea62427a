import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import { rejection } from '../support/failures.js';
import { connectFake, type FakeSocket } from '../support/fake-socket.js';
import { cut, latin1 } from '../support/replies.js';
import { useScriptedServer } from '../support/scripted-server.js';

describe('Connection', () => {
  describe('matching replies', () => {
    it('matches 1000 pipelined commands to their replies, however the replies are split', async () => {
      const { client, socket } = await connectFake();
      const sent: string[] = [];
      const replies: string[] = [];
      const expected: unknown[] = [];
      const answers: Promise<unknown>[] = [];
      const exchange = (answer: Promise<unknown>, line: string, reply: string, result: unknown): void => {
        answers.push(answer);
        sent.push(line);
        replies.push(reply);
        expected.push(result);
      };
      for (let i = 0; answers.length < 1000; i++) {
        exchange(client.put(`b${i}`), `put 1024 0 60 ${`b${i}`.length}\r\nb${i}\r\n`, `INSERTED ${i}\r\n`, `${i}`);
        exchange(client.use(`t${i}`), `use t${i}\r\n`, `USING t${i}\r\n`, `t${i}`);
        exchange(client.kick(i), `kick ${i}\r\n`, `KICKED ${i}\r\n`, i);
        const peeked = client.peek(i).then((job) => job?.text());
        exchange(peeked, `peek ${i}\r\n`, `FOUND ${i} 11\r\nINSERTED 0\n\r\n`, 'INSERTED 0\n');
        const deleted = client.delete(i).catch((error: Error & { jobId?: string }) => error.jobId);
        exchange(deleted, `delete ${i}\r\n`, 'NOT_FOUND\r\n', `${i}`);
      }
      await nextTurn();
      expect(socket.writes).to.have.length(1);
      expect(socket.sent).to.equal(sent.join(''));
      const stream = latin1(replies.join(''));
      for (const chunk of cut(
        stream,
        Array.from({ length: 300 }, (_, i) => (i * 7919) % stream.length),
      )) {
        socket.reply(chunk);
      }
      expect(await Promise.all(answers)).to.deep.equal(expected);
    });

    it('settles the calls in their order', async () => {
      const { client, socket } = await connectFake();
      const order: string[] = [];
      const note = (name: string) => (): unknown => order.push(name);
      const calls = [
        client.use('a').then(note('use')),
        client.delete(1).catch(note('delete')),
        client.reserve().then(note('reserve')),
        client.stats().then(note('stats')),
      ];
      socket.reply('USING a\r\nNOT_FOUND\r\nTIMED_OUT\r\nOK 0\r\n\r\n');
      await Promise.all(calls);
      expect(order).to.deep.equal(['use', 'delete', 'reserve', 'stats']);
    });

    it('sends the next command without waiting for a reply', async () => {
      const { client, socket } = await connectFake();
      const used = client.use('a');
      await nextTurn();
      const watched = client.watch('b');
      await nextTurn();
      expect(socket.sent).to.equal('use a\r\nwatch b\r\n');
      socket.reply('USING a\r\nWATCHING 2\r\n');
      expect(await Promise.all([used, watched])).to.deep.equal(['a', 2]);
    });
  });

  describe('writing', () => {
    let client: Client;
    let socket: FakeSocket;

    beforeEach(async () => {
      ({ client, socket } = await connectFake());
    });

    it('writes 100 calls of one tick at once', async () => {
      const puts = Array.from({ length: 100 }, (_, i) => client.put(`body ${i}`));
      await nextTurn();
      expect(socket.writes).to.have.length(1);
      socket.reply(puts.map((_, i) => `INSERTED ${i}\r\n`).join(''));
      await Promise.all(puts);
    });

    it('writes the commands of the continuations of one chunk at once', async () => {
      const chains = Array.from({ length: 50 }, async (_, i) => {
        const job = await client.reserve();
        await job?.delete();
        return `${i}: ${job?.id}`;
      });
      await nextTurn();
      socket.reply(chains.map((_, i) => `RESERVED ${i} 2\r\nhi\r\n`).join(''));
      await nextTurn();
      expect(socket.writes).to.have.length(2);
      expect(String(socket.writes[1]?.[0])).to.equal(chains.map((_, i) => `delete ${i}\r\n`).join(''));
      socket.reply(chains.map(() => 'DELETED\r\n').join(''));
      expect(await Promise.all(chains)).to.deep.equal(chains.map((_, i) => `${i}: ${i}`));
    });

    it('writes 10,000 puts at once and resolves with 10,000 ids in order', async () => {
      const puts = Array.from({ length: 10_000 }, (_, i) => client.put(`body ${i}`, { ttr: 5 }));
      await nextTurn();
      expect(socket.writes).to.have.length(1);
      const expected = puts.map((_, i) => `put 1024 0 5 ${`body ${i}`.length}\r\nbody ${i}\r\n`).join('');
      expect(socket.sent === expected).to.equal(true);
      socket.reply(puts.map((_, i) => `INSERTED ${i + 1}\r\n`).join(''));
      expect(await Promise.all(puts)).to.deep.equal(puts.map((_, i) => `${i + 1}`));
    });

    it('writes nothing while the socket asks for a drain, then everything in order', async () => {
      socket.hold();
      const first = client.put(Buffer.alloc(20_000, 'b'));
      await nextTurn();
      const held = socket.writableLength;
      expect(held).to.equal(20_000 + 'put 1024 0 60 20000\r\n\r\n'.length);
      const later: Promise<unknown>[] = [];
      for (let i = 0; i < 20; i++) {
        later.push(client.use(`t${i}`));
        await nextTurn();
      }
      expect(socket.writableLength).to.equal(held);
      expect(socket.writes).to.have.length(1);
      const drained = once(socket, 'drain');
      socket.release();
      await drained;
      expect(socket.writes).to.have.length(2);
      expect(String(socket.writes[1]?.[0])).to.equal(later.map((_, i) => `use t${i}\r\n`).join(''));
      socket.reply(`INSERTED 1\r\n${later.map((_, i) => `USING t${i}\r\n`).join('')}`);
      expect(await Promise.all([first, ...later])).to.deep.equal(['1', ...later.map((_, i) => `t${i}`)]);
    });

    for (const size of [5, 100_000]) {
      it(`sends a body of ${size} bytes as it was when put was called`, async () => {
        const body = Buffer.alloc(size, 'a');
        const put = client.put(body);
        body.fill('b');
        await nextTurn();
        expect(socket.sent === `put 1024 0 60 ${size}\r\n${'a'.repeat(size)}\r\n`).to.equal(true);
        socket.reply('INSERTED 1\r\n');
        await put;
      });
    }
  });

  it('expects no reply to a put that failed for lack of memory', async () => {
    const { client, socket } = await connectFake();
    sinon.stub(Buffer, 'allocUnsafeSlow').throws(new RangeError('Array buffer allocation failed'));
    const put = rejection(client.put(Buffer.alloc(100_000)), RangeError);
    sinon.restore();
    const used = client.use('a');
    socket.reply('USING a\r\n');
    expect(await used).to.equal('a');
    await put;
    expect(socket.sent).to.equal('use a\r\n');
  });

  describe('on a network', () => {
    const server = useScriptedServer();

    it('sends large bodies whole and in order between small commands', async () => {
      const { client, peer } = await server.connect();
      const body = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + size) & 255));
      const sizes = [65_535, 65_536, 1, 1_000_000, 0, 300_000];
      const calls: Promise<unknown>[] = [];
      const expected: Buffer[] = [];
      for (const size of sizes) {
        calls.push(client.use(`t${size}`), client.put(body(size)));
        expected.push(latin1(`use t${size}\r\nput 1024 0 60 ${size}\r\n`), body(size), latin1('\r\n'));
      }
      await peer.takes(Buffer.concat(expected));
      expect(peer.unread).to.equal('');
      for (const size of sizes) peer.sends(`USING t${size}\r\nINSERTED ${size}\r\n`);
      expect(await Promise.all(calls)).to.deep.equal(sizes.flatMap((size) => [`t${size}`, `${size}`]));
    });

    it('receives large bodies whole and in order between small replies', async () => {
      const { client, peer } = await server.connect();
      const body = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 7 + (i >> 9)) & 255));
      const calls = [client.reserve(), client.listTubeUsed(), client.reserve(), client.watch('a')] as const;
      for (const rest of ['USING default\r\n', 'WATCHING 2\r\n']) {
        peer.sends(Buffer.concat([latin1(`RESERVED 1 ${body.length}\r\n`), body, latin1(`\r\n${rest}`)]));
      }
      const [first, used, second, watched] = await Promise.all(calls);
      expect(first?.body.equals(body)).to.equal(true);
      expect(second?.body.equals(body)).to.equal(true);
      expect([used, watched]).to.deep.equal(['default', 2]);
    });
  });
});
