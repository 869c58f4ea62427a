import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ConnectionLostError, NotFoundError } from '../../src/client/errors.js';
import type { Job } from '../../src/client/job.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { answered, connectFake, delivered, type FakeSocket } from '../support/fake-socket.js';

/** The commands by which a holder changes its job. */
const CHANGES = {
  delete: (job: Job) => job.delete(),
  release: (job: Job) => job.release(),
  bury: (job: Job) => job.bury(),
  touch: (job: Job) => job.touch(),
};

describe('A job that is delivered again', () => {
  let client: Client;
  let socket: FakeSocket;

  beforeEach(async () => {
    ({ client, socket } = await connectFake());
  });

  afterEach(() => client.destroy());

  const reserve = (id = '7'): Promise<Job> => delivered(client.reserve({ timeout: 0 }), socket, id);
  const settle = (settling: Promise<void>, reply: string): Promise<void> => answered(settling, socket, reply);

  async function sentBy(action: () => unknown): Promise<string> {
    const before = socket.sent.length;
    action();
    await nextTurn();
    return socket.sent.slice(before);
  }

  for (const [command, change] of Object.entries(CHANGES)) {
    it(`is not changed by a ${command} of the one who had it before: that rejects, and nothing is sent`, async () => {
      const first = await reserve();
      await settle(first.release(), 'RELEASED');
      const second = await reserve();
      const sent = await sentBy(() => {
        return rejection(change(first), NotFoundError).then((error) => {
          expect(error).to.include({ code: 'NOT_FOUND', command, jobId: '7' });
        });
      });
      expect(sent).to.equal('');
      await settle(second.delete(), 'DELETED');
    });

    it(`is not changed by a ${command} of one whose TTR is over`, async () => {
      const first = await reserve();
      const second = await reserve();
      expect(await sentBy(() => rejection(change(first), NotFoundError))).to.equal('');
      await settle(second.delete(), 'DELETED');
    });
  }

  it('is deleted once: a second delete rejects at once, and nothing is sent', async () => {
    const job = await reserve();
    const deleted = job.delete();
    await nextTurn();
    expect(await sentBy(() => rejection(job.delete(), NotFoundError))).to.equal('');
    await settle(deleted, 'DELETED');
    expect(await sentBy(() => rejection(job.touch(), NotFoundError))).to.equal('');
  });

  it('may come by a reserve that is out: what is sent for one who has released it waits for a touch', async () => {
    const first = await reserve();
    await settle(first.release(), 'RELEASED');
    const again = client.reserve({ timeout: 0 });
    const deleted = rejection(first.delete(), NotFoundError);
    await nextTurn();
    socket.reply('RESERVED 7 1\r\nx\r\nTOUCHED\r\n');
    await deleted;
    const second = (await again) ?? expect.fail('no job');
    await settle(second.delete(), 'DELETED');
    expect(socket.sent).to.match(/reserve-with-timeout 0\r\ntouch 7\r\ndelete 7\r\n$/);
  });

  it('is over for the holder of one of very many that were given up before it', async () => {
    const first = await reserve('0');
    await settle(first.bury(), 'BURIED');
    for (let id = 1; id <= 1000; id++) {
      const job = await reserve(`${id}`);
      await settle(job.bury(), 'BURIED');
    }
    expect(await sentBy(() => rejection(first.delete(), NotFoundError))).to.equal('');
  });

  it('after it was settled by its id is not held by its job either', async () => {
    const job = await reserve();
    await settle(client.bury('7'), 'BURIED');
    const second = await reserve();
    expect(await sentBy(() => rejection(job.delete(), NotFoundError))).to.equal('');
    await settle(second.delete(), 'DELETED');
  });

  it('by its id, with reserve-job, is another delivery as well', async () => {
    const first = await reserve();
    await settle(first.bury(), 'BURIED');
    const second = await delivered(client.reserveJob('7'), socket, '7');
    expect(await sentBy(() => rejection(first.delete(), NotFoundError))).to.equal('');
    await settle(second.delete(), 'DELETED');
  });

  it('may be changed by one who has given it up, as by anybody, until it is delivered again', async () => {
    const job = await reserve();
    await settle(job.bury(), 'BURIED');
    await settle(job.delete(), 'DELETED');
    expect(socket.sent).to.match(/bury 7 1024\r\ndelete 7\r\n$/);
  });

  it('may be deleted by one whose TTR is over, as by anybody, until it is delivered again', async () => {
    const [first, second] = [await reserve('7'), await reserve('8')];
    for (const job of [first, second]) {
      const touched = rejection(job.touch(), NotFoundError);
      socket.reply('NOT_FOUND\r\n');
      await touched;
    }
    await settle(first.delete(), 'DELETED');
    const third = await reserve('8');
    expect(await sentBy(() => rejection(second.delete(), NotFoundError))).to.equal('');
    await settle(third.delete(), 'DELETED');
  });

  it('tells its stats to whoever asks', async () => {
    const job = await reserve();
    await settle(job.delete(), 'DELETED');
    const stats = job.stats();
    socket.reply('NOT_FOUND\r\n');
    expect(await stats).to.equal(null);
  });
});

