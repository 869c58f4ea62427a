// What one Node process can get out of SQLite: the fewest statements, prepared; the smallest table that would do; bytes that are
// ready. It keeps no lease and no attempts, waits for nobody and can do nothing else.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PACKAGE } from '../harness/folders.js';
import { measure } from '../harness/measure.js';
import { dataOf } from './message-worker.js';
import { type SqliteContender, temporaryFile } from './sqlite-store.js';

const QUEUE = 1;
const PRIORITY = 1024;
const READY = 0;
const TAKEN = 1;

type Binding = typeof import('../../src/drivers/sqlite/binding.js');

export async function open(): Promise<SqliteContender> {
  const file = pathToFileURL(join(PACKAGE, 'dist/drivers/sqlite/binding.js')).href;
  const { loadBinding } = (await import(file)) as Binding;
  const binding = await loadBinding();
  const connection = binding.open(temporaryFile());
  connection.exec(`
    PRAGMA page_size = 2048; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4096;
    CREATE TABLE messages (id INTEGER PRIMARY KEY, queue INTEGER, state INTEGER, priority INTEGER, body BLOB);
    CREATE INDEX in_order ON messages (queue, state, priority)`);
  const begin = connection.prepare('BEGIN IMMEDIATE');
  const commit = connection.prepare('COMMIT');
  const insert = connection.prepare('INSERT INTO messages (queue, state, priority, body) VALUES (?1, ?2, ?3, ?4)');
  const next = connection.prepare(
    'SELECT id, body FROM messages WHERE queue = ?1 AND state = ?2 ORDER BY priority, id LIMIT ?3',
  );
  const take = connection.prepare('UPDATE messages SET state = ?2 WHERE id = ?1');
  const remove = connection.prepare('DELETE FROM messages WHERE id = ?1');
  const values = [QUEUE, READY, PRIORITY, event()];

  const insertMany = (messages: number): void => {
    begin.run([]);
    for (let n = 0; n < messages; n++) insert.run(values);
    commit.run([]);
  };

  return {
    binding: async () => binding.name,

    async publish(messages) {
      const measured = await measure(messages, async () => {
        for (let n = 0; n < messages; n++) insert.run(values);
      });
      connection.exec('DELETE FROM messages');
      return measured;
    },

    async publishMany(messages) {
      const measured = await measure(messages, async () => insertMany(messages));
      connection.exec('DELETE FROM messages');
      return measured;
    },

    async work(messages, concurrency) {
      insertMany(messages);
      return measure(messages, async () => {
        let held: readonly { readonly id?: unknown }[] = [];
        do {
          begin.run([]);
          for (const { id } of held) remove.run([Number(id)]);
          held = next.all([QUEUE, READY, concurrency]);
          for (const { id } of held) take.run([Number(id), TAKEN]);
          commit.run([]);
        } while (held.length > 0);
      });
    },

    idle: async () => 0,
  };
}

/** As long as what a queue makes of the same data. */
function event(): Buffer {
  return Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: '00000000-0000-4000-8000-000000000000',
      source: '/haricot/bench',
      type: 'bench.message',
      time: new Date(0).toISOString(),
      datacontenttype: 'application/json',
      data: dataOf(10_000),
    }),
  );
}
