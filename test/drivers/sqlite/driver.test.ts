import { statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Connection } from '../../../src/drivers/sqlite/binding.js';
import { openSqlite } from '../../../src/drivers/sqlite/driver.js';
import { InvalidOptionError, LeaseLostError } from '../../../src/queue/errors.js';
import { toFailure } from '../../../src/queue/failure.js';
import { countsOf } from '../../support/counts.js';
import { rejection } from '../../support/failures.js';
import type { OneByOneDriver } from '../../support/one-by-one.js';
import { bindingBefore, bindingWith, bytes, next, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

const FAILURE = toFailure('broken', { reason: 'attempts', attempt: 1 });

// What every engine must do is tested by the conformance suite, in integration/conformance-sqlite.test.ts.

describe('the sqlite driver', () => {
  const files = useDatabaseFiles();

  /** A driver, and how many transactions it has committed. */
  async function openCounted(): Promise<{ readonly driver: OneByOneDriver; readonly commits: () => number }> {
    let commits = 0;
    const binding = await bindingBefore((sql) => {
      if (sql === 'COMMIT') commits++;
    });
    return { driver: await files().open('', { binding }), commits: () => commits };
  }

  it('keeps what was put when it is closed and opened again', async () => {
    const first = await files().open();
    await first.put('mail', bytes('ready'), ONE_MINUTE);
    await first.put('mail', bytes('delayed'), { ...ONE_MINUTE, delayMs: 60_000 });
    await first.put('mail', bytes('buried'), { ...ONE_MINUTE, priority: 0 });
    await (await next(await first.consume(['mail']))).bury({ failure: FAILURE });
    await first.close();
    const second = await files().open();
    expect(countsOf(await second.stats('mail'))).to.deep.equal({ ready: 1, delayed: 1, reserved: 0, buried: 1 });
    const [buried] = await second.list('mail', 'buried', 1);
    expect(buried).to.deep.include({ jobId: '3', state: 'buried', body: bytes('buried'), failure: FAILURE });
    expect(buried).to.include({ queue: 'mail', priority: 0, ttrMs: 60_000, attempts: 1, dueAt: undefined });
  });

  it('keeps installations with different prefixes apart', async () => {
    const one = await files().open('', { prefix: 'one-' });
    const other = await files().open('', { prefix: 'other-' });
    await one.put('mail', bytes('a'), ONE_MINUTE);
    expect(await one.queues()).to.deep.equal(['mail']);
    expect(await other.queues()).to.deep.equal([]);
    expect(countsOf(await other.stats('mail'))).to.include({ ready: 0 });
    expect((await next(await one.consume(['mail']))).queue).to.equal('mail');
    expect(await (await files().open()).queues()).to.deep.equal(['one-mail']);
    const error = await rejection(openSqlite(`sqlite:${files().path()}`, { prefix: '-x' }), InvalidOptionError);
    expect(error.message).to.equal(
      'a prefix must be less than 200 of A-Z a-z 0-9 - + / ; . $ _ ( ) and not begin with "-", got "-x"',
    );
  });

  it('never uses an id again, whatever has become of the message', async () => {
    const driver = await files().open();
    const put = (): Promise<string> => driver.put('mail', bytes('a'), ONE_MINUTE);
    expect(await put()).to.equal('1');
    await (await next(await driver.consume(['mail']))).ack();
    expect(await put()).to.equal('2');
    await driver.delete('mail', '2');
    expect(
      await driver.putMany(
        'mail',
        [1, 2, 3].map(() => ({ body: bytes('b'), options: ONE_MINUTE })),
      ),
    ).to.deep.equal(['3', '4', '5']);
    await driver.flush('mail');
    await driver.close();
    expect(await (await files().open()).put('other', bytes('c'), ONE_MINUTE)).to.equal('6');
  });

  it('never uses an id again in the transaction that removes its message', async () => {
    const driver = await files().open();
    const put = (): Promise<string> => driver.put('mail', bytes('a'), ONE_MINUTE);
    expect(await put()).to.equal('1');
    const reservation = await next(await driver.consume(['mail']));
    const [, second] = await Promise.all([reservation.ack(), put()]);
    expect(second).to.equal('2');
    const [, [third]] = await Promise.all([
      driver.driver.delete('mail', ['2']),
      driver.putMany('mail', [{ body: bytes('b'), options: ONE_MINUTE }]),
    ]);
    expect(third).to.equal('3');
    expect(await driver.driver.move?.('mail', 'other', ['3', '3'])).to.equal(1);
    expect((await driver.list('other', 'ready', 9)).map(({ jobId }) => jobId)).to.deep.equal(['4']);
    await Promise.all([driver.driver.flush('other', ['ready']), driver.driver.flush('mail', ['ready'])]);
    expect(await put()).to.equal('5');
  });

  it('does all that is called in one tick in one transaction', async () => {
    const { driver, commits } = await openCounted();
    const consumer = await driver.consume(['mail']);
    const held = [];
    for (const body of ['a', 'b']) await driver.put('mail', bytes(body), ONE_MINUTE);
    for (let n = 0; n < 2; n++) held.push(await next(consumer));
    const before = commits();
    const [first, second] = held;
    // However busy the machine is: what takes too long would go into another transaction.
    const clock = sinon.stub(performance, 'now').returns(performance.now());
    await Promise.all([
      first?.ack(),
      second?.release({ priority: 0 }),
      driver.put('mail', bytes('c'), ONE_MINUTE),
      driver.put('mail', bytes('d'), ONE_MINUTE),
      consumer.reserve(),
      consumer.reserve(),
    ]).finally(() => clock.restore());
    expect(commits() - before).to.equal(1);
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 1, delayed: 0, reserved: 2, buried: 0 });
  });

  it('does nothing to the others of its transaction when one has lost its lease', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail']);
    for (const ttrMs of [60_000, 1, 60_000]) await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs });
    const [one, lost, another] = await Promise.all([next(consumer), next(consumer), next(consumer)]);
    const thief = await next(await driver.consume(['mail']));
    expect(thief.jobId).to.equal(lost?.jobId);
    await Promise.all([one?.ack(), rejection(lost?.ack() ?? Promise.resolve(), LeaseLostError), another?.ack()]);
    // Its lease is as short.
    const { ready, reserved } = countsOf(await driver.stats('mail'));
    expect(ready + reserved).to.equal(1);
  });

  it('takes no more messages than reserves wait', async () => {
    const driver = await files().open();
    await driver.putMany(
      'mail',
      Array.from({ length: 20 }, () => ({ body: bytes('a'), options: ONE_MINUTE })),
    );
    const consumer = await driver.consume(['mail']);
    await Promise.all([next(consumer), next(consumer), next(consumer)]);
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 17, delayed: 0, reserved: 3, buried: 0 });
  });

  it('shares the slots between queues that take turns', async () => {
    const driver = await files().open();
    for (const queue of ['a', 'b', 'c']) {
      const count = queue === 'b' ? 1 : 10;
      await driver.putMany(
        queue,
        Array.from({ length: count }, () => ({ body: bytes(queue), options: ONE_MINUTE })),
      );
    }
    const consumer = await driver.consume(['a', 'b', 'c']);
    const taken = await Promise.all(Array.from({ length: 7 }, () => next(consumer)));
    expect(taken.map(({ queue }) => queue).sort()).to.deep.equal(['a', 'a', 'a', 'b', 'c', 'c', 'c']);
    const turns = [];
    for (let n = 0; n < 4; n++) turns.push((await next(consumer)).queue);
    expect([...new Set(turns)].sort()).to.deep.equal(['a', 'c']);
    expect(turns[0]).to.equal(turns[2]);
  });

  it('lets a message be settled late, and its lease be renewed late, where nobody has taken it', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail']);
    for (const settle of ['ack', 'bury', 'release', 'touch'] as const) {
      await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
      const reservation = await next(consumer);
      while (countsOf(await driver.stats('mail')).ready === 0) await nextTurn();
      await reservation[settle]();
      expect(reservation.lost.aborted, settle).to.equal(false);
      if (settle === 'touch') await reservation.ack();
      await driver.flush('mail');
    }
  });

  it('tells a holder at once when the same consumer gets its message again', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail']);
    await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
    const first = await next(consumer);
    const { lost } = first;
    const second = await next(consumer);
    expect([second.jobId, second.attempt]).to.deep.equal([first.jobId, 2]);
    expect(lost.aborted).to.equal(true);
    await rejection(first.ack(), LeaseLostError);
    await second.ack();
  });

  it('holds a message as long as it is told, to the longest time', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), {
      priority: 4_294_967_295,
      delayMs: 4_294_967_295_000,
      ttrMs: 4_294_967_295_000,
    });
    await driver.promote('mail', 1);
    const reservation = await next(await driver.consume(['mail']));
    expect(reservation.ttrMs).to.equal(4_294_967_295_000);
    await reservation.release({ delay: 4_294_967_295_000 });
    expect(countsOf(await driver.stats('mail'))).to.include({ delayed: 1 });
    await driver.pause('mail', 4_294_967_295_000);
  });

  it('refuses an id that it cannot have given, and knows whether one that it can have given is there', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    for (const id of ['0', '01', '1.5', ' 1', '-1', '1e0', 'abc', '99999999999999999999', 'x'.repeat(1e6)]) {
      const error = await rejection(driver.delete('mail', id), InvalidOptionError);
      expect(error.message).to.match(/^a job id must be .*, got ".{0,60}"$/);
      await rejection(driver.delete('nowhere', id), InvalidOptionError);
    }
    for (const id of ['9007199254740991', '9007199254740992', '18446744073709551615']) {
      expect(await driver.delete('mail', id)).to.equal(false);
    }
    expect(await driver.delete('nowhere', '1')).to.equal(false);
    expect(await driver.delete('mail', '1')).to.equal(true);
  });
});