describe('A job whose TTR may be over while a reserve is out', () => {
  const clock = useFakeClock();
  let client: Client;
  let socket: FakeSocket;
  let first: Job;
  let alreadySent: number;

  beforeEach(async () => {
    ({ client, socket } = await connectFake());
    first = await delivered(client.reserve({ timeout: 0 }), socket, '7');
    await clock.tickAsync(1000);
    // The TTR watchdog checks the job.
    socket.reply('OK 30\r\nstate: reserved\ntime-left: 10\n\r\n');
    await nextTurn();
    alreadySent = socket.sent.length;
  });

  afterEach(() => client.destroy());

  const sent = async (): Promise<string> => {
    await nextTurn();
    return socket.sent.slice(alreadySent);
  };

  it('is not settled for another holder to whom that reserve brings it', async () => {
    const again = client.reserve({ timeout: 0 });
    const deleted = rejection(first.delete(), NotFoundError);
    expect(await sent()).to.equal('reserve-with-timeout 0\r\ntouch 7\r\n');
    socket.reply('RESERVED 7 1\r\nx\r\nTOUCHED\r\n');
    expect(await deleted).to.include({ command: 'delete', jobId: '7' });
    const second = (await again) ?? expect.fail('no job');
    const settled = second.delete();
    socket.reply('DELETED\r\n');
    await settled;
    expect(await sent()).to.equal('reserve-with-timeout 0\r\ntouch 7\r\ndelete 7\r\n');
  });

  it('is settled when a touch has told that it is held', async () => {
    const none = client.reserve({ timeout: 0 });
    const deleted = first.delete();
    await nextTurn();
    socket.reply('TIMED_OUT\r\nTOUCHED\r\n');
    expect(await none).to.equal(null);
    expect(await sent()).to.equal('reserve-with-timeout 0\r\ntouch 7\r\ndelete 7\r\n');
    socket.reply('DELETED\r\n');
    await deleted;
  });

  it('is told NOT_FOUND when the server says so to the touch', async () => {
    const none = client.reserve({ timeout: 0 });
    const deleted = rejection(first.delete(), NotFoundError);
    await nextTurn();
    socket.reply('TIMED_OUT\r\nNOT_FOUND\r\n');
    expect(await deleted).to.include({ command: 'delete', jobId: '7' });
    await none;
    expect(await sent()).to.equal('reserve-with-timeout 0\r\ntouch 7\r\n');
  });

  it('certainly was not settled when the connection is lost meanwhile', async () => {
    const none = rejection(client.reserve({ timeout: 0 }), ConnectionLostError);
    const deleted = rejection(first.delete(), ConnectionLostError);
    await nextTurn();
    await socket.fail(new Error('ECONNRESET'));
    expect(await deleted).to.include({ command: 'delete', sent: false });
    await none;
  });

  it('is settled without a touch by a client that quits: it hands out nothing more', async () => {
    const waiting = client.reserve();
    const deleted = first.delete();
    await nextTurn();
    const quit = client.quit();
    expect(await sent()).to.equal('reserve\r\ntouch 7\r\ndelete 7\r\n');
    expect(socket.writableEnded).to.equal(true);
    socket.reply('TIMED_OUT\r\nTOUCHED\r\nDELETED\r\n');
    socket.hangUp();
    expect(await waiting).to.equal(null);
    await Promise.all([deleted, quit]);
  });
});
