import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Binding, type Connection, loadBinding } from '../../../src/drivers/sqlite/binding.js';
import { openSqlite } from '../../../src/drivers/sqlite/driver.js';
import type { OpenOptions } from '../../../src/drivers/sqlite/file.js';
import type { PutOptions } from '../../../src/queue/driver.js';
import type { Reservation } from '../../../src/queue/reservation.js';
import { type OneByOneConsumer, OneByOneDriver } from '../../support/one-by-one.js';

/** Files in a folder that each test of the suite has to itself, and what the tests open there. */
export class DatabaseFiles {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'haricot-'));
  readonly #drivers: OneByOneDriver[] = [];
  readonly #connections: Connection[] = [];

  path(name = 'haricot.db'): string {
    return join(this.folder, name);
  }

  async open(
    query = '',
    { prefix = '', ...options }: OpenOptions & { readonly prefix?: string } = {},
  ): Promise<OneByOneDriver> {
    const driver = new OneByOneDriver(await openSqlite(`sqlite:${this.path()}${query}`, { prefix }, options));
    this.#drivers.push(driver);
    return driver;
  }

  /** A plain connection to the file, as another program has. */
  async connect(name?: string): Promise<Connection> {
    const connection = (await loadBinding()).open(this.path(name));
    this.#connections.push(connection);
    return connection;
  }

  async remove(): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await Promise.all(this.#drivers.map((driver) => driver.close()));
    rmSync(this.folder, { recursive: true });
  }
}

/** {@link DatabaseFiles} for each test. */
export function useDatabaseFiles(): () => DatabaseFiles {
  let files: DatabaseFiles | undefined;
  afterEach(async () => {
    await files?.remove();
    files = undefined;
  });
  return () => {
    files ??= new DatabaseFiles();
    return files;
  };
}

/** The binding, with connections on which `prepare` does something first. */
export async function bindingWith(prepare: (connection: Connection) => void): Promise<Binding> {
  const { name, open } = await loadBinding();
  return {
    name,
    open(path) {
      const connection = open(path);
      prepare(connection);
      return connection;
    },
  };
}

/** The binding, which calls this before it runs a statement. */
export function bindingBefore(onRun: (sql: string) => void): Promise<Binding> {
  return bindingWith((connection) => {
    const { prepare } = connection;
    Object.assign(connection, {
      prepare(sql: string) {
        const statement = Reflect.apply(prepare, connection, [sql]);
        const { run } = statement;
        return Object.assign(statement, {
          run(values: Parameters<typeof run>[0]) {
            onRun(sql);
            return Reflect.apply(run, statement, [values]);
          },
        });
      },
    });
  });
}

export function bytes(text: string): Buffer {
  return Buffer.from(text);
}

export const ONE_MINUTE: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

/** The next message, which must be there soon. */
export async function next(consumer: OneByOneConsumer): Promise<Reservation> {
  const reservation = await consumer.reserve({ timeoutMs: 5000 });
  if (reservation === null) throw new Error('no message came');
  return reservation;
}

/** Lets nothing else happen in this process. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
