import { setTimeout as sleep } from 'node:timers/promises';
import { createDebug } from '../../debug.js';
import { DriverClosedError, EngineError } from '../../queue/errors.js';
import { runOutside } from '../../shared/async-context.js';
import { EventLoop } from '../../shared/event-loop.js';
import { type Binding, type Connection, loadBinding, rollBack, type Statement } from './binding.js';
import { isLocked, lockedError, type Phase, toEngineError } from './errors.js';
import { checkIsFile, createPrivately, FileGuard } from './file-guard.js';
import { LockWait } from './lock-wait.js';
import { Messages } from './messages.js';
import { MessageReader } from './reader.js';
import { checkSchema, MIGRATIONS, migrate } from './schema.js';
import { SqliteClient } from './transaction.js';
import type { SqliteAddress } from './url.js';

const debug = createDebug('haricot:sqlite');

/** What tests open differently. */
export interface OpenOptions {
  readonly binding?: Binding | undefined;
  readonly migrations?: readonly string[] | undefined;
}

/** Half of SQLite's default: a put writes two pages, and writes them whole. Only new files get it. */
const PAGE_BYTES = 2048;

/** How large the log gets before it is moved into the file: 8 MiB. With the default, 1000 pages, puts take a third longer. */
const CHECKPOINT_PAGES = 4096;

/** What is left of a log that had to grow beyond that. */
const LOG_BYTES = 16 * 1024 * 1024;

/** The file with its messages, open. Nothing here waits for a lock synchronously: that would block the event loop. */
export class SqliteFile {
  readonly address: SqliteAddress;
  readonly messages: Messages;
  readonly guard: FileGuard;
  readonly #connection: Connection;
  readonly #open: () => Connection;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #dataVersion: Statement;
  readonly #eventLoop = new EventLoop();
  #reading: Promise<unknown> = Promise.resolve();
  #reader: { readonly connection: Connection; readonly messages: MessageReader } | undefined;
  #transactions: Promise<unknown> = Promise.resolve();
  /** For transactions of the user. */
  #writer: Connection | undefined;
  #isClosed = false;

  /** @throws EngineError */
  static async open(address: SqliteAddress, options: OpenOptions = {}): Promise<SqliteFile> {
    const { migrations = MIGRATIONS } = options;
    const { path } = address;
    const binding = options.binding ?? (await loadBinding());
    let connection: Connection | undefined;
    try {
      checkIsFile(path);
      createPrivately(path);
      const file = await untilUnlocked(address, () => {
        connection ??= binding.open(path);
        prepare(connection, address, migrations);
        const guard = new FileGuard(connection, path, migrations.length);
        guard.check(performance.now());
        return new SqliteFile(address, connection, () => binding.open(path), guard);
      });
      debug('%s opened with %s', path, binding.name);
      return file;
    } catch (error) {
      connection?.close();
      throw toEngineError(error, path);
    }
  }

  private constructor(address: SqliteAddress, connection: Connection, open: () => Connection, guard: FileGuard) {
    this.address = address;
    this.#connection = connection;
    this.#open = open;
    this.guard = guard;
    this.messages = new Messages(connection);
    this.#begin = connection.prepare('BEGIN IMMEDIATE');
    this.#commit = connection.prepare('COMMIT');
    this.#dataVersion = connection.prepare('PRAGMA data_version');
  }

  /**
   * Reads one state of the file, in several steps where there is much: a transaction of a connection of its own, so that it
   * sees nothing that is not committed. Nobody can hold it up but somebody who opens or repairs the file.
   * @throws EngineError
   */
  read<T>(action: (messages: MessageReader) => Promise<T> | T): Promise<T> {
    const reading = this.#reading.then(() => this.#readSnapshot(action));
    // Kept until the next one: not in the name of who called.
    this.#reading = runOutside(() => reading.then(nothing, nothing));
    return reading;
  }

