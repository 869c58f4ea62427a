import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import { countsOf } from '../../support/counts.js';
import { bytes, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

describe('the sqlite driver leaves the event loop its turns', () => {
  const files = useDatabaseFiles();

  afterEach(() => sinon.restore());

  /** How often it turned meanwhile. */
  async function turnsDuring(action: () => Promise<unknown>): Promise<number> {
    let turns = 0;
    let done = false;
    const turning = (async () => {
      while (!done) {
        await nextTurn();
        turns++;
      }
    })();
    await action();
    done = true;
    await turning;
    return turns;
  }

  it('while a caller awaits one put after the other', async () => {
    const driver = await files().open();
    const turns = await turnsDuring(async () => {
      for (let n = 0; n < 1000; n++) await driver.put('mail', bytes('a'), ONE_MINUTE);
    });
    expect(turns).to.be.at.least(20);
  });

  it('while a caller awaits one look after the other', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const turns = await turnsDuring(async () => {
      for (let n = 0; n < 2000; n++) await driver.stats('mail');
    });
    expect(turns).to.be.at.least(5);
  });

  it('while it stores a long list, and other processes see all of it or nothing', async () => {
    const driver = await files().open();
    await driver.setUp('mail');
    const other = await files().connect();
    const count = other.prepare('SELECT count(*) AS count FROM messages');
    const seen = new Set<unknown>();
    const items = Array.from({ length: 8000 }, () => ({ body: Buffer.alloc(200), options: ONE_MINUTE }));
    let turns = 0;
    let isDone = false;
    // A machine on which each look at the clock costs a millisecond: by the real one a fast binding would be done in a turn.
    let now = performance.now();
    sinon.stub(performance, 'now').callsFake(() => ++now);
    const putting = driver.putMany('mail', items).finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await nextTurn();
      seen.add(count.get([])?.['count']);
      turns++;
    }
    expect((await putting).length).to.equal(8000);
    expect([...seen]).to.have.members([0, 8000]);
    expect(turns).to.be.at.least(10);
  });

  it('while it stores, counts, promotes and flushes very many messages, and other processes the lock', async () => {
    const driver = await files().open();
    const other = await files().connect();
    let locks = 0;
    const items = Array.from({ length: 30_000 }, () => ({
      body: bytes('a'),
      options: { ...ONE_MINUTE, delayMs: 90_000 },
    }));
    const work: readonly (() => Promise<unknown>)[] = [
      () => driver.putMany('mail', items),
      () => driver.stats('mail'),
      () => driver.promote('mail', 30_000),
      () => driver.flush('mail'),
    ];
    for (const call of work) {
      const turns = await turnsDuring(async () => {
        const calling = call();
        void nextTurn().then(() => {
          try {
            other.exec('BEGIN IMMEDIATE; ROLLBACK');
            locks++;
          } catch {
            // In the middle of one part of the list.
          }
        });
        await calling;
      });
      expect(turns).to.be.at.least(2);
    }
    expect(locks).to.be.at.least(3);
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
  });

  it('while it deletes messages by their ids, of which any may be large', async () => {
    const driver = await files().open();
    const ids = await driver.putMany(
      'mail',
      Array.from({ length: 200 }, () => ({ body: bytes('a'), options: ONE_MINUTE })),
    );
    // As above: a millisecond for each look at the clock, of which there is one for each message.
    let now = performance.now();
    sinon.stub(performance, 'now').callsFake(() => ++now);
    let deleted = 0;
    const turns = await turnsDuring(async () => {
      deleted = await driver.driver.delete('mail', [...ids, ...ids]);
    });
    expect(deleted).to.equal(200);
    expect(turns).to.be.at.least(10);
  });

  it('while it stores a long list in a transaction of the user', async () => {
    const driver = await files().open();
    const items = Array.from({ length: 200 }, () => ({ queue: 'mail', body: bytes('a'), options: ONE_MINUTE }));
    let now = performance.now();
    sinon.stub(performance, 'now').callsFake(() => ++now);
    const turns = await turnsDuring(async () => {
      await driver.driver.transaction?.((transaction) => driver.driver.put(items, { transaction }));
    });
    expect(turns).to.be.at.least(20);
    expect(await driver.stats('mail')).to.include({ ready: 200 });
  });

  it('while somebody publishes as fast as a flush removes, which ends', async () => {
    const driver = await files().open();
    await driver.putMany(
      'mail',
      Array.from({ length: 2000 }, () => ({ body: bytes('a'), options: ONE_MINUTE })),
    );
    let isFlushed = false;
    const publishing = (async () => {
      while (!isFlushed)
        await driver.putMany(
          'mail',
          Array.from({ length: 300 }, () => ({ body: bytes('b'), options: { ...ONE_MINUTE, priority: 1 } })),
        );
    })();
    const flushed = await driver.flush('mail');
    isFlushed = true;
    await publishing;
    expect(flushed).to.be.at.least(2000);
    expect((await driver.list('mail', 'ready', 1))[0]?.body.toString()).to.equal('b');
  });

  it('while leases of a millisecond end all the time', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
    const consumer = await driver.consume(['mail']);
    const turns = await turnsDuring(async () => {
      for (let n = 0; n < 100; n++) await consumer.reserve();
    });
    expect(turns).to.be.at.least(3);
  });
});
