import { setTimeout as sleep } from 'node:timers/promises';
import { createDebug } from '../../debug.js';
import { EngineError } from '../../queue/errors.js';
import { type Binding, type Connection, loadBinding, type Statement } from './binding.js';
import { explained, isLocked, locked } from './errors.js';
import type { Location } from './location.js';
import { Messages } from './messages.js';
import { checkSchema, MIGRATIONS, migrate } from './schema.js';

const debug = createDebug('haricot:sqlite');

/** What tests open differently. */
export interface OpenOptions {
  readonly binding?: Binding | undefined;
  readonly migrations?: readonly string[] | undefined;
}

/** Half of SQLite's default: a put writes two pages, and writes them whole. Only new files get it. */
const PAGE_BYTES = 2048;

/** So long the log gets before it is moved into the file: 8 MiB. With the default, 1000 pages, puts take a third longer. */
const CHECKPOINT_PAGES = 4096;

/** What is left of a log that had to grow beyond that. */
const LOG_BYTES = 16 * 1024 * 1024;

/** The file with its messages, open. Nothing here waits for a lock synchronously: that would hold up the event loop. */
export class SqliteFile {
  readonly location: Location;
  readonly messages: Messages;
  readonly #connection: Connection;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #dataVersion: Statement;

  /** @throws EngineError */
  static async open(location: Location, options: OpenOptions = {}): Promise<SqliteFile> {
    const { migrations = MIGRATIONS } = options;
    const binding = options.binding ?? (await loadBinding());
    let connection: Connection | undefined;
    try {
      const file = await untilUnlocked(location, () => {
        connection ??= binding.open(location.path);
        prepare(connection, location, migrations);
        return new SqliteFile(location, connection);
      });
      debug('%s opened with %s', location.path, binding.name);
      return file;
    } catch (error) {
      connection?.close();
      throw error;
    }
  }

  private constructor(location: Location, connection: Connection) {
    this.location = location;
    this.#connection = connection;
    this.messages = new Messages(connection);
    this.#begin = connection.prepare('BEGIN IMMEDIATE');
    this.#commit = connection.prepare('COMMIT');
    this.#dataVersion = connection.prepare('PRAGMA data_version');
  }

  /** Reads, which nobody can hold up but somebody who opens or repairs the file. @throws EngineError */
  read<T>(action: (messages: Messages) => T): Promise<T> {
    return untilUnlocked(this.location, () => action(this.messages));
  }

  /**
   * All that `work` does, or nothing of it.
   * @throws what the binding throws; when `isLocked` knows it, `work` has not begun
   */
  transaction(work: () => void): void {
    this.#begin.run([]);
    try {
      work();
      this.#commit.run([]);
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  /** Another number when another connection has changed the file. */
  dataVersion(): number {
    return Number(this.#dataVersion.get([])?.['data_version']);
  }

  close(): void {
    try {
      this.#connection.close();
    } catch {
      // Whatever was acknowledged is in the file or its log. The next one to open it tidies up.
    }
  }

  #rollBack(): void {
    try {
      this.#connection.exec('ROLLBACK');
    } catch {
      // SQLite has done so itself after some errors, a full disk among them.
    }
  }
}

function prepare(connection: Connection, { path, synchronous }: Location, migrations: readonly string[]): void {
  connection.exec('PRAGMA busy_timeout = 0');
  // Before anything is written: a file that is not ours is left as it is.
  checkSchema(connection, path, migrations);
  connection.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  const mode = connection.prepare('PRAGMA journal_mode = WAL').get([])?.['journal_mode'];
  if (mode !== 'wal') {
    throw new EngineError(
      `${path} cannot have a write-ahead log (its journal mode stays "${String(mode)}"): it must be on a local disk`,
    );
  }
  connection.exec(
    `PRAGMA synchronous = ${synchronous};
     PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
     PRAGMA journal_size_limit = ${LOG_BYTES};
     PRAGMA temp_store = MEMORY`,
  );
  migrate(connection, path, migrations);
  checkWritable(connection);
}

/** SQLite opens a file that it may not write for reading only, and would fail later. */
function checkWritable(connection: Connection): void {
  try {
    connection.exec('DELETE FROM highest_id WHERE false');
  } catch (error) {
    // Whoever has the lock can write it.
    if (!isLocked(error)) throw error;
  }
}

/** A short while until the next try for the lock; random, so that processes do not keep step. */
export function lockDelayMs(): number {
  return 1 + Math.random() * 4;
}

/**
 * Tries again as long as another process has the lock.
 * @throws EngineError, when that takes longer than `busyTimeoutMs` among others
 */
async function untilUnlocked<T>({ path, busyTimeoutMs }: Location, action: () => T): Promise<T> {
  const began = performance.now();
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (!isLocked(error)) throw explained(error, path);
      const passedMs = performance.now() - began;
      if (passedMs >= busyTimeoutMs) throw locked(path, passedMs, error);
    }
    await sleep(lockDelayMs());
  }
}
