import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Connection } from '../../../src/drivers/sqlite/binding.js';
import { openSqlite } from '../../../src/drivers/sqlite/driver.js';
import { EngineError } from '../../../src/queue/errors.js';
import { countsOf } from '../../support/counts.js';
import { rejection } from '../../support/failures.js';
import { bindingBefore, bindingWith, bytes, next, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

const NOBODY = 65_534;

/** As a user who may not write what belongs to others; root may write everything. */
async function asSomebody<T>(action: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    return await action();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe('an SQLite file that cannot be used', () => {
  const files = useDatabaseFiles();

  async function fails(opening: Promise<unknown>, message: string): Promise<void> {
    const error = await rejection(opening, EngineError);
    expect(error.message).to.equal(message);
    expect(error.cause).to.be.instanceOf(Error);
    expect(error).to.include({ retryable: false, outcome: 'nothing' });
  }

  it('is in a folder that does not exist', async () => {
    const folder = join(files().folder, 'data');
    await fails(
      openSqlite(`sqlite:${folder}/haricot.db`, { prefix: '' }),
      `cannot open ${folder}/haricot.db: there is no folder ${folder}; create it first`,
    );
  });

  it('is a folder', async () => {
    mkdirSync(files().path());
    await fails(files().open(), `cannot open ${files().path()}: it is a folder; name a file in it`);
  });

  it('is no database', async () => {
    const text = 'this is a text, not a database\n'.repeat(200);
    writeFileSync(files().path(), text);
    await fails(
      files().open(),
      `cannot open ${files().path()}: it is not an SQLite database; name another file, or move this one away`,
    );
    expect(readFileSync(files().path(), 'utf8')).to.equal(text);
  });

  it('is damaged', async () => {
    const driver = await files().open();
    const many = Array.from({ length: 500 }, () => ({ body: Buffer.alloc(500, 'x'), options: ONE_MINUTE }));
    await driver.putMany('mail', many);
    await driver.close();
    const content = readFileSync(files().path());
    // All pages but the first, which has the schema, and the roots of the tables behind it.
    writeFileSync(files().path('damaged.db'), content.fill(0xa5, 20 * 2048));
    const damaged = await openSqlite(`sqlite:${files().path('damaged.db')}`, { prefix: '' });
    const consumer = await damaged.consume(['mail']);
    const path = files().path('damaged.db');
    const message = `cannot read ${path}: it is damaged (database disk image is malformed); restore a backup, or save what can be read with: sqlite3 ${path} .recover`;
    await fails(damaged.list('mail', { state: 'ready', limit: 500 }), message);
    await fails(damaged.flush('mail', ['ready']), message);
    await fails(Promise.all(Array.from({ length: 500 }, () => consumer.reserve())), message);
    await damaged.close();
  });

  it('is no file: a pipe, a device', async () => {
    execFileSync('mkfifo', [files().path()]);
    expect((await rejection(files().open(), EngineError)).message).to.equal(
      `cannot open ${files().path()}: it is a pipe, not a file; name a file`,
    );
    expect((await rejection(openSqlite('sqlite:/dev/null', { prefix: '' }), EngineError)).message).to.equal(
      'cannot open /dev/null: it is a device, not a file; name a file',
    );
  });

  it('has several names, each of which would have a log of its own', async () => {
    await (await files().open()).close();
    linkSync(files().path(), files().path('other.db'));
    expect((await rejection(files().open(), EngineError)).message).to.equal(
      `cannot use ${files().path()}: it has 2 names (hard links), and SQLite would keep a log for each; remove all but one`,
    );
  });

  it('may not be written', async () => {
    await (await files().open()).close();
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(files().path() + suffix)) chmodSync(files().path() + suffix, 0o444);
    }
    chmodSync(files().folder, 0o777);
    await fails(
      asSomebody(() => files().open()),
      `cannot write ${files().path()}: it is read-only for this user; give the right to write the file, its -wal and -shm files and their folder`,
    );
  });

  it('is to be made in a folder that may not be written', async () => {
    chmodSync(files().folder, 0o555);
    await fails(
      asSomebody(() => files().open()),
      `cannot open ${files().path()}: this user has no right to; give the right to read and write the file, its -wal and -shm files and its folder`,
    );
    chmodSync(files().folder, 0o755);
  });
});

