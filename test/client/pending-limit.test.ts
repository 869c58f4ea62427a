import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { PendingLimitError } from '../../src/client/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake } from '../support/fake-socket.js';

const MIB = 1024 * 1024;

describe('A server that reads nothing', () => {
  it('receives at most maxPendingBytes: further commands reject with PENDING_LIMIT, unsent', async () => {
    const { client, socket } = await connectFake({ maxPendingBytes: MIB });
    socket.hold();
    const body = Buffer.alloc(60_000);
    const puts = Array.from({ length: 5000 }, () => client.put(body));
    const settled = Promise.allSettled(puts);
    await nextTurn();
    const taken = Math.floor(MIB / (60_000 + 'put 1024 0 60 60000\r\n'.length + 400));
    const error = await rejection(puts[taken] ?? expect.fail('no call'), PendingLimitError);
    expect(error).to.include({ code: 'PENDING_LIMIT', command: 'put' });
    expect(error.message).to.equal(
      `cannot put: ${taken} commands are in flight, and more than 1048576 bytes would be (maxPendingBytes); wait for earlier calls to settle`,
    );
    socket.release();
    await nextTurn();
    expect(Buffer.byteLength(socket.sent, 'latin1')).to.be.within(taken * 60_000, MIB);
    socket.reply(Array.from({ length: taken }, (_, index) => `INSERTED ${index}\r\n`).join(''));
    const outcomes = await settled;
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(taken);
    const again = client.put(body);
    socket.reply('INSERTED 7\r\n');
    expect(await again).to.equal('7');
  });

  it('receives at most 64 MiB by default', async () => {
    const { client, socket } = await connectFake();
    socket.hold();
    const before = process.memoryUsage().arrayBuffers;
    const body = Buffer.alloc(60_000);
    const settled = Promise.allSettled(Array.from({ length: 5000 }, () => client.put(body)));
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(80 * MIB);
    client.destroy();
    const codes = (await settled).map((one) => one.status === 'rejected' && one.reason.code);
    expect(codes.filter((code) => code === 'CLOSED')).to.have.length.within(1000, 1118);
    expect(codes.filter((code) => code === 'PENDING_LIMIT')).to.have.length(5000 - codes.lastIndexOf('CLOSED') - 1);
  });

  it('still receives commands that settle jobs, and their implicit use', async () => {
    const { client, socket } = await connectFake({ maxPendingBytes: 1000 });
    const first = client.put('x'.repeat(2000));
    await rejection(client.put('y'), PendingLimitError);
    await rejection(client.kick(1), PendingLimitError);
    await rejection(client.reserve(), PendingLimitError);
    const settlements = [client.delete(1), client.release(2), client.bury(3), client.touch(4), client.statsJob(5)];
    await nextTurn();
    expect(socket.sent).to.match(/\r\ndelete 1\r\nrelease 2 1024 0\r\nbury 3 1024\r\ntouch 4\r\nstats-job 5\r\n$/);
    socket.reply('INSERTED 9\r\nDELETED\r\nRELEASED\r\nBURIED\r\nTOUCHED\r\nNOT_FOUND\r\n');
    expect(await first).to.equal('9');
    await Promise.all(settlements);
  });

  it('receives one body of any size beside a waiting reserve', async () => {
    const { client, socket } = await connectFake({ maxPendingBytes: 1000 });
    const reserved = client.reserve();
    const put = client.put('x'.repeat(5000));
    await rejection(client.put('y'), PendingLimitError);
    socket.reply('TIMED_OUT\r\nINSERTED 1\r\n');
    expect(await Promise.all([reserved, put])).to.deep.equal([null, '1']);
  });

  it('receives a bounded number of small commands, because each has a minimum cost', async () => {
    const { client } = await connectFake({ maxPendingBytes: MIB });
    const settled = Promise.allSettled(Array.from({ length: 10_000 }, () => client.listTubeUsed()));
    client.destroy();
    const codes = (await settled).map((one) => one.status === 'rejected' && one.reason.code);
    expect(codes.filter((code) => code === 'CLOSED')).to.have.length.within(2000, 2600);
  });
});
