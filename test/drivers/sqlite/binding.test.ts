import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import {
  type Binding,
  builtinBinding,
  libsqlBinding,
  loadBinding,
  toBuffer,
} from '../../../src/drivers/sqlite/binding.js';
import { EngineError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import { useDatabaseFiles } from './database-files.js';

const execFileAsync = promisify(execFile);
const builtin = builtinBinding();

const bindings: readonly [string, () => Promise<Binding>][] = [
  ['libsql', () => libsqlBinding()],
  ...(builtin ? [['node:sqlite', async () => builtin] as [string, () => Promise<Binding>]] : []),
];

for (const [name, load] of bindings) {
  describe(`SQLite by ${name}`, () => {
    const files = useDatabaseFiles();

    it('stores and reads all values that the driver uses, bytes exactly', async () => {
      const binding = await load();
      expect(binding.name).to.equal(name);
      const connection = binding.open(files().path());
      connection.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, s TEXT, b BLOB) STRICT');
      const insert = connection.prepare('INSERT INTO t (n, s, b) VALUES (?1, ?2, ?3)');
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      for (const [n, s, b] of [
        [0, '', new Uint8Array()],
        [4_294_967_295, 'ä\u{1F600}', all.subarray(3, 5)],
        [8_000_000_000_000, 'x', new Uint8Array(all.buffer, all.byteOffset + 1, 254)],
        [-1, null, Buffer.alloc(3_000_000, 7)],
      ] as const) {
        const { changes, lastInsertRowid } = insert.run([n, s, b]);
        expect(changes).to.equal(1);
        const select = connection.prepare('SELECT n, s, b FROM t WHERE id = ?1');
        for (const row of [select.get([lastInsertRowid]), select.all([lastInsertRowid])[0]]) {
          expect([row?.['n'], row?.['s']]).to.deep.equal([n, s]);
          const read = toBuffer(row?.['b']);
          expect(read).to.be.instanceOf(Buffer);
          expect(read.equals(b)).to.equal(true);
        }
      }
      connection.close();
    });

    for (const sql of ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (1)']) {
      it(`reads and writes as before after "${sql}" has met a lock`, async () => {
        const binding = await load();
        const [one, other] = [binding.open(files().path()), binding.open(files().path())];
        for (const { exec } of [one, other]) exec('PRAGMA busy_timeout = 0');
        one.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)');
        const count = one.prepare('SELECT count(*) AS count FROM t');
        const statement = one.prepare(sql);
        other.exec('BEGIN IMMEDIATE');
        for (let tries = 0; tries < 2; tries++) expect(() => statement.run([])).to.throw(/locked/);
        other.exec('COMMIT');
        for (const expected of [1, 2, 3]) {
          other.exec('INSERT INTO t VALUES (2)');
          expect(count.get([])).to.include({ count: expected });
        }
        one.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (3); COMMIT');
        expect(count.get([])).to.include({ count: 4 });
        for (const connection of [one, other]) connection.close();
      });
    }

    it('takes bytes as its only value', async () => {
      const connection = (await load()).open(files().path());
      connection.exec('CREATE TABLE t (b BLOB)');
      connection.prepare('INSERT INTO t VALUES (?1)').run([Buffer.from('a')]);
      expect(connection.prepare('SELECT count(*) AS count FROM t WHERE b = ?1').get([Buffer.from('a')])).to.include({
        count: 1,
      });
      connection.close();
    });

    it('answers with nothing where there is no row', async () => {
      const connection = (await load()).open(files().path());
      const none = connection.prepare('SELECT 1 WHERE ?1 = 2');
      expect(none.get([1])).to.equal(undefined);
      expect(none.all([1])).to.deep.equal([]);
      connection.close();
    });

    it('leaves nothing in the log when it closes, so that the file alone is whole', async () => {
      const binding = await load();
      const connection = binding.open(files().path());
      connection.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)');
      connection.close();
      await rename(files().path(), files().path('moved.db'));
      const moved = binding.open(files().path('moved.db'));
      expect(moved.prepare('SELECT n FROM t').get([])).to.include({ n: 1 });
      moved.close();
    });
  });
}

describe('the binding', () => {
  const files = useDatabaseFiles();

  it("is Node's own where it has one, and libsql otherwise", async () => {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const own = major > 22 || (major === 22 && minor >= 13);
    expect((await loadBinding()).name).to.equal(own ? 'node:sqlite' : 'libsql');
  });

  it('says what to install where there is none', async () => {
    const cause = new Error("Cannot find package 'libsql'");
    const error = await rejection(
      libsqlBinding(() => Promise.reject(cause)),
      EngineError,
    );
    expect(error.message).to.equal(
      `cannot open an SQLite file: Node ${process.version} has no SQLite of its own and the package libsql cannot be loaded; npm install libsql, or use Node 22.13 or later`,
    );
    expect(error.cause).to.equal(cause);
  });

  it('is not loaded before a file is opened, and without a word of Node about it', async () => {
    const driver = new URL('../../../src/drivers/sqlite/driver.ts', import.meta.url).href;
    const program = `
      import { createRequire } from 'node:module';
      const { cache } = createRequire(import.meta.url);
      const isLoaded = () => process.moduleLoadList.includes('NativeModule sqlite')
        || Object.keys(cache).some((file) => /[\\\\/]libsql[\\\\/]index\\.js$/.test(file));
      const { openSqlite } = await import(${JSON.stringify(driver)});
      const before = isLoaded();
      await (await openSqlite(${JSON.stringify(`sqlite:${files().path()}`)}, { prefix: '' })).close();
      process.emitWarning('mine', 'ExperimentalWarning');
      console.log(before, isLoaded());`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', program];
    const { stdout, stderr } = await execFileAsync(process.execPath, args);
    expect(stdout).to.equal('false true\n');
    // Every other warning is seen.
    expect(stderr)
      .to.match(/Warning: mine\b/)
      .and.not.match(/SQLite/);
  });
});
