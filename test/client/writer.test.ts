import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import { Writer } from '../../src/client/writer.js';
import { FakeSocket } from '../support/fake-socket.js';
import { collectGarbage } from '../support/garbage.js';

describe('Writer', () => {
  let socket: FakeSocket;
  let writer: Writer;

  beforeEach(() => {
    socket = new FakeSocket();
    writer = new Writer(socket.asSocket);
  });

  it('writes nothing in the tick in which it is asked', async () => {
    writer.add('stats\r\n');
    expect(socket.writes).to.deep.equal([]);
    await nextTurn();
    expect(socket.sent).to.equal('stats\r\n');
  });

  it('writes what was added in one tick at once, as one buffer while it is small', async () => {
    for (let i = 0; i < 100; i++) writer.add(`peek ${i}\r\n`);
    await nextTurn();
    expect(socket.writes).to.have.length(1);
    expect(socket.writes[0]).to.have.length(1);
    expect(socket.sent).to.equal(Array.from({ length: 100 }, (_, i) => `peek ${i}\r\n`).join(''));
  });

  it('writes a tick of any size at once', async () => {
    const body = Buffer.alloc(3000, 'b');
    let expected = '';
    for (let i = 0; i < 200; i++) {
      writer.add(`put ${i}\r\n`, body, body.length);
      expected += `put ${i}\r\n${'b'.repeat(3000)}\r\n`;
    }
    await nextTurn();
    expect(socket.writes).to.have.length(1);
    expect(socket.sent === expected).to.equal(true);
  });

  it('makes a write for each tick', async () => {
    for (const line of ['stats\r\n', 'use a\r\n', 'watch b\r\n']) {
      writer.add(line);
      await nextTurn();
    }
    expect(socket.writes.map(([buffer]) => buffer?.toString())).to.deep.equal([
      'stats\r\n',
      'use a\r\n',
      'watch b\r\n',
    ]);
  });

  it('puts CR LF behind a body, also an empty one, and UTF-8 into a string', async () => {
    writer.add('put 2\r\n', Buffer.from([0, 255]), 2);
    writer.add('put 0\r\n', '', 0);
    writer.add('put 0\r\n', new Uint8Array(0), 0);
    writer.add('put 9\r\n', 'é€😀', 9);
    await nextTurn();
    const expected = Buffer.from('put 2\r\n\0\xff\r\nput 0\r\n\r\nput 0\r\n\r\nput 9\r\n', 'latin1');
    expect(socket.sent).to.equal(Buffer.concat([expected, Buffer.from('é€😀\r\n')]).toString('latin1'));
  });

  it('keeps the order of bodies on either side of what a slab holds', async () => {
    let expected = '';
    for (const size of [1, 70_000, 2, 65_000, 65_530, 3, 200_000, 0, 65_536, 4090, 5]) {
      const body = Buffer.alloc(size, size % 251);
      writer.add(`put ${size}\r\n`, body, size);
      expected += `put ${size}\r\n${body.toString('latin1')}\r\n`;
    }
    await nextTurn();
    expect(socket.writes).to.have.length(1);
    expect(socket.sent === expected).to.equal(true);
  });

  it('keeps lines and bodies in the order in which they were added', async () => {
    writer.add('use a\r\n');
    writer.add('put 1\r\n', 'x', 1);
    writer.add('use b\r\n');
    writer.add('stats\r\n');
    await nextTurn();
    writer.add('watch c\r\n');
    writer.add('put 2\r\n', Buffer.alloc(70_000, 'y'), 70_000);
    writer.add('delete 1\r\n');
    await nextTurn();
    expect(socket.sent).to.equal(
      `use a\r\nput 1\r\nx\r\nuse b\r\nstats\r\nwatch c\r\nput 2\r\n${'y'.repeat(70_000)}\r\ndelete 1\r\n`,
    );
  });

  it('keeps the lines that were added before a body there is no memory for', async () => {
    writer.add('use a\r\n');
    expect(() => writer.add('put\r\n', '', Number.MAX_SAFE_INTEGER)).to.throw(RangeError);
    await nextTurn();
    expect(socket.sent).to.equal('use a\r\n');
  });

  it('never changes a buffer it has handed to the socket', async () => {
    socket.hold();
    let expected = '';
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 40; i++) {
        const body = `${round}-${i}`.repeat(1 + ((round * 7 + i) % 60));
        writer.add(`put ${body.length}\r\n`, body, body.length);
        expected += `put ${body.length}\r\n${body}\r\n`;
      }
      await nextTurn();
      if (round % 5 === 0) {
        socket.release();
        socket.hold();
      }
    }
    socket.release();
    await nextTurn();
    // `sent` reads the same buffers that were handed over, as a slow kernel would.
    expect(socket.sent === expected).to.equal(true);
  });

  it('hands the socket nothing while it asks for a drain, then all of it in order', async () => {
    socket.hold();
    const body = Buffer.alloc(20_000, 'b');
    writer.add('put 20000\r\n', body, body.length);
    await nextTurn();
    const held = socket.writableLength;
    expect(held).to.equal(20_013);
    for (let i = 0; i < 10; i++) {
      writer.add(`peek ${i}\r\n`);
      await nextTurn();
    }
    expect(socket.writableLength).to.equal(held);
    expect(writer.written).to.equal(1);

    const drained = once(socket, 'drain');
    socket.release();
    await drained;
    expect(socket.writes).to.have.length(2);
    expect(writer.written).to.equal(11);
    expect(socket.sent).to.match(/^put 20000\r\nb+\r\npeek 0\r\npeek 1\r\n.*peek 9\r\n$/s);
  });

  it('goes on writing each tick after a drain', async () => {
    socket.hold();
    writer.add('put 20000\r\n', Buffer.alloc(20_000), 20_000);
    await nextTurn();
    socket.release();
    await nextTurn();
    writer.add('stats\r\n');
    await nextTurn();
    expect(socket.writes.at(-1)?.map(String)).to.deep.equal(['stats\r\n']);
  });

  it('asks for a drain also where a tick goes out in several buffers', async () => {
    socket.hold();
    for (let i = 0; i < 3; i++) writer.add('put 70000\r\n', Buffer.alloc(70_000), 70_000);
    await nextTurn();
    const held = socket.writableLength;
    writer.add('stats\r\n');
    await nextTurn();
    expect(socket.writableLength)
      .to.equal(held)
      .and.to.equal(3 * 70_013);
  });

  it('ends behind everything that was added, and takes nothing more', async () => {
    const finished = once(socket, 'finish');
    writer.add('stats\r\n');
    writer.end();
    writer.add('use a\r\n');
    writer.end();
    await finished;
    await nextTurn();
    expect(socket.sent).to.equal('stats\r\n');
  });

  it('ends after the drain where the socket asks for one', async () => {
    socket.hold();
    writer.add('put 20000\r\n', Buffer.alloc(20_000), 20_000);
    await nextTurn();
    writer.add('stats\r\n');
    writer.end();
    await nextTurn();
    expect(socket.writableEnded).to.equal(false);
    const finished = once(socket, 'finish');
    socket.release();
    await finished;
    expect(socket.sent).to.match(/stats\r\n$/);
  });

  it('counts what was handed over, and hands nothing to a socket that is destroyed', async () => {
    writer.add('stats\r\n');
    expect(writer.written).to.equal(0);
    await nextTurn();
    expect(writer.written).to.equal(1);
    writer.add('use a\r\n');
    socket.destroy();
    await nextTurn();
    expect(writer.written).to.equal(1);
    expect(socket.sent).to.equal('stats\r\n');
  });

  describe('with bodies larger than a slab', () => {
    const KIB = 1024;

    /** Puts bodies in one tick. @returns the memory that each was written from */
    async function put(...sizes: number[]): Promise<ArrayBufferLike[]> {
      const already = socket.writes.length;
      for (const size of sizes) writer.add('put\r\n', Buffer.alloc(size, 'b'), size);
      await nextTurn();
      const buffers = socket.writes.slice(already).flat();
      expect(buffers.map(String)).to.deep.equal(sizes.map((size) => `put\r\n${'b'.repeat(size)}\r\n`));
      return buffers.map(({ buffer }) => buffer);
    }

    // A garbage collection may happen in between. Then each of them allocates memory once more.
    it('uses the memory of one that is written for the next', async () => {
      const memories = new Set<ArrayBufferLike>();
      for (let round = 0; round < 20; round++)
        for (const memory of await put((100 - round) * KIB)) memories.add(memory);
      expect(memories.size).to.be.at.most(3);
    });

    it('uses as much as was in flight at once', async () => {
      const memories = new Set<ArrayBufferLike>();
      for (let round = 0; round < 20; round++) {
        const three = await put(100 * KIB, 100 * KIB, 100 * KIB);
        expect(new Set(three).size).to.equal(3);
        for (const memory of three) memories.add(memory);
      }
      expect(memories.size).to.be.at.most(9);
    });

    it('touches no memory that the socket has not written yet', async () => {
      socket.hold();
      const [first] = await put(100 * KIB);
      writer.add('put\r\n', 'c'.repeat(100 * KIB), 100 * KIB);
      expect(socket.sent).to.equal(`put\r\n${'b'.repeat(100 * KIB)}\r\n`);
      socket.release();
      await nextTurn();
      expect(socket.writes[1]?.[0]?.buffer).to.not.equal(first);
    });

    it('takes fresh memory for one that is larger, or much smaller', async () => {
      const [first] = await put(200 * KIB);
      expect(await put(300 * KIB)).to.not.include(first);
      const [third] = await put(200 * KIB);
      expect(await put(70 * KIB)).to.not.include(third);
    });

    it('takes fresh memory where a write has failed: nobody can tell who still reads it', async () => {
      const write = sinon.stub(socket, 'write').callsArgWith(1, new Error('reset')).returns(true);
      for (const letter of ['b', 'c']) {
        writer.add('put\r\n', letter.repeat(100 * KIB), 100 * KIB);
        await nextTurn();
      }
      const memories = (write.args as unknown as [Buffer][]).map(([{ buffer }]) => buffer);
      expect(new Set(memories).size).to.equal(2);
    });

    it('keeps none of it from being collected', async () => {
      await put(100 * KIB, 100 * KIB);
      const memories = socket.writes.flat().map(({ buffer }) => new WeakRef(buffer));
      socket.writes.length = 0;
      await put(1);
      await collectGarbage();
      expect(memories.map((memory) => memory.deref())).to.deep.equal([undefined, undefined]);
      await put(100 * KIB);
    });
  });
});
