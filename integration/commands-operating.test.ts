/*
 * Rows of the command table and their replies; the words stand in the test titles.
 *
 * kick        KICKED <count>
 * kick-job    commands-by-id
 * pause-tube  PAUSED, NOT_FOUND
 * quit        no reply, end of the connection
 */
import { expect } from 'chai';
import { ClosedError, Job, NotFoundError } from '../src/client/index.js';
import { onSharedServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { until, untilWaitedFor } from './support/until.js';

describe('kick', () => {
  const fixture = onSharedServer();

  it('answers KICKED with the number of jobs, buried ones alone while there are any, then delayed ones', async () => {
    const client = await fixture.connectTo(fixture.tube());
    for (let count = 0; count < 3; count++) await (await client.reserveJob(await client.put(''))).bury();
    await client.put('', { delay: 400 });
    const soonest = await client.put('', { delay: 300 });
    expect(await client.kick(2)).to.equal(2);
    expect(await client.kick(10), 'the last buried job').to.equal(1);
    expect(await client.kick(1)).to.equal(1);
    expect(await client.statsJob(soonest)).to.include({ state: 'ready', kicks: 1 });
    expect(await client.kick(10)).to.equal(1);
    expect(await client.kick(10)).to.equal(0);
  });

  it('kicks what was buried first, and keeps its priority', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const [one, other] = [await client.put(''), await client.put('')];
    await (await client.reserveJob(other)).bury({ priority: 9 });
    await (await client.reserveJob(one)).bury({ priority: 0 });
    expect(await client.kick(1)).to.equal(1);
    expect(await client.statsJob(other)).to.include({ state: 'ready', pri: 9 });
    expect(await client.statsJob(one)).to.include({ state: 'buried', pri: 0 });
  });

  it('kicks in the used tube alone', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('', { delay: 300 });
    await client.use(fixture.tube());
    expect(await client.kick(10)).to.equal(0);
  });

  it('kicks nothing for 0, and everything for the largest number that is sent', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await Promise.all([client.put('', { delay: 300 }), client.put('', { delay: 300 })]);
    expect(await client.kick(0)).to.equal(0);
    expect(await client.kick(4_294_967_295)).to.equal(2);
  });
});

describe('pause-tube', () => {
  const fixture = onSharedServer();

  it('answers PAUSED, and from then on reserve gets nothing from the tube', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    const id = await client.put('');
    await client.pauseTube(tube, 300);
    expect(await client.statsTube(tube)).to.include({ pause: 300, cmdPauseTube: 1, currentJobsReady: 1 });
    expect(await client.reserve({ timeout: 0 })).to.equal(null);
    expect((await client.peekReady())?.id).to.equal(id);
    await client.put('', { priority: 0 });
    expect(await client.reserve({ timeout: 0 })).to.equal(null);
  });

  it('stops neither reserve-job nor delete nor kick', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    const [one, other] = [await client.put(''), await client.put('', { delay: 300 })];
    await client.pauseTube(tube, 300);
    expect(await client.kick(1)).to.equal(1);
    expect(await client.reserveJob(one)).to.be.instanceOf(Job);
    await client.delete(other);
  });

  it('ends a pause with 0, at once for those who wait', async () => {
    const tube = fixture.tube();
    const [consumer, operator] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    await operator.put('');
    await operator.pauseTube(tube, 300);
    const waiting = consumer.reserve({ timeout: 60 });
    await untilWaitedFor(tube, operator);
    await operator.pauseTube(tube, 0);
    expect(await waiting).to.be.instanceOf(Job);
    expect(await operator.statsTube(tube)).to.include({ pause: 0, pauseTimeLeft: 0, cmdPauseTube: 2 });
  });

  it('ends by itself after so many seconds', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    await client.put('');
    const start = performance.now();
    await client.pauseTube(tube, 1);
    expect(await client.reserve({ timeout: 60 })).to.be.instanceOf(Job);
    expect(performance.now() - start).to.be.at.least(990);
  });

  it('takes the largest number of seconds and the longest name there are', async () => {
    const tube = fixture.tube().padEnd(200, '-');
    const client = await fixture.connectTo(tube);
    await client.pauseTube(tube, 4_294_967_295);
    expect(await client.statsTube(tube)).to.include({ name: tube, pause: 4_294_967_295 });
  });

  it('answers NOT_FOUND for a tube that does not exist, and does not create it', async () => {
    const tube = fixture.tube();
    const client = await fixture.connect();
    const error = await rejects(client.pauseTube(tube, 1), NotFoundError);
    expect(error).to.include({ code: 'NOT_FOUND', command: 'pause-tube' });
    expect(await client.statsTube(tube)).to.equal(null);
  });
});

describe('quit', () => {
  const fixture = onSharedServer();

  it('gets no reply: the server closes, having answered what came before', async () => {
    const raw = await fixture.connectRaw();
    raw.send('list-tube-used\r\nquit\r\nlist-tube-used\r\n');
    await raw.receives('USING default\r\n');
    // A reset where the server noticed in time that bytes came behind the quit.
    expect(await raw.ends()).to.be.oneOf(['end of file', 'ECONNRESET']);
  });

  it('resolves when the connection is closed and everything before it is answered; later calls reject', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const puts = Promise.all([client.put('a'), client.put('b')]);
    const quit = client.quit();
    expect(client.isOpen).to.equal(false);
    const error = await rejects(client.stats(), ClosedError);
    expect(error).to.include({ code: 'CLOSED', command: 'stats' });
    await quit;
    expect(await puts).to.have.length(2);
    await client.quit();
  });

  it('is sent at the end of an await using block', async () => {
    const tube = fixture.tube();
    const witness = await fixture.connect();
    {
      await using client = await fixture.connectTo(tube);
      expect(await client.statsTube(tube)).to.include({ currentUsing: 1 });
    }
    await until('the connection is gone', async () => (await witness.statsTube(tube)) === null);
  });
});
