import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Client } from '../../src/client/client.js';
import { ClosedError, NotFoundError } from '../../src/client/errors.js';
import type { Job } from '../../src/client/job.js';
import { rejection } from '../support/failures.js';
import { answered, connectFake, delivered, type FakeSocket } from '../support/fake-socket.js';

describe('quit, with jobs held or on their way', () => {
  let client: Client;
  let socket: FakeSocket;

  beforeEach(async () => {
    ({ client, socket } = await connectFake());
  });

  afterEach(() => client.destroy());

  const hold = (id: string): Promise<Job> => delivered(client.reserve({ timeout: 0 }), socket, id);
  const settle = (settling: Promise<void>, reply: string): Promise<void> => answered(settling, socket, reply);

  const sentSince = async (before: number): Promise<string> => {
    await nextTurn();
    return socket.sent.slice(before);
  };

  it('hands out no job that comes meanwhile: the reserve is answered null, and the job goes back with the connection', async () => {
    const reserved = [client.reserve(), client.reserve({ timeout: 5 })];
    await nextTurn();
    const quit = client.quit();
    expect(socket.writableEnded).to.equal(true);
    socket.reply('RESERVED 1 1\r\nx\r\nTIMED_OUT\r\n');
    expect(await Promise.all(reserved)).to.deep.equal([null, null]);
    socket.hangUp();
    await quit;
  });

  it('hands out no job by its id either', async () => {
    const reserved = rejection(client.reserveJob('1'), ClosedError);
    await nextTurn();
    const quit = client.quit();
    socket.reply('RESERVED 1 1\r\nx\r\n');
    expect(await reserved).to.include({ code: 'CLOSED', command: 'reserve-job' });
    socket.hangUp();
    await quit;
  });

  it('lets what is held be settled, by its methods and by its id, and ends then', async () => {
    const [first, second, third] = [await hold('1'), await hold('2'), await hold('3')];
    const quit = client.quit();
    const before = socket.sent.length;
    await rejection(client.put('x'), ClosedError);
    await settle(first.touch(), 'TOUCHED');
    await settle(first.delete(), 'DELETED');
    await settle(client.bury('2'), 'BURIED');
    await rejection(second.delete(), ClosedError);
    expect(socket.writableEnded).to.equal(false);
    await settle(third.release(), 'RELEASED');
    expect(await sentSince(before)).to.equal('touch 1\r\ndelete 1\r\nbury 2 1024\r\nrelease 3 1024 0\r\nquit\r\n');
    expect(socket.writableEnded).to.equal(true);
    socket.hangUp();
    await quit;
    await rejection(third.delete(), ClosedError);
  });

  it('ends a waiting reserve when what is held is settled, and gives a job back that it brings before', async () => {
    const held = await hold('1');
    const waiting = client.reserve();
    await nextTurn();
    const before = socket.sent.length;
    const quit = client.quit();
    socket.reply('RESERVED 2 1\r\nx\r\n');
    expect(await waiting).to.equal(null);
    expect(await sentSince(before)).to.equal('stats-job 2\r\n');
    socket.reply('OK 7\r\npri: 5\n\r\n');
    await nextTurn();
    await nextTurn();
    const deleted = held.delete();
    expect(await sentSince(before)).to.equal('stats-job 2\r\nrelease 2 5 0\r\ndelete 1\r\n');
    socket.reply('RELEASED\r\nDELETED\r\n');
    await deleted;
    expect(await sentSince(before)).to.match(/quit\r\n$/);
    socket.hangUp();
    await quit;
  });

  it('waits no longer when the server says that a job is not held any more', async () => {
    const held = await hold('1');
    const quit = client.quit();
    const touched = rejection(held.touch(), NotFoundError);
    socket.reply('NOT_FOUND\r\n');
    await touched;
    expect(await sentSince(0)).to.match(/quit\r\n$/);
    socket.hangUp();
    await quit;
  });

  it('gives back at once what is held, when it is told to', async () => {
    const held = await hold('1');
    const quit = client.quit({ waitForJobs: false });
    expect(await sentSince(0)).to.match(/quit\r\n$/);
    await rejection(held.delete(), ClosedError);
    socket.hangUp();
    await quit;
  });

  it('waits for what is held no longer than quitTimeoutMs', async () => {
    client.destroy();
    ({ client, socket } = await connectFake({ quitTimeoutMs: 20 }));
    const held = await hold('1');
    await client.quit();
    expect(socket.destroyed).to.equal(true);
    await rejection(held.delete(), ClosedError);
  });

  it('is what the end of an `await using` does', async () => {
    const held = await hold('1');
    const disposed = client[Symbol.asyncDispose]();
    await settle(held.delete(), 'DELETED');
    socket.hangUp();
    await disposed;
    expect(client).to.be.instanceOf(Client);
    expect(socket.sent).to.match(/delete 1\r\nquit\r\n$/);
  });
});
