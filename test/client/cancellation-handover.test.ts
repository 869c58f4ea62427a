import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import { ConnectionLostError, ReplyTimeoutError } from '../../src/client/errors.js';
import type { Job } from '../../src/client/job.js';
import { rejection } from '../support/failures.js';
import { FakeNetwork, sentNext } from '../support/fake-network.js';
import { delivered, type FakeSocket } from '../support/fake-socket.js';
import { ok } from '../support/replies.js';

describe('The connection that is given up with a cancelled reserve', () => {
  let network: FakeNetwork;
  let client: Client;
  let socket: FakeSocket;

  beforeEach(async () => {
    network = new FakeNetwork();
    ({ client, socket } = await network.connect({ maxWaitingCommands: 0 }));
  });

  afterEach(() => {
    sinon.restore();
    client.destroy();
  });

  /** Cancels a waiting reserve. `behind` is called after the reserve. */
  async function cancel(behind: () => void = () => {}): Promise<void> {
    const cancelling = new AbortController();
    const reserved = rejection(client.reserve({ signal: cancelling.signal }), Error);
    behind();
    await nextTurn();
    cancelling.abort(new Error('no longer wanted'));
    await reserved;
  }

  const hold = (id: string): Promise<Job> => delivered(client.reserve(), socket, id);

  it('gives its answers first: what was watched and put behind the reserve is not overtaken', async () => {
    let watched: Promise<number> | undefined;
    let first: Promise<string> | undefined;
    await cancel(() => {
      watched = client.watch('late');
      first = client.put('1');
    });
    const second = client.put('2');
    await nextTurn();
    expect(network.sockets).to.have.length(1);
    socket.reply('TIMED_OUT\r\nWATCHING 2\r\nINSERTED 1\r\n');
    expect(await Promise.all([watched, first])).to.deep.equal([2, '1']);
    const next = await network.restore('watch late\r\nuse default\r\n');
    next.reply('INSERTED 2\r\n');
    expect(await second).to.equal('2');
  });

  it('is followed by the next one in what it confirms late, because jobs keep it', async () => {
    const job = await hold('1');
    let watched: Promise<number> | undefined;
    await cancel(() => {
      watched = client.watch('late');
    });
    const put = client.put('2');
    const next = await network.restore();
    const sent = await sentNext(next, () => socket.reply('TIMED_OUT\r\nWATCHING 2\r\n'));
    expect(sent).to.equal('watch late\r\n');
    expect(await watched).to.equal(2);
    next.reply('INSERTED 2\r\nWATCHING 2\r\n');
    expect(await put).to.equal('2');
    const deleted = job.delete();
    socket.reply('DELETED\r\n');
    await deleted;
  });

  it('ends other reserves that wait on it as lost, not as over, and hands out no job that its close gives back', async () => {
    const others: Promise<ConnectionLostError>[] = [];
    await cancel(() => {
      others.push(
        rejection(client.reserve(), ConnectionLostError),
        rejection(client.reserveJob(7), ConnectionLostError),
      );
    });
    socket.reply('TIMED_OUT\r\nTIMED_OUT\r\nRESERVED 7 1\r\nx\r\n');
    for (const error of await Promise.all(others)) expect(error.sent).to.equal(true);
  });

  it('does not count as an outage: the limits for commands that wait do not apply', async () => {
    await cancel();
    const puts = Promise.all([client.put('1'), client.put('2')]);
    const next = await network.restore();
    next.reply('INSERTED 1\r\nINSERTED 2\r\n');
    expect(await puts).to.deep.equal(['1', '2']);
  });

  it('is closed when all has been answered, though the server does not hang up', async () => {
    await cancel();
    expect(socket.destroyed).to.equal(false);
    socket.reply('TIMED_OUT\r\n');
    await nextTurn();
    expect(socket.destroyed).to.equal(true);
  });

  it('is closed after connectTimeoutMs where the server does not answer', async () => {
    const clock = sinon.useFakeTimers({
      shouldClearNativeTimers: true,
      toFake: ['setTimeout', 'clearTimeout', 'performance'],
    });
    await cancel();
    clock.tick(4999);
    expect(socket.destroyed).to.equal(false);
    clock.tick(1);
    await nextTurn();
    expect(socket.destroyed).to.equal(true);
  });

  it('does not outlive a job whose TTR has passed', async () => {
    const clock = sinon.useFakeTimers({
      shouldClearNativeTimers: true,
      toFake: ['setTimeout', 'clearTimeout', 'performance'],
    });
    await hold('1');
    await cancel();
    socket.reply('TIMED_OUT\r\n');
    await nextTurn();
    clock.tick(1500);
    await nextTurn();
    expect(socket.sent).to.match(/stats-job 1\r\n$/);
    socket.reply(ok('id: 1\nstate: ready\n'));
    await nextTurn();
    await nextTurn();
    expect(socket.sent).to.match(/quit\r\n$/);
    expect(socket.writableEnded).to.equal(true);
  });

  it('hardly delays the jobs it holds: a reserve that can be cancelled asks second by second then', async () => {
    const job = await hold('1');
    const reserved = client.reserve({ timeout: 2, signal: new AbortController().signal });
    const touched = job.touch();
    await nextTurn();
    expect(socket.sent).to.match(/reserve-with-timeout 1\r\ntouch 1\r\n$/);
    expect(await sentNext(socket, () => socket.reply('TIMED_OUT\r\nTOUCHED\r\n'))).to.equal(
      'reserve-with-timeout 1\r\n',
    );
    await touched;
    socket.reply('TIMED_OUT\r\n');
    expect(await reserved).to.equal(null);
  });
});

describe('A use that the client sends by itself', () => {
  it('leaves a fault to the command it was sent for', async () => {
    const network = new FakeNetwork();
    const { client } = await network.connect({ replyTimeoutMs: 5, reconnect: false });
    const error = await rejection(client.tube('mail').put('x'), ReplyTimeoutError);
    expect(error.command).to.equal('put');
    client.destroy();
  });
});
