import { copyFileSync, linkSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { MIGRATIONS } from '../../../src/drivers/sqlite/schema.js';
import { EngineError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import type { OneByOneDriver } from '../../support/one-by-one.js';
import { bytes, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

/** Longer than a driver goes without a look at its file. */
const LOOK_MS = 50;

function removeAll(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
}

describe('an SQLite file that is open', () => {
  const files = useDatabaseFiles();

  const put = (driver: OneByOneDriver): Promise<string> => driver.put('mail', bytes('a'), ONE_MINUTE);

  const REPLACED = /: it was replaced by another file while it was open; put it back, or start this process again/;
  const REMOVED = /: it was removed while it was open; put it back, or start this process again/;

  for (const [what, change, message] of [
    ['removed', (path) => rmSync(path), REMOVED],
    ['moved away', (path) => renameSync(path, `${path}.moved`), REMOVED],
    [
      'replaced',
      (path) => {
        copyFileSync(path, `${path}.copy`);
        renameSync(`${path}.copy`, path);
      },
      REPLACED,
    ],
    ['removed with its log', (path) => removeAll(path), REMOVED],
    ['left alone but for its log, which is removed', (path) => rmSync(`${path}-wal`), /-wal: it was removed/],
    ['left alone but for what is shared of its log', (path) => rmSync(`${path}-shm`), /-shm: it was removed/],
    ['given another name', (path) => linkSync(path, `${path}.link`), /has 2 names \(hard links\)/],
    ['cut short', (path) => truncateSync(path, 4096), /was cut short, from \d+ to 4096 bytes/],
    ['emptied', (path) => truncateSync(path, 0), /was cut short, from \d+ to 0 bytes/],
  ] as readonly (readonly [string, (path: string) => void, RegExp])[]) {
    it(`acknowledges nothing any more when it is ${what}, and says so to all who call or wait`, async () => {
      // Moved into the file, of which something can then be cut off.
      await (await filled()).close();
      const driver = await files().open();
      await put(driver);
      const consumer = await driver.consume(['mail', 'other']);
      const held = await consumer.reserve();
      const waiting = rejection((await driver.consume(['other'])).reserve(), EngineError);
      change(files().path());
      await sleep(LOOK_MS);
      const calls = [
        put(driver),
        held?.ack() ?? Promise.resolve(),
        driver.setUp('new'),
        driver.putMany('mail', [{ body: bytes('b'), options: ONE_MINUTE }]),
        driver.flush('mail'),
        driver.stats('mail'),
        driver.list('mail', 'ready', 1),
        consumer.reserve(),
      ].map((call) => rejection(call, EngineError));
      for (const error of await Promise.all([...calls, waiting])) {
        expect(error.message).to.match(message);
        expect(error).to.include({ retryable: false, outcome: 'nothing' });
      }
      // At once, too.
      await rejection(put(driver), EngineError);
      await driver.close();
    });
  }

  async function filled(): Promise<OneByOneDriver> {
    const driver = await files().open();
    await driver.putMany(
      'mail',
      Array.from({ length: 100 }, () => ({ body: Buffer.alloc(1000), options: ONE_MINUTE })),
    );
    return driver;
  }

  it('is told of to a reserve that waits, within seconds, though nobody calls anything', async () => {
    const driver = await files().open();
    const waiting = (await driver.consume(['mail'])).reserve();
    await sleep(LOOK_MS);
    rmSync(files().path());
    expect((await rejection(waiting, EngineError)).message).to.match(REMOVED);
  });

  it('is used again when it is put back', async () => {
    const driver = await filled();
    renameSync(files().path(), files().path('moved.db'));
    await sleep(LOOK_MS);
    await rejection(put(driver), EngineError);
    renameSync(files().path('moved.db'), files().path());
    expect(await put(driver)).to.equal('101');
  });

  it('is used no longer when a newer haricot, or another program, takes it over', async () => {
    const driver = await filled();
    const other = await files().connect();
    for (const [sql, message] of [
      ['PRAGMA user_version = 99', /was written by a newer haricot \(version 99 of the file, this one knows \d+\)/],
      ['PRAGMA user_version = -1', /its version is -1, which no haricot writes/],
      ['PRAGMA user_version = 1', /was changed to version 1 while it was open/],
      [
        `PRAGMA user_version = ${MIGRATIONS.length}; PRAGMA application_id = 7; CREATE TABLE t (n)`,
        /was given to another program/,
      ],
    ] as const) {
      other.exec(sql);
      await sleep(LOOK_MS);
      expect((await rejection(put(driver), EngineError)).message, sql).to.match(message);
    }
  });

  it('may be vacuumed by another program', async () => {
    const driver = await filled();
    const other = await files().connect();
    await driver.flush('mail');
    other.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
    await sleep(LOOK_MS);
    expect(await put(driver)).to.equal('101');
  });

  it('is used no longer when a backup is restored into it in which the queues have other numbers', async () => {
    const driver = await filled();
    const other = await files().connect();
    // What restoring does: another content, and another version of the schema.
    other.exec("UPDATE queues SET name = 'else' WHERE name = 'mail'; CREATE TABLE t (n); DROP TABLE t");
    await sleep(LOOK_MS);
    expect((await rejection(put(driver), EngineError)).message).to.match(
      /was restored from a backup while it was open; put it back, or start this process again/,
    );
    expect(await (await files().open()).stats('else')).to.include({ ready: 100 });
  });

  it('can be read by nobody but its owner when it is new, with its log; one that is there keeps its mode', async () => {
    const mode = (suffix: string): string => (statSync(files().path() + suffix).mode & 0o777).toString(8);
    const umask = process.umask(0);
    try {
      const driver = await filled();
      expect(['', '-wal', '-shm'].map(mode)).to.deep.equal(['600', '600', '600']);
      await driver.close();
      removeAll(files().path());
      writeFileSync(files().path(), '', { mode: 0o640 });
      await filled();
      expect(['', '-wal', '-shm'].map(mode)).to.deep.equal(['640', '640', '640']);
    } finally {
      process.umask(umask);
    }
  });
});
