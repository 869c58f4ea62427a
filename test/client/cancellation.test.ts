import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ConnectionLostError } from '../../src/client/errors.js';
import type { Job } from '../../src/client/job.js';
import { rejection } from '../support/failures.js';
import { eventsOf, FakeNetwork, sentNext } from '../support/fake-network.js';
import { delivered, type FakeSocket } from '../support/fake-socket.js';
import { countListeners } from '../support/listeners.js';
import { ok } from '../support/replies.js';

const REASON = new Error('no longer wanted');

describe('A reserve that is cancelled', () => {
  let network: FakeNetwork;
  let client: Client;
  let socket: FakeSocket;
  let events: string[];
  let cancelling: AbortController;

  beforeEach(async () => {
    network = new FakeNetwork();
    ({ client, socket } = await network.connect());
    events = eventsOf(client);
    cancelling = new AbortController();
  });

  afterEach(() => client.destroy());

  function reserve(): Promise<Job | null> {
    return client.reserve({ signal: cancelling.signal });
  }

  const hold = (id: string): Promise<Job> => delivered(client.reserve(), socket, id);

  /** Cancels a waiting reserve. */
  async function cancel(): Promise<void> {
    const reserved = rejection(reserve(), Error);
    await nextTurn();
    cancelling.abort(REASON);
    expect(await reserved).to.equal(REASON);
  }

  it('rejects with the reason, and half-closes its connection: the server ends the reserve then', async () => {
    await cancel();
    await nextTurn();
    expect(socket.sent).to.equal('reserve\r\n');
    expect(socket.writableEnded).to.equal(true);
    expect(socket.destroyed).to.equal(false);
    expect(client.isOpen).to.equal(true);
    socket.reply('TIMED_OUT\r\n');
    socket.hangUp();
    await nextTurn();
    await nextTurn();
    expect(socket.destroyed).to.equal(true);
    expect(network.sockets).to.have.length(1);
    expect(events).to.deep.equal([]);
  });

  it('costs the client nothing: the next command opens a connection with the same tubes, without an event', async () => {
    const ready = [client.watch('a'), client.use('mail')];
    socket.reply('WATCHING 2\r\nUSING mail\r\n');
    await Promise.all(ready);
    await cancel();
    const put = client.put('x');
    socket = await network.restore('watch a\r\nuse mail\r\n');
    expect(socket.sent).to.match(/use mail\r\nput 1024 0 60 1\r\nx\r\n$/);
    socket.reply('INSERTED 1\r\n');
    expect(await put).to.equal('1');
    expect(network.sockets).to.have.length(2);
    expect(events).to.deep.equal([]);
  });

  it('leaves the commands behind it their answers', async () => {
    const reserved = rejection(reserve(), Error);
    const used = client.use('mail');
    const deleted = client.delete(7);
    await nextTurn();
    cancelling.abort(REASON);
    await reserved;
    socket.reply('TIMED_OUT\r\nUSING mail\r\nDELETED\r\n');
    socket.hangUp();
    expect(await used).to.equal('mail');
    await deleted;
    void client.put('x').catch(() => {});
    socket = await network.restore('use mail\r\n');
    expect(socket.sent).to.match(/put 1024 0 60 1\r\nx\r\n$/);
  });

  it('leaves a job that comes too late to the close: the server puts it back as it was', async () => {
    await cancel();
    expect(await sentNext(socket, () => socket.reply('RESERVED 7 1\r\nx\r\n'))).to.equal('');
    socket.hangUp();
    await nextTurn();
    expect(socket.sent).to.equal('reserve\r\n');
  });

  it('leaves the jobs that are held to their holder, whose commands go down their connection', async () => {
    const job = await hold('1');
    await cancel();
    expect(socket.writableEnded).to.equal(false);
    const calls = [job.touch(), job.stats(), client.touch('1')];
    expect(await sentNext(socket)).to.equal('touch 1\r\nstats-job 1\r\ntouch 1\r\n');
    const deleted = job.delete();
    await nextTurn();
    expect(socket.sent).to.match(/delete 1\r\n$/);
    expect(socket.writableEnded).to.equal(true);
    socket.reply('TIMED_OUT\r\nTOUCHED\r\nNOT_FOUND\r\nTOUCHED\r\nDELETED\r\n');
    socket.hangUp();
    await Promise.all([...calls, deleted]);
    expect(network.sockets).to.have.length(1);
  });

  it('closes its connection when the last held job is given up, not before', async () => {
    const jobs = [await hold('1'), await hold('2'), await hold('3')] as const;
    await cancel();
    const calls: Promise<void>[] = [];
    for (const [job, give] of [
      [jobs[0], (held: Job) => held.delete()],
      [jobs[1], (held: Job) => held.release()],
      [jobs[2], (held: Job) => held.bury()],
    ] as const) {
      expect(socket.writableEnded).to.equal(false);
      calls.push(give(job));
      await nextTurn();
    }
    expect(socket.writableEnded).to.equal(true);
    socket.reply('TIMED_OUT\r\nDELETED\r\nRELEASED\r\nBURIED\r\n');
    socket.hangUp();
    await Promise.all(calls);
  });

  it('sends other commands down the new connection meanwhile, also those about other jobs', async () => {
    const job = await hold('1');
    await cancel();
    const other = client.delete('2');
    const second = await network.restore();
    expect(second.sent).to.match(/delete 2\r\n$/);
    const deleted = job.delete();
    expect(await sentNext(second)).to.equal('');
    expect(socket.sent).to.match(/delete 1\r\n$/);
    second.reply('DELETED\r\n');
    socket.reply('TIMED_OUT\r\nDELETED\r\n');
    await Promise.all([other, deleted]);
  });

  it('releases with its own priority a job that comes too late while others are held', async () => {
    const job = await hold('1');
    await cancel();
    socket.reply('RESERVED 7 1\r\nx\r\n');
    await nextTurn();
    await nextTurn();
    expect(socket.sent).to.match(/reserve-with-timeout 1\r\nstats-job 7\r\n$/);
    socket.reply(ok('id: 7\nstate: reserved\npri: 5\n'));
    await nextTurn();
    await nextTurn();
    expect(socket.sent).to.match(/stats-job 7\r\nrelease 7 5 0\r\n$/);
    socket.reply('RELEASED\r\n');
    await nextTurn();
    expect(socket.writableEnded).to.equal(false);
    const deleted = job.delete();
    await nextTurn();
    socket.reply('DELETED\r\n');
    await deleted;
    await nextTurn();
    expect(socket.sent).to.match(/delete 1\r\nquit\r\n$/);
    expect(socket.writableEnded).to.equal(true);
  });

  it('gives back what it holds by closing when the server does not let it release', async () => {
    const job = await hold('1');
    await cancel();
    socket.reply('RESERVED 7 1\r\nx\r\n');
    await nextTurn();
    await nextTurn();
    const deleted = job.delete();
    socket.reply('OUT_OF_MEMORY\r\nDELETED\r\n');
    await deleted;
    await nextTurn();
    expect(socket.sent).to.not.contain('release');
    client.destroy();
    expect(socket.destroyed).to.equal(true);
  });

  it('answers DEADLINE_SOON to nobody, and what is behind it is executed', async () => {
    const job = await hold('1');
    await cancel();
    const touched = job.touch();
    socket.reply('DEADLINE_SOON\r\nTOUCHED\r\n');
    await touched;
    expect(socket.writableEnded).to.equal(false);
  });

  it('refuses what is asked of its jobs once their connection is lost, and sends it nowhere', async () => {
    const job = await hold('1');
    await cancel();
    await socket.fail(new Error('ECONNRESET'));
    const error = await rejection(job.delete(), ConnectionLostError);
    expect(error).to.include({ sent: false, jobId: '1' });
    expect(network.sockets).to.have.length(1);
    expect(events).to.deep.equal([]);
  });

  it('refuses what is asked of a job that was given up already', async () => {
    const [job, other] = [await hold('1'), await hold('2')];
    await cancel();
    const deleted = job.delete();
    const error = await rejection(job.delete(), ConnectionLostError);
    expect(error).to.include({ sent: false, jobId: '1' });
    expect(error.message).to.match(/^cannot delete 1: the connection was given up with a cancelled reserve/);
    void other.release();
    socket.reply('TIMED_OUT\r\nDELETED\r\nRELEASED\r\n');
    await deleted;
  });

  it('cannot be cancelled any more once it is answered', async () => {
    const reserved = reserve();
    socket.reply('RESERVED 7 1\r\nx\r\n');
    const job = await reserved;
    cancelling.abort(REASON);
    await nextTurn();
    expect(job?.id).to.equal('7');
    expect(socket.writableEnded).to.equal(false);
    const timedOut = client.reserve({ timeout: 0, signal: new AbortController().signal });
    socket.reply('TIMED_OUT\r\n');
    expect(await timedOut).to.equal(null);
  });

  it('cannot be cancelled either in the turn in which it is answered: the job is handed out', async () => {
    const reserved = reserve();
    await nextTurn();
    socket.once('data', () => cancelling.abort(REASON));
    socket.reply('RESERVED 7 1\r\nx\r\n');
    expect((await reserved)?.id).to.equal('7');
    expect(socket.writableEnded).to.equal(false);
  });

  it('sends nothing where the signal was aborted before', async () => {
    cancelling.abort(REASON);
    expect(await rejection(reserve(), Error)).to.equal(REASON);
    expect(await sentNext(socket)).to.equal('');
    expect(socket.writableEnded).to.equal(false);
  });

  it('just leaves the queue where it waits for a connection', async () => {
    await socket.fail(new Error('ECONNRESET'));
    const reserved = rejection(reserve(), Error);
    const put = client.put('x');
    cancelling.abort(REASON);
    expect(await reserved).to.equal(REASON);
    socket = await network.restore();
    expect(socket.sent).to.equal('use default\r\nput 1024 0 60 1\r\nx\r\n');
    socket.reply('INSERTED 1\r\n');
    await put;
  });

  it('can be cancelled when it waited for a connection and was sent then', async () => {
    await socket.fail(new Error('ECONNRESET'));
    const reserved = rejection(reserve(), Error);
    socket = await network.restore();
    expect(socket.sent).to.match(/reserve\r\n$/);
    cancelling.abort(REASON);
    expect(await reserved).to.equal(REASON);
    await nextTurn();
    expect(socket.writableEnded).to.equal(true);
  });

  it('may be one of two that the same signal cancels', async () => {
    const both = [rejection(reserve(), Error), rejection(reserve(), Error)];
    await nextTurn();
    cancelling.abort(REASON);
    expect(await Promise.all(both)).to.deep.equal([REASON, REASON]);
    socket.reply('TIMED_OUT\r\nTIMED_OUT\r\n');
    socket.hangUp();
    await nextTurn();
    await nextTurn();
    expect(socket.destroyed).to.equal(true);
  });

  it('may be one of two where jobs are held, which neither takes with it', async () => {
    const job = await hold('1');
    const second = new AbortController();
    const reserved = rejection(client.reserve({ signal: second.signal }), Error);
    await cancel();
    second.abort(REASON);
    expect(await reserved).to.equal(REASON);
    expect(socket.writableEnded).to.equal(false);
    const deleted = job.delete();
    socket.reply('TIMED_OUT\r\nTIMED_OUT\r\nDELETED\r\n');
    await deleted;
  });

  it('may follow another one, each with a connection of its own', async () => {
    for (let round = 0; round < 3; round++) {
      cancelling = new AbortController();
      const reserved = rejection(reserve(), Error);
      const current = round === 0 ? socket : await network.restore();
      await nextTurn();
      cancelling.abort(REASON);
      await reserved;
      current.reply('TIMED_OUT\r\n');
      current.hangUp();
    }
    expect(network.sockets).to.have.length(3);
    expect(client.isOpen).to.equal(true);
  });

  it('leaves no listener on a signal that lives long', async () => {
    const { signal } = cancelling;
    const listeners = countListeners(signal);
    for (let i = 0; i < 20; i++) {
      const reserved = reserve();
      expect(listeners.count).to.equal(1);
      socket.reply(i % 2 ? 'TIMED_OUT\r\n' : 'OUT_OF_MEMORY\r\n');
      await reserved.catch(() => {});
    }
    await nextTurn();
    expect(listeners.count).to.equal(0);
  });

  it('opens a connection again also where none would be made after a loss', async () => {
    client.destroy();
    ({ client, socket } = await network.connect({ reconnect: false }));
    await cancel();
    const put = client.put('x');
    socket = await network.restore();
    socket.reply('INSERTED 1\r\n');
    expect(await put).to.equal('1');
    await socket.fail(new Error('ECONNRESET'));
    expect(client.isOpen).to.equal(false);
  });
});