describe('an SQLite file on a full disk', () => {
  const files = useDatabaseFiles();
  let connection: Connection | undefined;

  async function openFull(): ReturnType<ReturnType<typeof files>['open']> {
    connection = undefined;
    // The first one writes, others read.
    const binding = await bindingWith((opened) => {
      connection ??= opened;
    });
    return files().open('', { binding });
  }

  /** Lets the file grow by so many pages. */
  function room(pages: number): void {
    const count = Number(connection?.prepare('PRAGMA page_count').get([])?.['page_count']);
    connection?.exec(`PRAGMA max_page_count = ${count + pages}`);
  }

  it('stores nothing of what is put at once, says so, and goes on when there is room again', async () => {
    const driver = await openFull();
    const first = await driver.put('mail', bytes('first'), ONE_MINUTE);
    room(5);
    const puts = [bytes('small'), Buffer.alloc(100_000), bytes('other')].map((body) =>
      driver.put('mail', body, ONE_MINUTE),
    );
    for (const error of await Promise.all(puts.map((put) => rejection(put, EngineError)))) {
      expect(error).to.include({ retryable: true, outcome: 'nothing' });
      expect(error.message).to.equal(
        `cannot write ${files().path()}: there is no room left (database or disk is full), and nothing was changed; free some of the disk and try again`,
      );
    }
    expect((await driver.list('mail', 'ready', 9)).map(({ jobId }) => jobId)).to.deep.equal([first]);
    expect(await driver.put('mail', bytes('small'), ONE_MINUTE)).to.equal('2');
    room(100);
    expect(await driver.put('mail', Buffer.alloc(100_000), ONE_MINUTE)).to.equal('3');
  });

  const list = (count: number, size: number) =>
    Array.from({ length: count }, () => ({ body: Buffer.alloc(size), options: ONE_MINUTE }));

  it('stores a list or nothing of it', async () => {
    const driver = await openFull();
    await driver.setUp('mail');
    room(500);
    const error = await rejection(driver.putMany('mail', list(5000, 500)), EngineError);
    expect(error).to.include({ retryable: true, outcome: 'nothing' });
    expect(error).not.to.have.property('storedIds');
    expect(await driver.stats('mail')).to.include({ ready: 0 });
    expect(await driver.putMany('mail', list(3, 500))).to.deep.equal(['1', '2', '3']);
  });

  it('tells which of a list are stored that is too long for one transaction', async () => {
    const driver = await openFull();
    await driver.setUp('mail');
    room(10_000);
    const error = await rejection(driver.putMany('mail', list(300, 100_000)), EngineError);
    expect(error).to.include({ retryable: true, outcome: 'partial' });
    const stored = await driver.list('mail', 'ready', 300);
    expect(stored.length).to.be.within(1, 299);
    expect(error.storedIds).to.have.length(300);
    expect(error.storedIds?.filter((id) => id !== undefined)).to.deep.equal(stored.map(({ jobId }) => jobId));
    expect(error.message).to.match(
      new RegExp(
        `^cannot store all 300 messages: only ${stored.length} are known to be stored; cannot write .*: there is no room`,
      ),
    );
  });

  it('hands out no message whose taking could not be written', async () => {
    let failing = false;
    const binding = await bindingBefore((sql) => {
      if (failing && sql === 'COMMIT') throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
    });
    const driver = await files().open('', { binding });
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const consumer = await driver.consume(['mail']);
    failing = true;
    await rejection(consumer.reserve(), EngineError);
    failing = false;
    expect(countsOf(await driver.stats('mail'))).to.include({ ready: 1, reserved: 0 });
    await driver.setUp('other');
    const [first, second] = await Promise.all([consumer.reserve(), consumer.reserve({ timeoutMs: 20 })]);
    expect([first?.attempt, second]).to.deep.equal([1, null]);
  });

  it('lets messages be held that cannot be settled, and settled when there is room', async () => {
    const driver = await openFull();
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const reservation = await (await driver.consume(['mail'])).reserve();
    room(0);
    const filling = driver.put('mail', Buffer.alloc(100_000), ONE_MINUTE);
    const acking = reservation?.ack() ?? Promise.resolve();
    await Promise.all([rejection(filling, EngineError), rejection(acking, EngineError)]);
    expect(reservation?.lost.aborted).to.equal(false);
    expect(countsOf(await driver.stats('mail'))).to.include({ reserved: 1 });
    await reservation?.ack();
    expect(countsOf(await driver.stats('mail'))).to.include({ reserved: 0, ready: 0 });
  });

  it('takes no message from its holder that could not be deleted', async () => {
    let failing = false;
    const binding = await bindingBefore((sql) => {
      if (failing && sql === 'COMMIT') throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
    });
    const driver = await files().open('', { binding });
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const reservation = await next(await driver.consume(['mail']));
    failing = true;
    await rejection(driver.delete('mail', reservation.jobId), EngineError);
    expect(reservation.lost.aborted).to.equal(false);
    failing = false;
    expect(await driver.delete('mail', reservation.jobId)).to.equal(true);
    expect(reservation.lost.aborted).to.equal(true);
  });
});