  async #readSnapshot<T>(action: (messages: MessageReader) => Promise<T> | T): Promise<T> {
    // A caller that awaits one read after the other would never let the event loop turn: all of it is synchronous.
    await this.#eventLoop.turnIfBlocked(performance.now());
    const { connection, messages } = await untilUnlocked(this.address, () => {
      this.guard.check(performance.now());
      const reader = this.#openReader();
      reader.connection.exec('BEGIN');
      try {
        // The first statement begins to read, and is the one that a lock can be in the way of.
        reader.messages.begin();
      } catch (error) {
        rollBack(reader.connection);
        throw error;
      }
      return reader;
    });
    try {
      return await action(messages);
    } catch (error) {
      throw toEngineError(error, this.address.path);
    } finally {
      rollBack(connection);
    }
  }

  #openReader(): { readonly connection: Connection; readonly messages: MessageReader } {
    if (this.#isClosed) throw new EngineError(`cannot read ${this.address.path}: it was closed`);
    if (this.#reader !== undefined) return this.#reader;
    const connection = this.#openQuietly();
    this.#reader = { connection, messages: new MessageReader(connection) };
    return this.#reader;
  }

  /** @throws what the binding throws; when `isLocked` knows it, nothing has begun. EngineError */
  begin(): void {
    this.#begin.run([]);
    try {
      this.guard.check(performance.now());
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }

  /** @throws what the binding throws, after which {@link rollBack} must be called; nobody may be able to tell what was done */
  commit(): void {
    this.#commit.run([]);
  }

  rollBack(): void {
    rollBack(this.#connection);
  }

  /**
   * Runs `work` in a transaction of a connection of its own, one after another: it may take as long as it likes, and holds the
   * file's lock as long.
   * @throws EngineError, and what `work` rejects with: the transaction was rolled back then
   */
  transaction<T>(work: (client: SqliteClient) => Promise<T>): Promise<T> {
    const transaction = this.#transactions.then(() => this.#transact(work));
    this.#transactions = runOutside(() => transaction.then(nothing, nothing));
    return transaction;
  }

  async #transact<T>(work: (client: SqliteClient) => Promise<T>): Promise<T> {
    const connection = await untilUnlocked(this.address, () => {
      if (this.#isClosed) throw new DriverClosedError('cannot begin a transaction: the driver is closed');
      this.guard.check(performance.now());
      this.#writer ??= this.#openQuietly();
      this.#writer.exec('BEGIN IMMEDIATE');
      return this.#writer;
    });
    const client = new SqliteClient(connection);
    let phase: Phase = 'work';
    try {
      const result = await work(client);
      client.end();
      this.guard.check(performance.now());
      phase = 'commit';
      connection.exec('COMMIT');
      return result;
    } catch (error) {
      client.end();
      rollBack(connection);
      throw phase === 'commit' ? toEngineError(error, this.address.path, phase) : error;
    }
  }

  /** A further connection, which waits for no lock. */
  #openQuietly(): Connection {
    const connection = this.#open();
    try {
      connection.exec('PRAGMA busy_timeout = 0');
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Another number when another connection has changed the file. */
  dataVersion(): number {
    return Number(this.#dataVersion.get([])?.['data_version']);
  }

  /** Waits for reads and transactions that have begun. */
  async close(): Promise<void> {
    await this.#reading;
    this.#isClosed = true;
    await this.#transactions;
    for (const connection of [this.#reader?.connection, this.#writer, this.#connection]) {
      try {
        connection?.close();
      } catch {
        // Whatever was acknowledged is in the file or its log. The next one to open it tidies up.
      }
    }
  }
}

function prepare(connection: Connection, { path, synchronous }: SqliteAddress, migrations: readonly string[]): void {
  connection.exec('PRAGMA busy_timeout = 0');
  // Before anything is written: a file that is not ours is left as it is.
  checkSchema(connection, path, migrations);
  connection.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  const mode = connection.prepare('PRAGMA journal_mode = WAL').get([])?.['journal_mode'];
  if (mode !== 'wal') {
    throw new EngineError(
      `cannot use ${path}: it cannot have a write-ahead log (its journal mode stays "${String(mode)}"); put it on a local disk`,
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

/**
 * Tries again as long as another process has the lock.
 * @throws EngineError, when that takes longer than `busyTimeoutMs` among others
 */
async function untilUnlocked<T>({ path, busyTimeoutMs }: SqliteAddress, action: () => T): Promise<T> {
  const wait = new LockWait(busyTimeoutMs);
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (!isLocked(error)) throw toEngineError(error, path);
      if (wait.isOver()) throw lockedError(path, wait.passedMs, error);
    }
    await sleep(wait.delayMs());
  }
}

function nothing(): void {}
