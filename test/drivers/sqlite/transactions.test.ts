import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Connection } from '../../../src/drivers/sqlite/binding.js';
import type { Driver, ReservedMessage, TransactionClient } from '../../../src/queue/driver.js';
import { EngineError, InvalidOptionError, LeaseLostError } from '../../../src/queue/errors.js';
import { countsOf } from '../../support/counts.js';
import { rejection } from '../../support/failures.js';
import type { OneByOneConsumer, OneByOneDriver } from '../../support/one-by-one.js';
import { bytes, next, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

/** What Prisma, Drizzle or Knex are wrapped in. */
function asClient(connection: Connection): TransactionClient {
  return {
    async query<Row>(sql: string, params: readonly unknown[] = []) {
      // One by one, as both Node's SQLite and libsql take them.
      const statement = connection.prepare(sql) as unknown as { all(...values: readonly unknown[]): unknown[] };
      const rows = statement.all(...params);
      return { rows: rows as Row[], rowCount: rows.length };
    },
  };
}

/** Node's own SQLite, or libsql: what users have. */
async function openDatabase(path: string): Promise<Connection> {
  const builtin = process.getBuiltinModule('node:sqlite') as { DatabaseSync: new (path: string) => Connection };
  const { default: Libsql } = (await import('libsql')) as unknown as { default: new (path: string) => Connection };
  return builtin === undefined ? new Libsql(path) : new builtin.DatabaseSync(path);
}

describe('a transaction of the user in the file of the sqlite driver', () => {
  const files = useDatabaseFiles();
  let driver: OneByOneDriver;
  let consumer: OneByOneConsumer;
  let database: Connection;

  beforeEach(async () => {
    driver = await files().open();
    await driver.setUp('mail');
    consumer = await driver.consume(['mail']);
    database = await openDatabase(files().path());
  });
  afterEach(() => database.close());

  const counts = async () => countsOf(await driver.stats('mail'));

  function putIn(transaction: object, body: string, queue = 'mail'): ReturnType<Driver['put']> {
    return driver.driver.put([{ queue, body: bytes(body), options: ONE_MINUTE }], { transaction });
  }

  async function hold(): Promise<ReservedMessage> {
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const [message] = await consumer.consumer.reserve();
    return message ?? expect.fail('no message');
  }

  async function ackIn(transaction: object, message: ReservedMessage) {
    const [result] = await consumer.consumer.settle([{ kind: 'ack', message, transaction }]);
    return result?.error;
  }

  const isHeld = (message: ReservedMessage) => consumer.consumer.isHeld?.(message);

  for (const [what, wrap] of [
    ['a database', (connection: Connection): object => connection],
    ['a client with query()', asClient],
  ] as const) {
    describe(`that is ${what}`, () => {
      it('stores messages with it, or not', async () => {
        database.exec('BEGIN IMMEDIATE');
        const { atomic, stored } = await putIn(wrap(database), 'a');
        expect({ atomic, stored }).to.deep.equal({ atomic: true, stored: [{ jobId: '1', isNew: true }] });
        expect(await counts()).to.include({ ready: 0 });
        database.exec('ROLLBACK');
        expect(await counts()).to.include({ ready: 0 });
        database.exec('BEGIN IMMEDIATE');
        await putIn(wrap(database), 'b');
        await putIn(wrap(database), 'c', 'a-new-queue');
        database.exec('COMMIT');
        expect((await next(consumer)).body.toString()).to.equal('b');
        expect(await driver.queues()).to.have.members(['mail', 'a-new-queue']);
      });

      it('finishes a message with it, or not: the row decides', async () => {
        const message = await hold();
        database.exec('BEGIN IMMEDIATE');
        expect(await ackIn(wrap(database), message)).to.equal(undefined);
        database.exec('ROLLBACK');
        expect(await isHeld(message)).to.equal(true);
        database.exec('BEGIN IMMEDIATE');
        expect(await ackIn(wrap(database), message)).to.equal(undefined);
        expect(await ackIn(wrap(database), message), 'a second time').to.be.instanceOf(LeaseLostError);
        database.exec('COMMIT');
        expect(await isHeld(message)).to.equal(false);
        expect(await counts()).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
      });
    });
  }

  it('lets a message be settled otherwise after it was rolled back', async () => {
    const message = await hold();
    database.exec('BEGIN IMMEDIATE');
    await ackIn(database, message);
    database.exec('ROLLBACK');
    expect(await isHeld(message)).to.equal(true);
    expect(await consumer.consumer.settle([{ kind: 'release', message }])).to.deep.equal([{}]);
    expect(await counts()).to.include({ ready: 1 });
  });

  it('is told that the lease is lost, and changes nothing, where somebody else has the message', async () => {
    await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
    const [first] = await consumer.consumer.reserve();
    const second = await next(await driver.consume(['mail']));
    database.exec('BEGIN IMMEDIATE');
    expect(await ackIn(database, first as ReservedMessage)).to.be.instanceOf(LeaseLostError);
    database.exec('COMMIT');
    expect(await driver.driver.find('mail', second.jobId)).to.include({ jobId: second.jobId });
  });

  it('that was rolled back after the lease has ended leaves the message to its next holder', async () => {
    await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
    const [first] = await consumer.consumer.reserve();
    const message = first as ReservedMessage;
    database.exec('BEGIN IMMEDIATE');
    await ackIn(database, message);
    database.exec('ROLLBACK');
    await next(await driver.consume(['mail']));
    expect(message.lost.aborted).to.equal(false);
    expect(await isHeld(message)).to.equal(false);
    expect(message.lost.aborted, 'unlike after a commit').to.equal(true);
    const [result] = await consumer.consumer.settle([{ kind: 'bury', message }]);
    expect(result?.error).to.be.instanceOf(LeaseLostError);
  });

  it('may be long: what others call waits for it without blocking the event loop', async () => {
    const message = await hold();
    database.exec('BEGIN IMMEDIATE');
    await ackIn(database, message);
    const putting = driver.put('mail', bytes('b'), ONE_MINUTE);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(await counts(), 'what is committed').to.include({ reserved: 1, ready: 0 });
    database.exec('COMMIT');
    expect(await putting).to.equal('2');
  });

  it('is refused where it is in another file, in memory, or not begun, and where it is none', async () => {
    const other = await openDatabase(files().path('other.db'));
    const memory = await openDatabase(':memory:');
    other.exec('BEGIN');
    memory.exec('BEGIN');
    for (const [transaction, message] of [
      [other, /^the transaction must be in the file of the queue, .*haricot\.db, got one in ".*other\.db"$/],
      [memory, /^the transaction must be in the file of the queue, .*haricot\.db, got one in memory$/],
      [{}, /^the transaction must be a DatabaseSync, a Database of libsql, or have query\(sql, params\), got .*$/],
      [{ query: async () => 7 }, /^query\(\) of the transaction must resolve to \{ rows, rowCount \}, got 7$/],
    ] as const) {
      expect((await rejection(putIn(transaction, 'a'), InvalidOptionError)).message).to.match(message);
      expect((await ackIn(transaction, await hold()))?.message).to.match(message);
      await driver.flush('mail');
    }
    other.exec('ROLLBACK');
    other.close();
    memory.close();
    const { inTransaction, isTransaction } = database as { inTransaction?: unknown; isTransaction?: unknown };
    if (inTransaction === undefined && isTransaction === undefined) return;
    expect((await rejection(putIn(database, 'a'), InvalidOptionError)).message).to.equal(
      'the transaction must be open, got a database without one; run BEGIN IMMEDIATE first',
    );
  });
});

describe('driver.transaction of the sqlite driver', () => {
  const files = useDatabaseFiles();
  let driver: OneByOneDriver;

  beforeEach(async () => {
    driver = await files().open();
    await transaction((tx) => tx.query('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, at TEXT, bytes BLOB)'));
  });

  function transaction<T>(work: (tx: TransactionClient) => Promise<T>): Promise<T> {
    return driver.driver.transaction?.(work) ?? Promise.reject(new Error('it has none'));
  }

  const texts = async () => {
    const { rows } = await transaction((tx) => tx.query<{ text: string }>('SELECT text FROM notes ORDER BY id'));
    return rows.map(({ text }) => text);
  };

  it('commits when its work resolves, and rolls back when that rejects, with the same error', async () => {
    const insert = 'INSERT INTO notes (text) VALUES ($1)';
    const result = await transaction(async (tx) => {
      await driver.driver.put([{ queue: 'mail', body: bytes('a'), options: ONE_MINUTE }], { transaction: tx });
      return (await tx.query(insert, ['kept'])).rowCount;
    });
    expect(result).to.equal(1);
    const wrong = new Error('no');
    const failing = transaction(async (tx) => {
      await driver.driver.put([{ queue: 'mail', body: bytes('b'), options: ONE_MINUTE }], { transaction: tx });
      await tx.query(insert, ['lost']);
      throw wrong;
    });
    expect(await failing.catch((error) => error)).to.equal(wrong);
    expect(await texts()).to.deep.equal(['kept']);
    expect(countsOf(await driver.stats('mail'))).to.include({ ready: 1 });
  });

  it('takes parameters as PostgreSQL writes them, and leaves strings, names and comments alone', async () => {
    await transaction(async (tx) => {
      const sql = `/* $1 */ INSERT INTO "notes" (text, at, bytes) VALUES ($2 || '$1', $1, $3) -- $9`;
      const { rowCount } = await tx.query(sql, [new Date(0), 'b', bytes('c')]);
      expect(rowCount).to.equal(1);
      const { rows } = await tx.query('SELECT text, at, bytes FROM notes WHERE text = $1', ['b$1']);
      expect(rows).to.deep.equal([{ text: 'b$1', at: '1970-01-01T00:00:00.000Z', bytes: bytes('c') }]);
      expect(await tx.query('UPDATE notes SET text = NULL')).to.deep.equal({ rows: [], rowCount: 1 });
      expect(await tx.query('SELECT * FROM notes WHERE id = -1')).to.deep.equal({ rows: [], rowCount: 0 });
      const odd = await rejection(tx.query('SELECT $1', [Symbol('x')]), InvalidOptionError);
      expect(odd.message).to.match(/^a parameter of a statement must be a string, .* or null, got Symbol\(x\)$/);
    });
  });

  it('is one at a time, and lets what waits for the lock go first between two', async () => {
    const order: string[] = [];
    const insert = (text: string) =>
      transaction(async (tx) => {
        order.push(`${text} begins`);
        await tx.query('INSERT INTO notes (text) VALUES ($1)', [text]);
        await nextTurn();
        order.push(`${text} ends`);
      });
    const all = [insert('a'), insert('b')];
    await nextTurn();
    const putting = driver.put('mail', bytes('x'), ONE_MINUTE).then(() => order.push('put'));
    await Promise.all([...all, putting]);
    expect(order.filter((step) => step !== 'put')).to.deep.equal(['a begins', 'a ends', 'b begins', 'b ends']);
    expect(await texts()).to.deep.equal(['a', 'b']);
  });

  it('tells waiting consumers of what it has stored', async () => {
    const reserving = next(await driver.consume(['mail']));
    await transaction((tx) =>
      driver.driver.put([{ queue: 'mail', body: bytes('a'), options: ONE_MINUTE }], { transaction: tx }),
    );
    expect((await reserving).body.toString()).to.equal('a');
  });

  it('runs one statement a call, and refuses several, of which SQLite would run the first alone', async () => {
    await transaction(async (tx) => {
      for (const sql of ["INSERT INTO notes (text) VALUES ('a'); DELETE FROM notes", 'SELECT 1 /* ; */;; SELECT 2']) {
        const { message } = await rejection(tx.query(sql), InvalidOptionError);
        expect(message).to.match(/^query\(\) runs one statement, got several: "/);
      }
      await tx.query("INSERT INTO notes (text) VALUES ('a; b'); -- ; c\n ;");
      await tx.query('CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; SELECT 1; END');
    });
    expect(await texts()).to.deep.equal(['a; b']);
  });

  it('uses no id again whose message was finished in it', async () => {
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const { consumer } = await driver.consume(['mail']);
    const [message] = await consumer.reserve();
    const { stored } = await transaction(async (tx) => {
      await consumer.settle([{ kind: 'ack', message: message as ReservedMessage, transaction: tx }]);
      return driver.driver.put([{ queue: 'mail', body: bytes('b'), options: ONE_MINUTE }], { transaction: tx });
    });
    expect(stored.map(({ jobId }) => jobId)).to.deep.equal(['2']);
  });

  it('runs no statement that comes after its end', async () => {
    const kept = await transaction(async (tx) => tx);
    const late = await rejection(kept.query('DELETE FROM messages'), InvalidOptionError);
    expect(late.message).to.equal('cannot run a statement: its transaction has ended');
  });

  it('waits for the lock of another process, and gives up after busyTimeout', async () => {
    await driver.close();
    driver = await files().open('?busyTimeout=30');
    const other = await files().connect();
    other.exec('BEGIN IMMEDIATE');
    const error = await rejection(
      transaction(async () => 1),
      EngineError,
    );
    expect(error).to.include({ retryable: true, outcome: 'nothing' });
    other.exec('COMMIT');
    expect(await transaction(async () => 2)).to.equal(2);
  });
});
