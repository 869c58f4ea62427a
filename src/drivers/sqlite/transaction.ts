// Taking part in a transaction of the user: statements of ours on a connection of the user's, to the same file.
import { realpathSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { preview } from '../../shared/text.js';
import { OwnClient, type Row, rowsOf } from '../sql/transaction.js';
import { type Connection, type SqlValue, type Statement, toBuffer } from './binding.js';
import { toEngineError } from './errors.js';
import { ACK, INSERT, insertValues, type NewMessage, REMEMBER_HIGHEST } from './insert.js';

/** How long messages are stored before the event loop gets its turn: a database of the user does not let it by itself. */
const SLICE_MS = 5;

/** Runs a statement that returns rows. */
type Query = (sql: string, values: readonly SqlValue[]) => Promise<readonly Row[]> | readonly Row[];

/** What `DatabaseSync` of `node:sqlite` and libsql's `Database` have in common; each tells in its own way whether it is in a transaction. */
interface Database {
  prepare(sql: string): { all(...values: unknown[]): unknown };
  readonly isTransaction?: unknown;
  readonly inTransaction?: unknown;
}

/** An open transaction of the user. */
export class UserTransaction {
  readonly #query: Query;
  readonly #path: string;

  private constructor(query: Query, path: string) {
    this.#query = query;
    this.#path = path;
  }

  /**
   * @param path of the file that the transaction must be in
   * @throws InvalidOptionError for what is no transaction in that file; EngineError
   */
  static async of(transaction: Transaction, path: string): Promise<UserTransaction> {
    const found = new UserTransaction(queryOf(transaction), path);
    const [main] = await found.#rows(`SELECT file FROM pragma_database_list WHERE name = 'main'`, []);
    const file = main?.['file'];
    if (typeof file === 'string' && isSameFile(file, path)) return found;
    throw new InvalidOptionError(
      `the transaction must be in the file of the queue, ${path}, got one in ${file === '' || file === undefined ? 'memory' : preview(file)}`,
    );
  }

  /** The queue's number in the file; it gets one, as part of the transaction, when it has none. */
  async queueId(name: string): Promise<number> {
    await this.#rows('INSERT INTO queues (name) VALUES (?1) ON CONFLICT DO NOTHING RETURNING id', [name]);
    const [row] = await this.#rows('SELECT id FROM queues WHERE name = ?1', [name]);
    return Number(row?.['id']);
  }

  /** @returns the ids, in order */
  async put(messages: readonly NewMessage[], now: number): Promise<string[]> {
    const ids: string[] = [];
    let end = performance.now() + SLICE_MS;
    for (const message of messages) {
      if (performance.now() > end) {
        await nextTurn();
        end = performance.now() + SLICE_MS;
      }
      const [row] = await this.#rows(INSERT, insertValues(message, now));
      ids.push(String(row?.['id']));
    }
    return ids;
  }

  /** @returns whether it was still the delivery with that token */
  async ack(id: number, token: number): Promise<boolean> {
    const isRemoved = (await this.#rows(ACK, [id, token])).length === 1;
    if (isRemoved) await this.#rows(`${REMEMBER_HIGHEST} RETURNING id`, [id]);
    return isRemoved;
  }

  async #rows(sql: string, values: readonly SqlValue[]): Promise<readonly Row[]> {
    try {
      return await this.#query(sql, values);
    } catch (error) {
      throw toEngineError(error, this.#path);
    }
  }
}

/** What `driver.transaction` gives. */
export class SqliteClient extends OwnClient {
  readonly #connection: Connection;
  readonly #changes: Statement;

  constructor(connection: Connection) {
    super();
    this.#connection = connection;
    this.#changes = connection.prepare('SELECT changes() AS changes, total_changes() AS total');
  }

  protected override async run(sql: string, params: readonly unknown[]): ReturnType<OwnClient['run']> {
    if (hasSeveral(sql)) throw new InvalidOptionError(`query() runs one statement, got several: ${preview(sql)}`);
    const before = this.#changed();
    const rows = this.#connection.prepare(numbered(sql)).all(params.map(toSqlValue)).map(plainRow);
    const { changes, total } = this.#changed();
    const rowCount = rows.length > 0 || total === before.total ? rows.length : changes;
    return { rows, rowCount };
  }

  #changed(): { readonly changes: number; readonly total: number } {
    return this.#changes.get([]) as { changes: number; total: number };
  }
}

function queryOf(transaction: Transaction): Query {
  const { query, prepare, isTransaction, inTransaction } = transaction as Partial<Database> & { query?: unknown };
  if (typeof prepare === 'function') {
    if (isTransaction === false || inTransaction === false) {
      throw new InvalidOptionError(
        'the transaction must be open, got a database without one; run BEGIN IMMEDIATE first',
      );
    }
    const database = transaction as Database;
    const isBuiltin = inTransaction === undefined;
    const statements = new Map<string, ReturnType<Database['prepare']>>();
    return (sql, values) => {
      const statement = statements.get(sql) ?? database.prepare(sql);
      statements.set(sql, statement);
      // libsql takes the values as one array.
      return (isBuiltin ? statement.all(...values) : statement.all(values)) as readonly Row[];
    };
  }
  if (typeof query === 'function') {
    const client = transaction as { query(sql: string, params: readonly unknown[]): unknown };
    return async (sql, values) => rowsOf(await client.query(sql, values));
  }
  throw new InvalidOptionError(
    `the transaction must be a DatabaseSync, a Database of libsql, or have query(sql, params), got ${preview(transaction)}`,
  );
}

function isSameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

/** Strings, quoted names and comments, in which nothing is replaced, and parameters as PostgreSQL writes them. One that is not closed goes on to the end. */
const TOKENS =
  /'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|\/\*(?:(?!\*\/)[\s\S])*(?:\*\/|$)|\$([1-9][0-9]{0,4})/g;

/** `$1` is a name to SQLite, whose numbered parameters are `?1`. */
function numbered(sql: string): string {
  return sql.replace(TOKENS, (token, parameter?: string) => (parameter === undefined ? token : `?${parameter}`));
}

/** SQLite would run the first one and be silent about the others. A trigger has statements of its own. */
function hasSeveral(sql: string): boolean {
  const bare = sql.replace(TOKENS, (token, parameter?: string) =>
    /^(?:--|\/\*)/.test(token) ? ' ' : (parameter ?? 'x'),
  );
  return /;\s*[^\s;]/.test(bare) && !/^\s*create\s+(?:temp\s+|temporary\s+)?trigger\s/i.test(bare);
}

function toSqlValue(value: unknown): SqlValue {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'bigint') return value as SqlValue;
  if (value instanceof Uint8Array) return value;
  throw new InvalidOptionError(
    `a parameter of a statement must be a string, number, bigint, boolean, Date, bytes or null, got ${preview(value)}`,
  );
}

/** The bindings give bytes in ways of their own. */
function plainRow(row: Row): Row {
  const entries = Object.entries(row).map(([name, value]) => [name, isBytes(value) ? toBuffer(value) : value]);
  return Object.fromEntries(entries);
}

function isBytes(value: unknown): boolean {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}
