// Two bindings of SQLite behind one face: the one that Node has from 22.13 on, and the package `libsql` before.
import { EngineError } from '../../queue/errors.js';
import { isLocked } from './errors.js';

export type SqlValue = number | string | null | Uint8Array;

/** A row, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

export interface RunResult {
  readonly changes: number;
  readonly lastInsertRowid: number;
}

export interface Statement {
  run(values: readonly SqlValue[]): RunResult;
  get(values: readonly SqlValue[]): Row | undefined;
  all(values: readonly SqlValue[]): Row[];
}

/** A connection to a file. Everything is synchronous and throws what the binding throws. */
export interface Connection<S = Statement> {
  exec(sql: string): void;
  prepare(sql: string): S;
  close(): void;
}

/** Ends a transaction that has failed. */
export function rollBack(connection: Connection): void {
  try {
    connection.exec('ROLLBACK');
  } catch {
    // SQLite has done so itself after some errors, a full disk among them.
  }
}

export interface Binding {
  readonly name: 'node:sqlite' | 'libsql';
  open(path: string): Connection;
}

/**
 * The binding that this Node has; loaded when it is first asked for.
 * @throws EngineError where there is none
 */
export async function loadBinding(): Promise<Binding> {
  return builtinBinding() ?? (await libsqlBinding());
}

interface BuiltinStatement {
  run(...values: SqlValue[]): RunResult;
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
}

interface BuiltinModule {
  readonly DatabaseSync: new (path: string) => Connection<BuiltinStatement>;
}

/** `node:sqlite`, where Node has it without a flag. */
export function builtinBinding(): Binding | undefined {
  const sqlite = withoutSqliteWarning(() => process.getBuiltinModule('node:sqlite')) as BuiltinModule | undefined;
  if (sqlite === undefined) return undefined;
  return {
    name: 'node:sqlite',
    open(path) {
      const database = new sqlite.DatabaseSync(path);
      return {
        exec: (sql) => database.exec(sql),
        prepare(sql) {
          const statement = database.prepare(sql);
          return {
            run: (values) => statement.run(...values),
            get: (values) => statement.get(...values),
            all: (values) => statement.all(...values),
          };
        },
        close: () => database.close(),
      };
    },
  };
}

/** The bytes of a column: what the bindings give differs, in libsql even with the method. */
export function toBuffer(blob: unknown): Buffer {
  if (Buffer.isBuffer(blob)) return blob;
  if (blob instanceof ArrayBuffer) return Buffer.from(blob);
  const { buffer, byteOffset, byteLength } = blob as Uint8Array;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Node calls its SQLite experimental, in a warning for each process that loads it. Every other warning goes its way. */
function withoutSqliteWarning<T>(load: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = (...warning: unknown[]) => {
    const [what, type] = warning;
    if (type === 'ExperimentalWarning' && String(what).startsWith('SQLite ')) return;
    Reflect.apply(emitWarning, process, warning);
  };
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** With its own `catch`, so that bundlers do not demand a package that need not be there. */
function importLibsql(): Promise<unknown> {
  return import('libsql').catch((error: unknown) => {
    throw error;
  });
}

/** @param load for tests */
export async function libsqlBinding(load: () => Promise<unknown> = importLibsql): Promise<Binding> {
  const { default: Database } = (await load().catch(refuse)) as { readonly default: new (path: string) => Connection };
  return {
    name: 'libsql',
    open(path) {
      const database = new Database(path);
      return {
        exec: (sql) => database.exec(sql),
        // It takes the values as one array or one by one; one by one, a single blob would be taken for named values.
        prepare(sql) {
          const statement = database.prepare(sql);
          const run = statement.run.bind(statement);
          return Object.assign(statement, {
            run(values: readonly SqlValue[]) {
              try {
                return run(values);
              } catch (error) {
                if (isLocked(error)) endStatement(database, () => run(values));
                throw error;
              }
            },
          });
        },
        close() {
          // Statements keep the file open until they are collected, so that this does what the last close would do.
          try {
            database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
          } catch {
            // Somebody else has the file open, or it cannot be used at all.
          }
          database.close();
        },
      };
    },
  };
}

/**
 * Ends a statement that has met a lock. libsql leaves it begun: whatever the connection reads next, it would then see for ever,
 * and could write no more once another connection had written. It ends when it fails for another reason.
 */
function endStatement(database: Connection, run: () => unknown): void {
  database.exec('PRAGMA query_only = ON');
  try {
    run();
  } catch {
    // As it must: the connection may only read.
  } finally {
    database.exec('PRAGMA query_only = OFF');
  }
}

function refuse(cause: unknown): never {
  throw new EngineError(
    `cannot open an SQLite file: Node ${process.version} has no SQLite of its own and the package libsql cannot be loaded; npm install libsql, or use Node 22.13 or later`,
    { cause },
  );
}