describe('an SQLite file', () => {
  const files = useDatabaseFiles();

  /** What the driver's own connection says to a PRAGMA. */
  async function setting(name: string, query: string): Promise<unknown> {
    let opened: Connection | undefined;
    const binding = await bindingWith((connection) => {
      opened = connection;
    });
    await files().open(query, { binding });
    return opened?.prepare(`PRAGMA ${name}`).get([])?.[name];
  }

  it('is safe against the end of the process, and against power failure when that is asked for', async () => {
    expect(await setting('synchronous', '')).to.equal(1);
    expect(await setting('synchronous', '?synchronous=normal')).to.equal(1);
    expect(await setting('synchronous', '?synchronous=full')).to.equal(2);
  });

  it('is not written a large body again when its message is taken, held for longer and released', async () => {
    const driver = await files().open();
    await driver.put('mail', Buffer.alloc(1_000_000, 'x'), ONE_MINUTE);
    const { size: before } = statSync(files().path('haricot.db-wal'));
    const reservation = await next(await driver.consume(['mail']));
    await reservation.touch();
    await reservation.release();
    expect(statSync(files().path('haricot.db-wal')).size - before).to.be.below(100_000);
  });

  it('has a log that does not grow with what was written', async () => {
    const driver = await files().open();
    const items = Array.from({ length: 2000 }, () => ({ body: Buffer.alloc(5000), options: ONE_MINUTE }));
    for (let round = 0; round < 4; round++) {
      await driver.putMany('mail', items);
      await driver.flush('mail');
    }
    expect(statSync(files().path('haricot.db-wal')).size).to.be.below(17 * 1024 * 1024);
    // Nor does the file: what was removed gives room for what comes.
    expect(statSync(files().path()).size).to.be.below(20 * 1024 * 1024);
  });
});
