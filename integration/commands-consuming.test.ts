/*
 * Rows of the command table and their replies; the words stand in the test titles.
 *
 * reserve               RESERVED, DEADLINE_SOON, TIMED_OUT
 * reserve-with-timeout  RESERVED, DEADLINE_SOON, TIMED_OUT
 * reserve-job           RESERVED, NOT_FOUND (for each state of a job: commands-by-id)
 * watch                 WATCHING
 * ignore                WATCHING, NOT_IGNORED
 *
 * When DEADLINE_SOON comes is the subject of ttr.test.ts; BAD_FORMAT that of commands-malformed.
 */
import { expect } from 'chai';
import { DeadlineSoonError, Job, NotFoundError, NotIgnoredError } from '../src/client/index.js';
import { onSharedServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { until, untilWaitedFor } from './support/until.js';

describe('reserve', () => {
  const fixture = onSharedServer();

  it('answers RESERVED with the body to the byte, and then the job is held', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const id = await client.put(Buffer.from([0, 255, 13, 10]));
    const job = await client.reserve();
    expect(job)
      .to.be.instanceOf(Job)
      .and.deep.include({ id, body: Buffer.from([0, 255, 13, 10]) });
    expect(await job?.stats()).to.include({ id, state: 'reserved', reserves: 1 });
  });

  it('waits until there is a job', async () => {
    const tube = fixture.tube();
    const [consumer, producer] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    const waiting = consumer.reserve();
    await untilWaitedFor(tube, producer);
    const id = await producer.put('');
    expect((await waiting)?.id).to.equal(id);
  });

  it('takes the lowest priority number over all watched tubes, and among equals the oldest job', async () => {
    const [one, other] = [fixture.tube(), fixture.tube()];
    const client = await fixture.connectTo(one);
    await client.watch(other);
    const put = async (tube: string, priority: number) => {
      await client.use(tube);
      return client.put('', { priority });
    };
    const ids = [await put(one, 5), await put(other, 5), await put(other, 1), await put(one, 5), await put(one, 0)];
    const order = await Promise.all(ids.map(async () => (await client.reserve())?.id));
    expect(order).to.deep.equal([ids[4], ids[2], ids[0], ids[1], ids[3]]);
  });

  it('answers DEADLINE_SOON in the last second of a held job', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('', { ttr: 1 });
    const [, error] = await Promise.all([client.reserve(), rejects(client.reserve(), DeadlineSoonError)]);
    expect(error).to.include({ code: 'DEADLINE_SOON', command: 'reserve' });
  });

  it('answers TIMED_OUT when the sending side is closed, then what was sent behind it, then closes', async () => {
    const tube = fixture.tube();
    const [raw, witness] = [await fixture.connectRaw(), await fixture.connect()];
    await raw.exchanges(`watch ${tube}\r\nignore default\r\n`, 'WATCHING 2\r\nWATCHING 1\r\n');
    raw.send('reserve\r\nlist-tube-used\r\n');
    await untilWaitedFor(tube, witness);
    expect(raw.unread).to.equal('');
    raw.endSending();
    await raw.receives('TIMED_OUT\r\nUSING default\r\n');
    expect(await raw.ends()).to.equal('end of file');
  });
});

describe('reserve-with-timeout', () => {
  const fixture = onSharedServer();

  it('answers RESERVED at once where a job is ready, whatever the timeout', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const ids = [await client.put('a'), await client.put('b')];
    const jobs = await Promise.all([client.reserve({ timeout: 0 }), client.reserve({ timeout: 2_147_483_647 })]);
    expect(jobs.map((job) => job?.id)).to.deep.equal(ids);
  });

  it('answers TIMED_OUT at once for 0, which is null', async () => {
    const client = await fixture.connectTo(fixture.tube());
    expect(await client.reserve({ timeout: 0 })).to.equal(null);
  });

  it('answers TIMED_OUT after so many seconds', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const start = performance.now();
    expect(await client.reserve({ timeout: 1 })).to.equal(null);
    expect(performance.now() - start).to.be.at.least(990);
  });

  it('waits for ever with the largest timeout that is sent', async () => {
    const tube = fixture.tube();
    const [consumer, producer] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    const waiting = consumer.reserve({ timeout: 2_147_483_647 });
    await untilWaitedFor(tube, producer);
    await producer.put('');
    expect(await waiting).to.be.instanceOf(Job);
  });

  it('answers DEADLINE_SOON in the last second of a held job, also for 0', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('', { ttr: 1 });
    const [, error] = await Promise.all([client.reserve(), rejects(client.reserve({ timeout: 0 }), DeadlineSoonError)]);
    expect(error).to.include({ code: 'DEADLINE_SOON', command: 'reserve-with-timeout' });
  });
});

