import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Binding, Connection } from '../../../src/drivers/sqlite/binding.js';
import { APPLICATION_ID, MIGRATIONS, migrate } from '../../../src/drivers/sqlite/schema.js';
import { EngineError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import { bindingWith, bytes, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

const TAGGED = 'ALTER TABLE messages ADD COLUMN tag TEXT';
const TAGS = "CREATE TABLE tags (name TEXT); INSERT INTO tags VALUES ('first')";

describe('the schema of an SQLite file', () => {
  const files = useDatabaseFiles();

  function versionOf(connection: Connection): unknown {
    return connection.prepare('PRAGMA user_version').get([])?.['user_version'];
  }

  it('is made in a file that is new, which is marked as ours', async () => {
    await files().open();
    const connection = await files().connect();
    expect(versionOf(connection)).to.equal(MIGRATIONS.length);
    expect(connection.prepare('PRAGMA application_id').get([])).to.include({ application_id: APPLICATION_ID });
    expect(connection.prepare('PRAGMA journal_mode').get([])).to.include({ journal_mode: 'wal' });
  });

  it('is brought from an older version to the newest, step by step, and keeps what is there', async () => {
    const old = await files().open('', { migrations: MIGRATIONS });
    const id = await old.put('mail', bytes('kept'), ONE_MINUTE);
    await old.close();
    const between = await files().open('', { migrations: [...MIGRATIONS, TAGGED] });
    await between.close();
    const connection = await files().connect();
    expect(versionOf(connection)).to.equal(MIGRATIONS.length + 1);
    const driver = await files().open('', { migrations: [...MIGRATIONS, TAGGED, TAGS] });
    expect(versionOf(connection)).to.equal(MIGRATIONS.length + 2);
    expect(connection.prepare('SELECT tag FROM messages').all([])).to.have.length(1);
    expect(connection.prepare('SELECT name FROM tags').all([])).to.have.length(1);
    expect((await driver.list('mail', 'ready', 9)).map(({ jobId }) => jobId)).to.deep.equal([id]);
  });

  it('stays at the version before a step that fails, of which nothing is left', async () => {
    const migrations = [...MIGRATIONS, TAGGED, `${TAGS}; INSERT INTO nowhere VALUES (1)`];
    const error = await rejection(files().open('', { migrations }), EngineError);
    expect(error.message).to.equal(`cannot use ${files().path()}: SQLite reports: no such table: nowhere`);
    const connection = await files().connect();
    expect(versionOf(connection)).to.equal(MIGRATIONS.length + 1);
    expect(connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'tags'").all([])).to.deep.equal([]);
    await files().open('', { migrations: [...MIGRATIONS, TAGGED, TAGS] });
    expect(versionOf(connection)).to.equal(MIGRATIONS.length + 2);
  });

  /** What opens the file when another process migrates it in the same moment, so. */
  async function bindingBehind(other: Connection, migrations: readonly string[]): Promise<Binding> {
    return bindingWith((connection) => {
      const { exec } = connection;
      let isFirst = true;
      Object.assign(connection, {
        exec(sql: string) {
          // After it has looked which version the file has, before it has the lock.
          if (sql === 'BEGIN IMMEDIATE' && isFirst) migrate(other, files().path(), migrations);
          isFirst &&= sql !== 'BEGIN IMMEDIATE';
          Reflect.apply(exec, connection, [sql]);
        },
      });
    });
  }

  it('is migrated once, when another process does so in the same moment', async () => {
    const migrations = [...MIGRATIONS, TAGGED, TAGS];
    const other = await files().connect();
    await files().open('', { binding: await bindingBehind(other, migrations), migrations });
    expect(other.prepare('SELECT name FROM tags').all([])).to.have.length(1);
    expect(versionOf(other)).to.equal(migrations.length);
  });

  it('is refused when a newer haricot makes it in the same moment', async () => {
    const other = await files().connect();
    const binding = await bindingBehind(other, [...MIGRATIONS, TAGGED]);
    await rejection(files().open('', { binding }), EngineError);
    expect(versionOf(other)).to.equal(MIGRATIONS.length + 1);
  });

  it('is refused when a newer haricot has made it, and left as it is', async () => {
    await (await files().open('', { migrations: [...MIGRATIONS, TAGGED] })).close();
    const error = await rejection(files().open(), EngineError);
    expect(error.message).to.equal(
      `cannot use ${files().path()}: it was written by a newer haricot (version ${MIGRATIONS.length + 1} of the file, this one knows ${MIGRATIONS.length}); upgrade haricot and start this process again`,
    );
    expect(versionOf(await files().connect())).to.equal(MIGRATIONS.length + 1);
  });

  it("is refused when it is another program's, and left as it is", async () => {
    for (const sql of [
      'CREATE TABLE users (name TEXT)',
      'PRAGMA application_id = 252006673',
      'PRAGMA user_version = 7',
      'CREATE TABLE messages (body BLOB); PRAGMA user_version = 1',
    ]) {
      const connection = await files().connect();
      connection.exec(sql);
      const error = await rejection(files().open(), EngineError);
      expect(error.message, sql).to.equal(
        `cannot use ${files().path()}: it belongs to another program (it is an SQLite database, but not haricot's); name another file`,
      );
      expect(connection.prepare('PRAGMA journal_mode').get([])).to.include({ journal_mode: 'delete' });
      connection.exec('PRAGMA application_id = 0; PRAGMA user_version = 0; DROP TABLE IF EXISTS users; VACUUM');
    }
  });

  it('is refused when its version is none that haricot writes', async () => {
    await (await files().open()).close();
    const connection = await files().connect();
    for (const version of [-1, -2_147_483_648, 2_147_483_647]) {
      connection.exec(`PRAGMA user_version = ${version}`);
      const error = await rejection(files().open(), EngineError);
      expect(error.message).to.include(`cannot use ${files().path()}`).and.include(String(version));
    }
  });

  it('keeps the messages of version 1, with the reasons of burials as failures, and their order', async () => {
    const connection = await files().connect();
    connection.exec('PRAGMA journal_mode = WAL');
    migrate(connection, files().path(), MIGRATIONS.slice(0, 1));
    connection.exec("INSERT INTO queues (name) VALUES ('mail')");
    const insert = connection.prepare(
      `INSERT INTO messages (queue, state, priority, due, token, ttr, created, reason, body)
       VALUES (1, ?1, ?2, ?3, 70368744177664, 60000, 1, ?4, ?5)`,
    );
    const text = 'cut\0at "nothing"';
    insert.run([5, 1, 2_000, text, bytes('second')]);
    insert.run([5, 9, 1_000, '{"message": 1}', bytes('first')]);
    insert.run([5, 0, 3_000, null, bytes('third')]);
    insert.run([2, 4, 1, null, bytes('ready')]);
    insert.run([3, 4, 5, null, bytes('due')]);
    const driver = await files().open();
    const buried = await driver.list('mail', 'buried', 9);
    expect(buried.map(({ body }) => body.toString())).to.deep.equal(['first', 'second', 'third']);
    expect(buried.map(({ failure }) => failure?.message)).to.deep.equal(['{"message": 1}', text, undefined]);
    expect(buried[1]?.failure).to.deep.include({ reason: 'attempts', name: 'Error', at: new Date(2000) });
    expect((await driver.list('mail', 'ready', 9)).map(({ body }) => body.toString())).to.deep.equal(['ready', 'due']);
  });

  it('keeps the messages of version 2 in every state, their leases, the pauses, and the highest id that was used', async () => {
    const connection = await files().connect();
    connection.exec('PRAGMA journal_mode = WAL');
    migrate(connection, files().path(), MIGRATIONS.slice(0, 2));
    const later = Date.now() + 60_000;
    connection.exec(`INSERT INTO queues (name, paused_until) VALUES ('mail', ${later})`);
    const insert = connection.prepare(
      `INSERT INTO messages (id, queue, state, priority, due, token, ttr, attempts, created, failure, body)
       VALUES (?1, 1, ?2, 7, ?3, 70368744177664, 60000, 3, 1000, ?4, ?5)`,
    );
    const failure = '{"reason":"invalid","name":"Error","message":"no","at":"2026-01-01T00:00:00.000Z"}';
    insert.run([1, 2, 1, failure, bytes('ready')]);
    insert.run([2, 3, later, null, bytes('delayed')]);
    insert.run([3, 4, later, null, bytes('reserved')]);
    insert.run([4, 5, 1, failure, bytes('buried')]);
    insert.run([9, 2, 1, null, bytes('gone')]);
    connection.exec('DELETE FROM messages WHERE id = 9');
    const driver = await files().open();
    expect(versionOf(connection)).to.equal(MIGRATIONS.length);
    for (const [index, state] of (['ready', 'delayed', 'reserved', 'buried'] as const).entries()) {
      const { messages } = await driver.driver.list('mail', { state, limit: 9 });
      expect(messages.map(({ body }) => body.toString())).to.deep.equal([state]);
      expect(messages[0]).to.include({ jobId: String(index + 1), priority: 7, ttrMs: 60_000, attempts: 3 });
      expect(messages[0]?.failure?.reason).to.equal(index % 3 === 0 ? 'invalid' : undefined);
    }
    expect((await driver.stats('mail'))?.pausedUntil).to.deep.equal(new Date(later));
    expect(await driver.put('mail', bytes('new'), ONE_MINUTE)).to.equal('10');
  });

  it('is made in a file that is empty', async () => {
    await writeFile(files().path(), '');
    const driver = await files().open();
    expect(await driver.put('mail', bytes('a'), ONE_MINUTE)).to.equal('1');
  });
});
