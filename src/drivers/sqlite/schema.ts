import { EngineError } from '../../queue/errors.js';
import { type Connection, rollBack } from './binding.js';

/** "hari" in ASCII: what marks the file as ours, for us and for the tool `file`. */
export const APPLICATION_ID = 0x68_61_72_69;

/**
 * What makes a file of each version one of the next, from an empty file on; never changed once released. `user_version` in
 * the file counts those that were done.
 *
 * `rank` is what messages of one state are ordered by: the priority of those that are ready, else `due`: the end of the delay
 * or lease, or the place among the buried. The body comes last and the columns before it keep their width when a message is
 * taken, so that SQLite need not write a large body again.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE queues (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    paused_until INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL REFERENCES queues (id),
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    due INTEGER NOT NULL,
    token INTEGER NOT NULL,
    ttr INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    rank INTEGER NOT NULL GENERATED ALWAYS AS (CASE WHEN state IN (2, 5) THEN priority ELSE due END) VIRTUAL,
    reason TEXT,
    body BLOB NOT NULL
  ) STRICT;
  CREATE INDEX messages_in_order ON messages (queue, state, rank);
  CREATE TABLE highest_id (id INTEGER NOT NULL) STRICT;
  INSERT INTO highest_id VALUES (0);
  CREATE TRIGGER remember_highest_id AFTER DELETE ON messages
  WHEN old.id > (SELECT coalesce(max(id), 0) FROM messages)
  BEGIN
    UPDATE highest_id SET id = old.id;
  END;
  `,
  `
  DROP INDEX messages_in_order;
  ALTER TABLE messages DROP COLUMN rank;
  ALTER TABLE messages ADD COLUMN rank INTEGER
    GENERATED ALWAYS AS (CASE state WHEN 2 THEN priority ELSE due END) VIRTUAL;
  CREATE INDEX messages_in_order ON messages (queue, state, rank);
  CREATE INDEX delayed_in_order ON messages (queue, priority) WHERE state = 3;
  ALTER TABLE messages RENAME COLUMN reason TO failure;
  UPDATE messages SET failure = json_object('reason', 'attempts', 'name', 'Error', 'message', failure,
    'at', strftime('%Y-%m-%dT%H:%M:%fZ', due / 1000.0, 'unixepoch')) WHERE failure IS NOT NULL;
  `,
  // What it did for each message, a transaction now does once: see `REMEMBER_HIGHEST`.
  'DROP TRIGGER remember_highest_id;',
];

/**
 * Whether the file is empty or ours, of a version we know.
 * @throws EngineError
 */
export function checkSchema(connection: Connection, path: string, migrations: readonly string[]): void {
  const { application, version, tables } = connection
    .prepare(
      `SELECT application_id AS application, user_version AS version, (SELECT count(*) FROM sqlite_schema) AS tables
       FROM pragma_application_id, pragma_user_version`,
    )
    .get([]) as { application: number; version: number; tables: number };
  if (application !== APPLICATION_ID && (application !== 0 || version !== 0 || tables !== 0)) {
    throw new EngineError(
      `cannot use ${path}: it belongs to another program (it is an SQLite database, but not haricot's); name another file`,
    );
  }
  checkVersion(version, path, migrations.length);
}

/** @throws EngineError for a version of the file that this haricot does not know */
export function checkVersion(version: number, path: string, newest: number): void {
  if (version > newest) {
    throw new EngineError(
      `cannot use ${path}: it was written by a newer haricot (version ${version} of the file, this one knows ${newest}); upgrade haricot and start this process again`,
    );
  }
  if (version < 0) {
    throw new EngineError(
      `cannot use ${path}: its version is ${version}, which no haricot writes; restore a backup, or name another file`,
    );
  }
}

/**
 * Brings the file to the newest version, one transaction a step. Other processes may be doing the same.
 * @throws what the binding throws; the lock of another process among it: then it is to be called again
 */
export function migrate(connection: Connection, path: string, migrations: readonly string[]): void {
  const versionOf = connection.prepare('PRAGMA user_version');
  const version = (): number => Number(versionOf.get([])?.['user_version']);
  while (version() < migrations.length) {
    connection.exec('BEGIN IMMEDIATE');
    try {
      // Again, because somebody else may have had the lock before.
      checkSchema(connection, path, migrations);
      const done = version();
      const step = migrations[done];
      if (step !== undefined) {
        connection.exec(`${step}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${done + 1}`);
      }
      connection.exec('COMMIT');
    } catch (error) {
      rollBack(connection);
      throw error;
    }
  }
}
