/*
 * Rows of the command table and their replies; the words stand in the test titles.
 *
 * peek                                   FOUND, NOT_FOUND
 * peek-ready, peek-delayed, peek-buried  FOUND, NOT_FOUND
 * stats-job, stats-tube                  OK, NOT_FOUND
 * stats                                  OK
 * list-tubes, list-tubes-watched         OK
 * list-tube-used                         USING
 *
 * What the statistics say is the subject of stats.test.ts.
 */
import { expect } from 'chai';
import { type Client, NotFoundError, ProtocolError, StoredJob } from '../src/client/index.js';
import { onSharedServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { until } from './support/until.js';

describe('peek', () => {
  const fixture = onSharedServer();

  it('answers FOUND with a job of any tube in any state, without reserving it', async () => {
    const tube = fixture.tube();
    const owner = await fixture.connectTo(tube);
    const states = {
      ready: await owner.put('ready', { priority: 2 }),
      delayed: await owner.put('delayed', { delay: 300 }),
      buried: await owner.put('buried'),
      reserved: await owner.put('reserved'),
    };
    await (await owner.reserveJob(states.buried)).bury();
    await owner.reserveJob(states.reserved);
    const client = await fixture.connect();
    for (const [state, id] of Object.entries(states)) {
      const job = await client.peek(id);
      expect(job)
        .to.be.instanceOf(StoredJob)
        .and.deep.include({ id, body: Buffer.from(state) });
      expect(await client.statsJob(id)).to.include({ state });
    }
  });

  it('answers NOT_FOUND for a job that does not exist, which is null, also for the smallest and the largest id', async () => {
    const client = await fixture.connect();
    for (const id of [0, '9007199254740993', 18_446_744_073_709_551_615n]) {
      expect(await client.peek(id)).to.equal(null);
    }
  });

  describe('of a job that another connection is still uploading', () => {
    it('answers FOUND with bytes that are not the job: the call rejects and the client goes on', async () => {
      const { client, id } = await uploading();
      const [error, used] = await Promise.all([rejects(client.peek(id), ProtocolError), client.listTubeUsed()]);
      expect(error).to.include({ code: 'PROTOCOL', command: 'peek', jobId: id });
      expect(used).to.equal('default');
      expect(client.isOpen).to.equal(true);
    });

    it('answers OK to stats-job with the state invalid, and NOT_FOUND to commands that would change it', async () => {
      const { client, id } = await uploading();
      expect(await client.statsJob(id)).to.include({ id, state: 'invalid' });
      for (const command of [client.delete(id), client.reserveJob(id), client.kickJob(id), client.touch(id)]) {
        await rejects(command, NotFoundError);
      }
    });

    it('answers FOUND with the job once it is complete', async () => {
      const { client, id, raw } = await uploading();
      await raw.exchanges('llo\r\n', `INSERTED ${id}\r\n`);
      expect((await client.peek(id))?.text()).to.equal('hello');
    });

    it('answers NOT_FOUND once that connection has closed', async () => {
      const { client, id, raw } = await uploading();
      raw.destroy();
      await until('the unfinished job is gone', async () => (await client.statsJob(id)) === null);
      expect(await client.peek(id)).to.equal(null);
    });

    async function uploading() {
      const tube = fixture.tube();
      const [client, raw] = [await fixture.connect(), await fixture.connectRaw()];
      await raw.exchanges(`use ${tube}\r\n`, `USING ${tube}\r\n`);
      const last = BigInt(await newestId(client, tube));
      raw.send('put 7 0 60 5\r\nhe');
      // Other connections may put at the same time: the unfinished job is the one that nobody can touch.
      let id = '';
      await until('the unfinished job is seen', async () => {
        for (let next = last + 1n; ; next++) {
          const stats = await client.statsJob(next);
          if (stats === null) return false;
          id = String(next);
          if (stats.state === 'invalid') return true;
        }
      });
      return { client, raw, id };
    }
  });
});

describe('peek-ready', () => {
  const fixture = onSharedServer();

  it('answers FOUND with the job of the used tube that a reserve would get, also while the tube is paused', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    await client.put('later', { priority: 5 });
    const id = await client.put('first', { priority: 1 });
    await client.pauseTube(tube, 60);
    expect(await client.peekReady()).to.deep.include({ id, body: Buffer.from('first') });
  });

  it('answers NOT_FOUND where no job is ready, which is null', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('', { delay: 300 });
    expect(await client.peekReady()).to.equal(null);
  });

  it('looks into the used tube alone', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('');
    await client.use(fixture.tube());
    expect(await client.peekReady()).to.equal(null);
  });
});

