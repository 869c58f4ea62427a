import { expect } from 'chai';
import { Client } from '../src/client/client.js';
import { Budgets } from '../src/drivers/beanstalkd/budget.js';
import { Journal, type JournalEntries, type JournalEntry } from '../src/drivers/beanstalkd/journal.js';
import { Tubes } from '../src/drivers/beanstalkd/tubes.js';
import { toFailure } from '../src/queue/failure.js';
import { onSharedServer } from './support/fixture.js';

const FAILURE = toFailure(new Error('no route'), { reason: 'attempts', attempt: 5 });

describe('The journal of failed messages on beanstalkd', () => {
  const fixture = onSharedServer();
  const tubes = new Tubes('');
  let tube: string;
  let records: string;
  let lock: string;
  let journal: Journal;
  let client: Client;

  beforeEach(async () => {
    tube = fixture.tube();
    ({ records, lock } = tubes.journalOf(tube));
    journal = new Journal(tubes, tube, () => Client.connect(fixture.server.url, { reconnect: false }));
    client = await fixture.connectTo(tube);
  });

  afterEach(async () => {
    for (const name of [records, lock]) {
      const own = await fixture.connectTo(name);
      for (let job = await own.reserve({ timeout: 0 }); job; job = await own.reserve({ timeout: 0 }))
        await job.delete();
    }
  });

  async function bury(from: Client, text = 'a'): Promise<string> {
    await client.put(text);
    const job = await from.reserve();
    if (job === null) throw new Error('nothing was reserved');
    const stats = await job.stats();
    if (stats === null) throw new Error('it is gone');
    const { kicks, reserves, buries } = stats;
    const recording = journal.put(from, { jobId: job.id, kicks, reserves, buries: buries + 1, failure: FAILURE });
    await Promise.all([recording, job.bury()]);
    return job.id;
  }

  const idsOf = (entries: JournalEntries): string[] => [...entries.keys()];
  const entryOf = (entries: JournalEntries, jobId: string): JournalEntry => {
    const entry = entries.get(jobId);
    if (entry === undefined) throw new Error(`there is no record of ${jobId}`);
    return entry;
  };

  it('lists what was buried, the oldest first, with its failure', async () => {
    const ids = [await bury(client), await bury(client), await bury(client)];
    const entries = await journal.list();
    expect(idsOf(entries)).to.deep.equal(ids);
    expect([...entries.values()].every(({ isBurial }) => isBurial)).to.equal(true);
    expect(await journal.failureOf(client, entryOf(entries, ids[0] ?? ''))).to.deep.equal(FAILURE);
  });

  it('keeps no more than 16 KiB of a failure, nor more than a server with a log keeps', async () => {
    const failure = toFailure(new Error('日\0'.repeat(100_000), { cause: 'x'.repeat(100_000) }), FAILURE);
    const record = { jobId: '1', kicks: 0, reserves: 1, buries: 1, isBurial: true };
    for (const [maxJobSize, most] of [
      [65_535, 16 * 1024],
      [16 * 1024, 16 * 1024 - 2],
      [4000, 3998],
    ] as const) {
      const recordId = await journal.put(client, { ...record, failure }, maxJobSize);
      expect((await client.peek(recordId))?.body.length).to.be.within(most / 2, most);
      expect((await journal.failureOf(client, { ...record, recordId }))?.message).to.match(/^日/);
    }
  });

  it('lists nothing where nothing was buried, and leaves one lock', async () => {
    expect((await journal.list()).size).to.equal(0);
    expect((await journal.list()).size).to.equal(0);
    expect((await client.statsTube(lock))?.currentJobsReady).to.equal(1);
  });

  it('is complete in each of several listings at once, also where no lock was there', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 1200; n++) ids.push(await bury(client));
    const listings = await Promise.all(Array.from({ length: 8 }, () => journal.list()));
    for (const entries of listings) expect(idsOf(entries)).to.deep.equal(ids);
  });

  it('forgets what is gone, and keeps what was kicked or is reserved', async () => {
    const [gone, kicked, held] = [await bury(client), await bury(client), await bury(client)];
    await client.delete(gone);
    await client.kickJob(kicked);
    await client.kickJob(held);
    const job = await client.reserve();
    expect(job?.id).to.equal(kicked);
    const entries = await journal.list();
    expect([...entries.values()].map(({ jobId, isBurial }) => [jobId, isBurial])).to.deep.equal([
      [kicked, false],
      [held, false],
    ]);
    expect((await client.statsTube(records))?.currentJobsReady).to.equal(2);
  });

  it('forgets the older record of a job that was buried again, and what is no record', async () => {
    const id = await bury(client);
    await client.kickJob(id);
    const job = await client.reserve();
    await Promise.all([journal.put(client, { jobId: id, kicks: 1, reserves: 2, buries: 2 }), job?.bury()]);
    const counters = { kicks: 0, reserves: 0, buries: 9 };
    const foreign = [
      { jobId: 5, ...counters },
      { jobId: 'x y', ...counters },
      { jobId: '99999999999999999999', ...counters },
      { jobId: '0', ...counters },
      { jobId: id, ...counters, reserves: 'many' },
      { jobId: id, ...counters, kicks: null },
    ];
    for (const text of ['', 'text', 'null', ...foreign.map((record) => JSON.stringify(record))]) {
      await client.tube(records).put(text);
    }
    const entries = await journal.list();
    expect([...entries.values()].map(({ jobId, kicks, isBurial }) => ({ jobId, kicks, isBurial }))).to.deep.equal([
      { jobId: id, kicks: 1, isBurial: true },
    ]);
    expect((await client.statsTube(records))?.currentJobsReady).to.equal(1);
  });

  it('says in a retryable error that another listing does not end', async () => {
    const other = await fixture.connectTo(lock);
    await other.put('');
    await other.reserve();
    const error = await journal.list().catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'ENGINE', retryable: true });
  });

  it('keeps a record without the failure where hardly anything of that would fit, and says so', async () => {
    const record = { jobId: '1', kicks: 0, reserves: 1, buries: 1 };
    const refused = journal.put(client, { ...record, failure: FAILURE }, 1000).catch((error: unknown) => error);
    expect(await refused).to.include({ code: 'ENGINE' });
    expect(JSON.parse((await client.tube(records).peekReady())?.text() ?? '')).to.deep.equal(record);
  });

  describe('tells the attempt', () => {
    let budgets: Budgets;

    beforeEach(() => {
      budgets = new Budgets(journal);
    });

    /** The attempt of the next delivery, which is released. */
    async function attempt(using = budgets): Promise<number> {
      const reservedAt = performance.now();
      const job = await client.reserve();
      const stats = await job?.stats();
      if (job === null || stats === null || stats === undefined) throw new Error('nothing was reserved');
      const known = await using.attemptOf(client, stats, reservedAt);
      await job.release();
      return known.attempt;
    }

    it('of a message that was never kicked', async () => {
      await client.put('a');
      expect([await attempt(), await attempt(), await attempt()]).to.deep.equal([1, 2, 3]);
      expect(await client.statsTube(records)).to.equal(null);
    });

    it('anew after each kick, whatever the budgets were', async () => {
      await client.put('a');
      await attempt();
      await attempt();
      await client.put('b', { priority: 5000 });
      for (const deliveries of [3, 1]) {
        const job = await client.reserve();
        const stats = await job?.stats();
        if (!job || !stats) throw new Error('nothing was reserved');
        const { id: jobId, kicks, reserves, buries } = stats;
        await Promise.all([journal.put(client, { jobId, kicks, reserves, buries: buries + 1 }), job.bury()]);
        await client.kickJob(jobId);
        const attempts: number[] = [];
        for (let n = 0; n < deliveries; n++) attempts.push(await attempt());
        expect(attempts).to.deep.equal([1, 2, 3].slice(0, deliveries));
      }
    });

    it('in a process that begins later, and counts deliveries that ended in a crash', async () => {
      const id = await bury(client);
      await client.kickJob(id);
      const crashing = await fixture.connectTo(tube);
      await crashing.reserve();
      crashing.destroy();
      expect(await attempt(new Budgets(journal))).to.equal(2);
      expect(await attempt(new Budgets(journal))).to.equal(3);
    });

    it('of what other programs have buried: one new budget, which all processes count', async () => {
      await client.put('a');
      for (let n = 0; n < 4; n++) await attempt();
      const job = await client.reserve();
      await job?.bury();
      await client.kick(1);
      expect([await attempt(), await attempt(new Budgets(journal)), await attempt()]).to.deep.equal([1, 2, 3]);
    });

    it('anew after each burial by another program', async () => {
      await client.put('a');
      const attempts: number[] = [];
      for (let n = 0; n < 3; n++) {
        attempts.push(await attempt(), await attempt());
        await (await client.reserve())?.bury();
        await client.kick(1);
      }
      expect(attempts).to.deep.equal([1, 2, 1, 2, 1, 2]);
    });

    it('on and on after a kick that only made a delayed message ready', async () => {
      const id = await bury(client);
      await client.kickJob(id);
      expect(await attempt()).to.equal(1);
      const job = await client.reserve();
      await job?.release({ delay: 100 });
      await client.kickJob(id);
      expect(await attempt()).to.equal(3);
    });
  });
});
