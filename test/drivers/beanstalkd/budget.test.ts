import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import type { Client } from '../../../src/client/client.js';
import { Budgets, type DeliveryCounters } from '../../../src/drivers/beanstalkd/budget.js';
import type { JournalEntries, JournalRecord } from '../../../src/drivers/beanstalkd/journal.js';

/** A journal that holds what was put. */
class FakeJournal {
  readonly records: (JournalRecord & { recordId: string })[] = [];
  listings = 0;
  failure: Error | undefined;

  put(_client: Client, record: JournalRecord): Promise<string> {
    if (this.failure) return Promise.reject(this.failure);
    const recordId = String(100 + this.records.length);
    this.records.push({ ...record, recordId });
    return Promise.resolve(recordId);
  }

  list(): Promise<JournalEntries> {
    this.listings++;
    if (this.failure) return Promise.reject(this.failure);
    return Promise.resolve(new Map(this.records.map((record) => [record.jobId, { ...record, isBurial: false }])));
  }
}

describe('The attempt of a beanstalkd job', () => {
  const client = {} as Client;
  let journal: FakeJournal;
  let budgets: Budgets;
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers({
      shouldClearNativeTimers: true,
      now: 10_000,
      toFake: ['setTimeout', 'clearTimeout', 'performance'],
    });
    journal = new FakeJournal();
    budgets = new Budgets(journal);
  });

  afterEach(() => clock.restore());

  async function attempt(counters: Partial<DeliveryCounters>, using = budgets): Promise<number> {
    const delivery = { id: '7', buries: 1, kicks: 0, reserves: 1, ...counters };
    const answer = using.attemptOf(client, delivery, performance.now());
    await clock.tickAsync(1000);
    return (await answer).attempt;
  }

  it('counts every delivery of a job that was never kicked, however it ended, and reads nothing for it', async () => {
    for (const reserves of [1, 4]) expect(await attempt({ reserves })).to.equal(reserves);
    expect(journal.listings).to.equal(0);
  });

  it('counts every delivery of a job that was kicked while it was delayed', async () => {
    expect(await attempt({ reserves: 2, buries: 0, kicks: 3 })).to.equal(2);
  });

  it('is counted from the burial before the kick, in each process alike', async () => {
    await journal.put(client, { jobId: '7', kicks: 0, reserves: 5, buries: 1 });
    expect(await attempt({ reserves: 6, kicks: 1 })).to.equal(1);
    expect(await attempt({ reserves: 7, kicks: 1 }, new Budgets(journal))).to.equal(2);
  });

  it('begins anew, and is recorded, where the burial was not: all processes count on from there', async () => {
    expect(await attempt({ reserves: 6, kicks: 1 })).to.equal(1);
    expect(journal.records).to.deep.equal([{ jobId: '7', kicks: 0, reserves: 5, buries: 1, recordId: '100' }]);
    expect(await attempt({ reserves: 7, kicks: 1 }, new Budgets(journal))).to.equal(2);
  });

  it('goes on where a kick made the job ready while it was delayed', async () => {
    await journal.put(client, { jobId: '7', kicks: 0, reserves: 5, buries: 1 });
    expect(await attempt({ reserves: 8, kicks: 2 })).to.equal(3);
  });

  it('begins anew after a burial by another program, though a record of an earlier one is there', async () => {
    await journal.put(client, { jobId: '7', kicks: 0, reserves: 5, buries: 1 });
    expect(await attempt({ reserves: 8, kicks: 2, buries: 2 })).to.equal(1);
    expect(await attempt({ reserves: 9, kicks: 2, buries: 2 }, new Budgets(journal))).to.equal(2);
  });

  it('is found with what was read before, but what may be newer is read first', async () => {
    await journal.put(client, { jobId: '7', kicks: 0, reserves: 5, buries: 1 });
    for (let reserves = 6; reserves < 10; reserves++) await attempt({ reserves, kicks: 1 });
    expect(journal.listings).to.equal(1);
    await journal.put(client, { jobId: '7', kicks: 1, reserves: 10, buries: 2 });
    expect(await attempt({ reserves: 11, kicks: 2 })).to.equal(1);
    expect(journal.listings).to.equal(2);
  });

  it('of many at once is read once, and then after a pause', async () => {
    const first = Array.from({ length: 50 }, (_, n) => attempt({ id: `${n}`, reserves: 6, kicks: 1 }));
    expect(await Promise.all(first)).to.deep.equal(first.map(() => 1));
    expect(journal.listings).to.equal(1);
    const later = budgets.attemptOf(client, { id: '98', buries: 1, kicks: 1, reserves: 6 }, performance.now());
    await clock.tickAsync(0);
    expect(journal.listings).to.equal(2);
    const soon = budgets.attemptOf(client, { id: '99', buries: 1, kicks: 1, reserves: 6 }, performance.now() + 1);
    await clock.tickAsync(19);
    expect(journal.listings).to.equal(2);
    await clock.tickAsync(1);
    expect(journal.listings).to.equal(3);
    expect([(await later).attempt, (await soon).attempt]).to.deep.equal([1, 1]);
  });

  it('is 1 where the journal cannot be read: more than one budget, but never less', async () => {
    journal.failure = new Error('gone');
    expect(await attempt({ reserves: 9, kicks: 1 })).to.equal(1);
  });

  it('is 1 where the journal is not read in time', async () => {
    journal.list = () => new Promise(() => {});
    const answer = budgets.attemptOf(client, { id: '7', buries: 1, kicks: 1, reserves: 9 }, performance.now());
    await clock.tickAsync(5000);
    expect((await answer).attempt).to.equal(1);
  });

  it('goes on in this process where the journal cannot be read or written: a budget ends, whatever happens', async () => {
    journal.failure = new Error('the server drains');
    expect([await attempt({ reserves: 9, kicks: 1 }), await attempt({ reserves: 10, kicks: 1 })]).to.deep.equal([1, 2]);
    journal.list = () => Promise.resolve(new Map());
    expect([await attempt({ id: '8', kicks: 1 }), await attempt({ id: '8', reserves: 2, kicks: 1 })]).to.deep.equal([
      1, 2,
    ]);
    // Another kick, another budget.
    expect(await attempt({ reserves: 12, kicks: 2, buries: 2 })).to.equal(1);
  });
});