describe('peek-delayed', () => {
  const fixture = onSharedServer();

  it('answers FOUND with the job of the used tube that becomes ready first', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('', { delay: 400 });
    const id = await client.put('soon', { delay: 300, priority: 9999 });
    expect(await client.peekDelayed()).to.deep.include({ id, body: Buffer.from('soon') });
  });

  it('answers NOT_FOUND where no job is delayed, which is null', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('');
    expect(await client.peekDelayed()).to.equal(null);
  });
});

describe('peek-buried', () => {
  const fixture = onSharedServer();

  it('answers FOUND with the job of the used tube that was buried first, whatever its priority', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const [one, other] = [await client.put('one'), await client.put('other')];
    await (await client.reserveJob(other)).bury({ priority: 9 });
    await (await client.reserveJob(one)).bury({ priority: 0 });
    expect(await client.peekBuried()).to.deep.include({ id: other, body: Buffer.from('other') });
  });

  it('answers NOT_FOUND where no job is buried, which is null', async () => {
    const client = await fixture.connectTo(fixture.tube());
    await client.put('');
    expect(await client.peekBuried()).to.equal(null);
  });
});

describe('stats-job', () => {
  const fixture = onSharedServer();

  it('answers OK for a job of any tube', async () => {
    const tube = fixture.tube();
    const id = await (await fixture.connectTo(tube)).put('');
    expect(await (await fixture.connect()).statsJob(id)).to.include({ id, tube, state: 'ready' });
  });

  it('answers NOT_FOUND for a job that does not exist, which is null', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const id = await client.put('');
    const job = await client.reserve();
    await job?.delete();
    expect(await client.statsJob(id)).to.equal(null);
    expect(await job?.stats()).to.equal(null);
    expect(await client.statsJob(0)).to.equal(null);
  });
});

describe('stats-tube', () => {
  const fixture = onSharedServer();

  it('answers OK for a tube that somebody uses or watches, or that holds a job', async () => {
    const tube = fixture.tube();
    const [user, client] = await Promise.all([fixture.connectTo(tube), fixture.connect()]);
    expect(await client.statsTube(tube)).to.include({ name: tube, currentUsing: 1, currentWatching: 1 });
    await user.put('');
    await user.quit();
    await until('the tube is left', async () => (await client.statsTube(tube))?.currentUsing === 0);
    expect(await client.statsTube(tube)).to.include({ name: tube, currentWatching: 0, currentJobsReady: 1 });
  });

  it('answers NOT_FOUND for a tube that does not exist, which is null, and does not create it', async () => {
    const tube = fixture.tube();
    const client = await fixture.connect();
    expect(await client.statsTube(tube)).to.equal(null);
    expect(await client.listTubes()).to.not.include(tube);
  });
});

describe('stats', () => {
  const fixture = onSharedServer();

  it('answers OK and counts itself', async () => {
    const client = await fixture.connect();
    const [first, second] = await Promise.all([client.stats(), client.stats()]);
    expect(second.cmdStats).to.be.at.least(first.cmdStats + 1);
    expect(second.id).to.equal(first.id);
  });
});

describe('list-tubes', () => {
  const fixture = onSharedServer();

  it('answers OK with every tube there is', async () => {
    const [used, watched, absent] = [fixture.tube(), fixture.tube(), fixture.tube()];
    const [one, other] = [await fixture.connect(), await fixture.connect()];
    await one.use(used);
    await one.watch(watched);
    expect(await other.listTubes()).to.include.members(['default', used, watched]);
    expect(await other.listTubes()).to.not.include(absent);
  });
});

describe('list-tube-used', () => {
  const fixture = onSharedServer();

  it('answers USING with the used tube, default at first', async () => {
    const tube = fixture.tube();
    const client = await fixture.connect();
    expect(await client.listTubeUsed()).to.equal('default');
    await client.use(tube);
    expect(await client.listTubeUsed()).to.equal(tube);
  });
});

describe('list-tubes-watched', () => {
  const fixture = onSharedServer();

  it('answers OK with the watched tubes, default at first, in an order that means nothing', async () => {
    const tubes = [fixture.tube(), fixture.tube(), fixture.tube()];
    const client = await fixture.connect();
    expect(await client.listTubesWatched()).to.deep.equal(['default']);
    for (const tube of tubes) await client.watch(tube);
    await client.ignore('default');
    expect(await client.listTubesWatched()).to.have.members(tubes);
  });
});

/** The id of a job that is put for this purpose. */
async function newestId(client: Client, tube: string): Promise<string> {
  await client.use(tube);
  const id = await client.put('');
  await client.delete(id);
  await client.use('default');
  return id;
}