describe('an SQLite file whose disk fails', () => {
  const files = useDatabaseFiles();
  let failing: string | undefined;

  /** A driver, one of whose statements fails as with a broken disk, when a test says so. */
  async function openFailing(): ReturnType<ReturnType<typeof files>['open']> {
    failing = undefined;
    const binding = await bindingBefore((sql) => {
      if (failing !== undefined && sql.startsWith(failing)) {
        throw Object.assign(new Error('disk I/O error'), { errcode: 10 + (4 << 8) });
      }
    });
    return files().open('', { binding });
  }

  const MESSAGE = (path: string): string =>
    `cannot read or write ${path}: the disk or the file system fails (disk I/O error); check it and try again`;

  it('says that nobody can tell what a commit has done', async () => {
    const driver = await openFailing();
    await driver.setUp('mail');
    failing = 'COMMIT';
    const puts = [driver.put('mail', bytes('a'), ONE_MINUTE), driver.put('mail', bytes('b'), ONE_MINUTE)];
    for (const error of await Promise.all(puts.map((put) => rejection(put, EngineError)))) {
      expect(error).to.include({ retryable: false, outcome: 'unknown' });
      expect(error.message).to.equal(`${MESSAGE(files().path())}; it may have been done or not`);
      expect((error.cause as Error).message).to.equal('disk I/O error');
    }
    const many = Array.from({ length: 500 }, () => ({ body: bytes('c'), options: ONE_MINUTE }));
    expect(await rejection(driver.putMany('mail', many), EngineError)).to.include({ outcome: 'unknown' });
    // One put alone commits by itself.
    failing = 'INSERT INTO messages';
    expect(await rejection(driver.put('mail', bytes('a'), ONE_MINUTE), EngineError)).to.include({ outcome: 'unknown' });
  });

  it('says that nothing was done when it fails before', async () => {
    const driver = await openFailing();
    await driver.setUp('mail');
    failing = 'INSERT INTO messages';
    const many = Array.from({ length: 500 }, () => ({ body: bytes('c'), options: ONE_MINUTE }));
    const calls = [driver.putMany('mail', many), driver.putMany('mail', many.slice(1, 3))];
    for (const error of await Promise.all(calls.map((call) => rejection(call, EngineError)))) {
      expect(error).to.include({ retryable: false, outcome: 'nothing' });
      expect(error.message).to.equal(MESSAGE(files().path()));
    }
    failing = undefined;
    expect(await driver.putMany('mail', many.slice(1, 3))).to.have.length(2);
    expect(await driver.stats('mail')).to.include({ ready: 2 });
  });
});

describe('an SQLite file that another process has locked', () => {
  const files = useDatabaseFiles();
  const message = (ms: string): RegExp =>
    new RegExp(
      `^cannot write .*haricot\\.db: another process has held its lock for ${ms} ms; end that process, or raise the option busyTimeout$`,
    );

  it('is waited for, and the event loop goes on meanwhile', async () => {
    const driver = await files().open();
    await driver.setUp('mail');
    const other = await files().connect();
    other.exec('BEGIN IMMEDIATE');
    let ticks = 0;
    const ticking = setInterval(() => {
      if (++ticks === 20) other.exec('COMMIT');
    }, 5);
    try {
      expect(await driver.put('mail', bytes('a'), ONE_MINUTE)).to.equal('1');
    } finally {
      clearInterval(ticking);
    }
    expect(ticks).to.be.at.least(20);
  });

  it('is given up when `busyTimeout` is over, by those who wait for messages too', async () => {
    const driver = await files().open('?busyTimeout=50');
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const consumer = await driver.consume(['mail']);
    const other = await files().connect();
    other.exec('BEGIN IMMEDIATE');
    const calls = [driver.put('mail', bytes('b'), ONE_MINUTE), driver.flush('mail'), consumer.reserve()];
    for (const error of await Promise.all(calls.map((call) => rejection(call, EngineError)))) {
      expect(error.message).to.match(message('(5[0-9]|[6-9][0-9]|[0-9]{3,4})'));
      expect(error).to.include({ retryable: true, outcome: 'nothing' });
      expect((error.cause as Error).message).to.equal('database is locked');
    }
    other.exec('COMMIT');
    expect((await consumer.reserve())?.body.toString()).to.equal('a');
    expect(await driver.put('mail', bytes('b'), ONE_MINUTE)).to.equal('2');
  });

  it('is not given up because the event loop was blocked', async () => {
    const driver = await files().open('?busyTimeout=100');
    await driver.setUp('mail');
    const other = await files().connect();
    other.exec('BEGIN IMMEDIATE');
    const putting = driver.put('mail', bytes('a'), ONE_MINUTE);
    await nextTurn();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    other.exec('COMMIT');
    expect(await putting).to.equal('1');
  });

  it('can be looked into', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const other = await files().connect();
    other.exec('BEGIN IMMEDIATE');
    expect(countsOf(await driver.stats('mail'))).to.include({ ready: 1 });
    expect(await driver.list('mail', 'ready', 1)).to.have.length(1);
    expect(await driver.queues()).to.deep.equal(['mail']);
    other.exec('COMMIT');
  });

  it('is opened when it is free, and not when that takes too long', async () => {
    const other = await files().connect();
    other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE t (n)');
    expect((await rejection(files().open('?busyTimeout=0'), EngineError)).message).to.match(message('[0-9]+'));
    const opening = files().open();
    other.exec('ROLLBACK; PRAGMA locking_mode = NORMAL; SELECT * FROM sqlite_schema');
    await opening;
  });
});
