import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { ClosedError, ConnectionLostError } from '../../src/client/errors.js';
import { JobTooBigError, ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake } from '../support/fake-socket.js';
import { ok } from '../support/replies.js';
import { useScriptedServer } from '../support/scripted-server.js';

const MIB = 1024 * 1024;

/** Transfers the memory of `body`, as `postMessage` with a transfer list does. */
function transfer(body: Uint8Array): void {
  structuredClone(body, { transfer: [body.buffer as ArrayBuffer] });
}

function pattern(seed: number, size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, at) => (seed * 31 + at * 7 + (at >> 8)) & 255));
}

describe('A received body', () => {
  const server = useScriptedServer();

  it('belongs to the user: transferring each as it comes changes nothing else, however the stream is split', async () => {
    const size = fc.oneof(fc.constantFrom(0, 1, 64, 65, 4096, 65_536), fc.nat({ max: 200_000 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(size, { minLength: 2, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 }),
        async (sizes, chunks) => {
          const { client, peer } = await server.connect();
          const arriving = sizes.map(async (size, id) => {
            const job = await (id % 2 === 0 ? client.reserve() : client.peek(id));
            const body = job?.body ?? expect.fail('no job');
            const isRight = body.equals(pattern(id, size));
            const isWhole = body.byteOffset === 0 && body.buffer.byteLength === size;
            if (id % 3 !== 0) transfer(body);
            return { id, body, isRight, isWhole };
          });
          const words = sizes.map((size, id) => `${id % 2 === 0 ? 'RESERVED' : 'FOUND'} ${id} ${size}\r\n`);
          const stream = Buffer.concat(
            words.flatMap((word, id) => [Buffer.from(word), pattern(id, sizes[id] ?? 0), Buffer.from('\r\n')]),
          );
          await peer.takes('reserve\r\n');
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const to = at + (chunks[turn % chunks.length] ?? 1);
            peer.sends(stream.subarray(at, to));
            at = to;
            if (turn < 20) await nextTurn();
          }
          const arrived = await Promise.all(arriving);
          expect(arrived.filter(({ isRight, isWhole }) => !(isRight && isWhole))).to.deep.equal([]);
          for (const { id, body } of arrived) {
            if (id % 3 !== 0) expect(body).to.have.length(0);
            else expect(body.equals(pattern(id, sizes[id] ?? 0)), `body ${id} that was kept`).to.equal(true);
          }
          client.destroy();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('has memory of its own also where it is empty, and where it is one of a hundred in a chunk', async () => {
    const { client, peer } = await server.connect();
    const reserving = Promise.all(Array.from({ length: 100 }, () => client.reserve()));
    await peer.takes('reserve\r\n'.repeat(100));
    peer.sends(
      Array.from({ length: 100 }, (_, id) => `RESERVED ${id} ${id % 3}\r\n${'x'.repeat(id % 3)}\r\n`).join(''),
    );
    const bodies = (await reserving).map((job) => job?.body ?? expect.fail('no job'));
    for (const body of bodies) transfer(body);
    const used = client.use('a');
    await peer.takes('use a\r\n');
    peer.sends('USING a\r\n');
    expect(await used).to.equal('a');
  });
});

describe('A job with a body above maxBodyBytes', () => {
  it('rejects that call alone, with its id; it is held and can be settled, and the next job comes', async () => {
    const { client, socket } = await connectFake({ maxBodyBytes: 10 });
    const first = rejection(client.reserve(), JobTooBigError);
    const second = client.reserve();
    socket.reply('RESERVED 8 11\r\n0123456789a\r\nRESERVED 9 10\r\n0123456789\r\n');
    expect(await first).to.include({ code: 'JOB_TOO_BIG', command: 'reserve', jobId: '8' });
    expect((await first).message).to.equal(
      'cannot reserve 8: a body must have at most 10 bytes (maxBodyBytes), got 11',
    );
    expect((await second)?.text()).to.equal('0123456789');
    const buried = client.bury('8');
    socket.reply('BURIED\r\n');
    await buried;
    expect(client.isOpen).to.equal(true);
  });

  it('rejects every peek and reserveJob of it, and the connection goes on', async () => {
    const { client, socket } = await connectFake({ maxBodyBytes: 2 });
    const calls = [client.peek(7), client.peekReady(), client.peekDelayed(), client.peekBuried(), client.reserveJob(7)];
    const refused = Promise.all(calls.map((call) => rejection(call, JobTooBigError)));
    const used = client.use('a');
    socket.reply(`${'FOUND 7 3\r\nabc\r\n'.repeat(4)}RESERVED 7 3\r\nabc\r\nUSING a\r\n`);
    for (const error of await refused) expect(error.jobId).to.equal('7');
    expect(await used).to.equal('a');
  });

  it('is skipped without taking memory for it, though it comes in many chunks', async () => {
    const { client, socket } = await connectFake({ maxBodyBytes: MIB });
    const refused = rejection(client.reserve(), JobTooBigError);
    const size = 20 * MIB;
    socket.reply(`RESERVED 7 ${size}\r\n`);
    await nextTurn();
    const before = process.memoryUsage().arrayBuffers;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    for (let at = 0; at < size; at += chunk.length) socket.push(chunk);
    socket.reply('\r\n');
    await refused;
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(10 * MIB);
  });

  it('goes back to its queue where nobody waits for it any more', async () => {
    const { client, socket } = await connectFake({ maxBodyBytes: 2 });
    const abort = new AbortController();
    const given = rejection(client.reserve({ signal: abort.signal }), Error);
    await nextTurn();
    abort.abort(new Error('enough'));
    expect((await given).message).to.equal('enough');
    socket.reply('RESERVED 7 3\r\nabc\r\n');
    await nextTurn();
    await nextTurn();
    // The connection then closes, which returns the job to its queue.
    expect(socket.writableEnded).to.equal(true);
  });

  it('is refused before its body is read where no job was asked for', async () => {
    const { client, socket } = await connectFake();
    const refused = rejection(client.put('x'), ProtocolError);
    socket.reply('FOUND 7 60000000\r\n');
    expect((await refused).message).to.equal(
      'cannot put: the server answered FOUND <id> <bytes>, which is no reply to put',
    );
    expect(client.isOpen).to.equal(false);
  });
});

describe('The data of an OK', () => {
  it('is refused at its line where it is more than any server sends', async () => {
    for (const [command, size] of [
      ['stats', 65_537],
      ['statsTube', 600_000_000],
      ['statsJob', 4_294_967_295],
      ['listTubes', 64 * MIB + 1],
      ['listTubesWatched', 600_000_000],
    ] as const) {
      const { client, socket } = await connectFake();
      const call =
        command === 'statsTube'
          ? client.statsTube('a')
          : command === 'statsJob'
            ? client.statsJob(7)
            : client[command]();
      const refused = rejection(call as Promise<unknown>, ProtocolError);
      const behind = rejection(client.use('a'), ConnectionLostError);
      socket.reply(`OK ${size}\r\n`);
      expect((await refused).message).to.match(
        /the server sent a reply to [a-z-]+ of \d+ bytes, above the ceiling of \d+$/,
      );
      await behind;
    }
  });

  it('does not depend on maxBodyBytes, which is about jobs', async () => {
    const { client, socket } = await connectFake({ maxBodyBytes: 0 });
    const [stats, tubes] = [client.stats(), client.listTubes()];
    socket.reply(Buffer.concat([ok('---\ntotal-jobs: 7\n'), ok('---\n- default\n')]));
    expect((await stats).totalJobs).to.equal(7);
    expect(await tubes).to.deep.equal(['default']);
    client.destroy();
    await rejection(client.stats(), ClosedError);
  });
});