describe('reserve-job', () => {
  const fixture = onSharedServer();

  it('answers RESERVED with a job of a tube that is neither watched nor running', async () => {
    const tube = fixture.tube();
    const producer = await fixture.connectTo(tube);
    const id = await producer.put('this one');
    await producer.pauseTube(tube, 60);
    const client = await fixture.connect();
    const job = await client.reserveJob(id);
    expect(job.text()).to.equal('this one');
    expect(await client.statsJob(id)).to.include({ state: 'reserved', reserves: 1 });
    await job.delete();
  });

  it('answers NOT_FOUND for a job that does not exist, also with the smallest and the largest id', async () => {
    const client = await fixture.connect();
    for (const id of [0, '18446744073709551615', 9_007_199_254_740_993n]) {
      const error = await rejects(client.reserveJob(id), NotFoundError);
      expect(error).to.include({ code: 'NOT_FOUND', command: 'reserve-job', jobId: String(id) });
    }
  });

  it('is answered as ever where a reserve would get DEADLINE_SOON', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const [held, wanted] = [await client.put('', { ttr: 1, priority: 0 }), await client.put('')];
    const [first, job] = await Promise.all([
      client.reserve(),
      client.reserveJob(wanted),
      rejects(client.reserveJob(0), NotFoundError),
      rejects(client.reserve(), DeadlineSoonError),
    ]);
    expect([first?.id, job.id]).to.deep.equal([held, wanted]);
  });

  it('leaves a job that was buried or delayed ready when the connection ends', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const buried = await client.put('');
    await (await client.reserveJob(buried)).bury();
    const delayed = await client.put('', { delay: 300 });
    const taker = await fixture.connect();
    await Promise.all([taker.reserveJob(buried), taker.reserveJob(delayed)]);
    await taker.quit({ waitForJobs: false });
    for (const id of [buried, delayed]) {
      await until(`job ${id} is ready`, async () => (await client.statsJob(id))?.state === 'ready');
    }
  });
});

describe('watch', () => {
  const fixture = onSharedServer();

  it('answers WATCHING with the number of tubes, a tube that is watched twice counting once', async () => {
    const [one, other] = [fixture.tube(), fixture.tube()];
    const client = await fixture.connect();
    expect(await client.watch(one)).to.equal(2);
    expect(await client.watch(one)).to.equal(2);
    expect(await client.watch(other)).to.equal(3);
    expect(await client.listTubesWatched()).to.have.members(['default', one, other]);
  });

  it('creates the tube', async () => {
    const tube = fixture.tube();
    const client = await fixture.connect();
    await client.watch(tube);
    expect(await client.statsTube(tube)).to.include({ name: tube, currentWatching: 1, currentUsing: 0 });
  });
});

describe('ignore', () => {
  const fixture = onSharedServer();

  it('answers WATCHING with the number that is left, also for a tube that was not watched', async () => {
    const [one, other] = [fixture.tube(), fixture.tube()];
    const client = await fixture.connect();
    await client.watch(one);
    expect(await client.ignore(other)).to.equal(2);
    expect(await client.ignore('default')).to.equal(1);
    expect(await client.ignore(other)).to.equal(1);
    expect(await client.listTubesWatched()).to.deep.equal([one]);
    expect(await client.statsTube(other), 'ignore creates no tube').to.equal(null);
  });

  it('answers NOT_IGNORED for the only one, which stays watched', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const watched = await client.listTubesWatched();
    const error = await rejects(client.ignore(watched[0] ?? ''), NotIgnoredError);
    expect(error).to.include({ code: 'NOT_IGNORED', command: 'ignore' });
    expect(await client.listTubesWatched()).to.deep.equal(watched);
  });
});
