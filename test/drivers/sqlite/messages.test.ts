import { expect } from 'chai';
import { type Connection, toBuffer } from '../../../src/drivers/sqlite/binding.js';
import { CLAIM_BYTES, type Claimed } from '../../../src/drivers/sqlite/claims.js';
import { Messages } from '../../../src/drivers/sqlite/messages.js';
import { MessageReader } from '../../../src/drivers/sqlite/reader.js';
import { MIGRATIONS, migrate } from '../../../src/drivers/sqlite/schema.js';
import type { MessageState } from '../../../src/queue/capabilities.js';
import type { PutOptions, StoredMessage } from '../../../src/queue/driver.js';
import { serializeFailure, toFailure } from '../../../src/queue/failure.js';
import { countsOf } from '../../support/counts.js';
import { bytes, useDatabaseFiles } from './database-files.js';

const WHY = toFailure('why', { reason: 'attempts', attempt: 1 });

/** Of nobody. */
const STALE = 2 ** 45 - 1;
/** Any time; the clock stands still in these tests unless they say otherwise. */
const NOW = 1_800_000_000_000;
const OPTIONS: PutOptions = { priority: 5, delayMs: 0, ttrMs: 1000 };

describe('messages in SQLite', () => {
  const files = useDatabaseFiles();
  let connection: Connection;
  let messages: Messages;
  let reader: MessageReader;
  let queue: number;

  beforeEach(async () => {
    connection = await files().connect();
    connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
    migrate(connection, files().path(), MIGRATIONS);
    messages = new Messages(connection);
    reader = new MessageReader(connection);
    queue = messages.addQueue('mail');
  });

  function put(text: string, options: Partial<PutOptions> = {}): number {
    return messages.put({ queue, body: bytes(text), options: { ...OPTIONS, ...options } }, NOW);
  }

  function putMany(count: number, options: Partial<PutOptions> = {}): number[] {
    const items = Array.from({ length: count }, () => ({
      queue,
      body: bytes('a'),
      options: { ...OPTIONS, ...options },
    }));
    return messages.putMany(items, NOW);
  }

  async function list(state: MessageState, limit: number, now: number): Promise<readonly StoredMessage[]> {
    return (await reader.list({ id: queue, name: 'mail' }, { state, limit }, now)).messages;
  }

  function release(id: number, token: number, priority: number, delayMs: number): boolean {
    return messages.release({ id, token, priority, delayMs, counted: true, failure: null }, NOW);
  }

  function claimed(limit: number, now = NOW): readonly Claimed[] {
    return messages.claim(queue, limit, { bytes: CLAIM_BYTES }, now).messages;
  }

  /** The bodies of those that are taken. */
  function claim(limit: number, now = NOW): string[] {
    return claimed(limit, now).map(({ body }) => toBuffer(body).toString());
  }

  /** The token of the delivery. */
  function take(now = NOW): number {
    return claimed(1, now)[0]?.token ?? 0;
  }

  const counts = async (now: number) => countsOf((await reader.stats('mail', now)) ?? null);

  it('are taken by priority, then by age', () => {
    for (const [text, priority] of [
      ['c', 4_294_967_295],
      ['b', 1],
      ['a', 0],
      ['d', 4_294_967_295],
    ] as const) {
      put(text, { priority });
    }
    expect(claim(3)).to.deep.equal(['a', 'b', 'c']);
    expect(claim(3)).to.deep.equal(['d']);
    expect(claim(3)).to.deep.equal([]);
  });

  it('are stored in order, each with the body and options of its own, however many there are', async () => {
    for (const count of [1, 31, 32, 33, 100]) {
      const items = Array.from({ length: count }, (_, n) => ({ queue, body: bytes(`${n}`), options: { ...OPTIONS } }));
      const ids = messages.putMany(items, NOW);
      const found = await list('ready', 100, NOW);
      expect(found.map(({ jobId }) => Number(jobId))).to.deep.equal(ids);
      expect(found.map(({ body }) => body.toString())).to.deep.equal(items.map(({ body }) => body.toString()));
      messages.flush(queue, 'ready', messages.highestId(), NOW);
    }
    const unlike = Array.from({ length: 48 }, (_, n) => ({
      queue,
      body: bytes(`${n}`),
      options: { priority: n === 20 ? 1 : 5, delayMs: n === 40 ? 10 : 0, ttrMs: n === 47 ? 77 : 1000 },
    }));
    messages.putMany(unlike, NOW);
    expect(await counts(NOW)).to.include({ ready: 47, delayed: 1 });
    expect(claim(1)).to.deep.equal(['20']);
    expect(claimed(100).at(-1)).to.include({ ttr: 77 });
  });

  it('are not delivered before their delay is over, which is never less than was asked for', async () => {
    put('soon', { delayMs: 10 });
    put('later', { delayMs: 10.2 });
    expect(claim(2, NOW + 10)).to.deep.equal([]);
    expect(await counts(NOW + 10)).to.include({ delayed: 2, ready: 0 });
    expect(await counts(NOW + 11)).to.include({ delayed: 1, ready: 1 });
    expect(claim(2, NOW + 11)).to.deep.equal(['soon']);
    expect(claim(2, NOW + 12)).to.deep.equal(['later']);
  });

  it('whose time has come are ready to all who look, though nobody has taken any', async () => {
    put('b');
    put('a', { priority: 1, delayMs: 10 });
    put('c', { priority: 9, delayMs: 20 });
    const peek = async (now: number): Promise<string[]> =>
      (await list('ready', 2, now)).map(({ body }) => body.toString());
    expect(await peek(NOW)).to.deep.equal(['b']);
    expect(await peek(NOW + 50)).to.deep.equal(['a', 'b']);
    expect(await list('delayed', 9, NOW + 15)).to.have.length(1);
    expect(claim(3, NOW + 50)).to.deep.equal(['a', 'b', 'c']);
  });

  it('are delivered again when their lease is over, as the next attempt', () => {
    put('a', { ttrMs: 1000 });
    const attempts = (now: number): number[] => claimed(1, now).map((taken) => taken.attempts);
    expect(attempts(NOW)).to.deep.equal([0]);
    expect(attempts(NOW + 999)).to.deep.equal([]);
    expect(attempts(NOW + 1000)).to.deep.equal([1]);
    expect(attempts(NOW + 2000)).to.deep.equal([2]);
  });

  it('obey nobody but who has taken them last', async () => {
    const id = put('a');
    const first = take(NOW);
    const second = take(NOW + 1000);
    expect(second).not.to.equal(first);
    expect(messages.ack(id, first)).to.equal(false);
    expect(messages.touch(id, first, NOW + 1500)).to.equal(false);
    expect(release(id, first, 5, 0)).to.equal(false);
    expect(messages.bury(queue, id, first, 5, null, NOW)).to.equal(false);
    messages.giveBack(id, first, NOW);
    expect(messages.flush(queue, 'ended', id, NOW + 1500)).to.equal(0);
    expect(await counts(NOW + 1999)).to.include({ reserved: 1 });
    expect(await counts(NOW + 2000)).to.include({ ready: 1 });
    expect(messages.touch(id, second, NOW + 1500)).to.equal(true);
    expect(await counts(NOW + 2499)).to.include({ reserved: 1 });
    expect(messages.ack(id, second)).to.equal(true);
  });

  it('have no holder any more when they were released or buried', () => {
    const id = put('a');
    for (const settle of [
      (token: number) => release(id, token, 5, 0),
      (token: number) => release(id, token, 5, 1000),
      (token: number) => messages.bury(queue, id, token, 5, null, NOW),
    ]) {
      const token = take();
      expect(settle(token)).to.equal(true);
      expect(messages.ack(id, token)).to.equal(false);
      messages.retryFirst(queue, 1, NOW);
      messages.promoteFirst(queue, 1, NOW);
    }
  });

  it('are taken and finished together, however many there are', () => {
    for (const count of [1, 2, 31, 32, 33, 100]) {
      const ids = putMany(count);
      const taken = claimed(count + 1);
      expect(taken.map(({ id }) => id)).to.deep.equal(ids);
      expect(taken.every(({ attempts }) => attempts === 0)).to.equal(true);
      const token = taken[0]?.token ?? 0;
      for (let at = 0; at < count; at += 32)
        expect(messages.ackMany(ids.slice(at, at + 32), token)).to.not.include(false);
      messages.rememberRemoved();
      expect(claimed(1, NOW + 2000)).to.deep.equal([]);
      expect(put('next')).to.equal(Math.max(...ids) + 1);
      expect(messages.ack(Math.max(...ids) + 1, take())).to.equal(true);
    }
  });

  it('that are finished together are so each for itself: one that somebody else has taken since stays', async () => {
    const [first = 0, lost = 0, last = 0] = putMany(3);
    const token = claimed(3)[0]?.token ?? 0;
    messages.release({ id: lost, token, priority: null, delayMs: 0, counted: true, failure: null }, NOW);
    const other = take();
    expect(messages.ackMany([first, lost, last], token)).to.deep.equal([true, false, true]);
    expect((await list('reserved', 9, NOW)).map(({ jobId }) => Number(jobId))).to.deep.equal([lost]);
    expect(messages.ack(lost, other)).to.equal(true);
  });

  it('begin anew when they are retried, and go on when they are promoted', async () => {
    const id = put('a');
    messages.bury(queue, id, take(), 3, serializeFailure(WHY), NOW);
    expect((await list('buried', 1, NOW))[0]?.failure).to.deep.equal(WHY);
    expect(messages.retryFirst(queue, 5, NOW)).to.equal(1);
    expect((await list('ready', 1, NOW))[0]).to.include({ failure: undefined, priority: 3 });
    const [first] = claimed(1);
    expect(first).to.include({ attempts: 0 });
    release(id, first?.token ?? 0, 3, 1000);
    expect(messages.promoteFirst(queue, 5, NOW)).to.equal(1);
    expect(claimed(1)[0]).to.include({ attempts: 1 });
  });

  it('are buried in a row: the one buried first is shown and retried first, whatever its priority and age', async () => {
    const ids = [put('a', { priority: 1 }), put('b', { priority: 2 }), put('c', { priority: 3 })];
    const taken = claimed(3);
    const burials = [2, 0, 1].map((index) => taken[index]);
    // All in one millisecond, the last before it: a clock may be set back.
    for (const [n, message] of burials.entries()) {
      const { id = 0, token = 0 } = message ?? {};
      messages.bury(queue, id, token, null, null, n === 2 ? NOW - 5000 : NOW);
    }
    const expected = [ids[2], ids[0], ids[1]];
    expect((await list('buried', 9, NOW)).map(({ jobId }) => Number(jobId))).to.deep.equal(expected);
    const kicked = [];
    for (let n = 0; n < 3; n++) {
      messages.retryFirst(queue, 1, NOW);
      kicked.push(claimed(1)[0]?.id);
    }
    expect(kicked).to.deep.equal(expected);
  });

  it('are not delivered while their queue is paused', () => {
    put('a');
    messages.pause(queue, NOW + 100);
    expect(claim(1, NOW + 99)).to.deep.equal([]);
    expect(messages.outlook(queue, NOW)).to.deep.equal({ hasWork: false, nextDue: NOW + 100 });
    expect(claim(1, NOW + 100)).to.deep.equal(['a']);
  });

  it('are not delivered while their queue is paused, however many are overdue', () => {
    putMany(1000, { delayMs: 1 });
    claim(1, NOW + 10);
    messages.pause(queue, NOW + 100);
    expect(claim(1, NOW + 99)).to.deep.equal([]);
    expect(claim(1, NOW + 100)).to.deep.equal(['a']);
  });

  it('tell when something will change by itself', () => {
    expect(messages.outlook(queue, NOW)).to.deep.equal({ hasWork: false, nextDue: Number.POSITIVE_INFINITY });
    put('a', { delayMs: 500 });
    expect(messages.outlook(queue, NOW)).to.deep.equal({ hasWork: false, nextDue: NOW + 501 });
    put('b', { ttrMs: 300 });
    expect(messages.outlook(queue, NOW)).to.deep.equal({ hasWork: true, nextDue: NOW + 501 });
    claim(1);
    expect(messages.outlook(queue, NOW)).to.deep.equal({ hasWork: false, nextDue: NOW + 300 });
    expect(messages.outlook(queue, NOW + 300).hasWork).to.equal(true);
  });

  describe('of which very many are due', () => {
    /** Takes all that can be taken, as a driver does: again where a claim was cut. */
    function drain(limit: number, now: number): number[] {
      const ids: number[] = [];
      for (let claims = 0; claims < 10_000; claims++) {
        const { messages: taken, isCut } = messages.claim(queue, limit, { bytes: CLAIM_BYTES }, now);
        ids.push(...taken.map(({ id }) => id));
        if (taken.length === 0 && !isCut) return ids;
      }
      throw new Error('it does not end');
    }

    it('come by priority: the urgent one first that became due last', () => {
      putMany(1200, { delayMs: 1, priority: 1000 });
      const urgent = put('urgent', { delayMs: 50, priority: 0 });
      const early = claimed(10, NOW + 10).map(({ id }) => id);
      expect(early).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      expect(claimed(1, NOW + 100)[0]?.id).to.equal(urgent);
      expect(drain(400, NOW + 100)).to.have.length(1190);
    });

    it('come in exact order, whatever they were before, and those that are not due do not', async () => {
      // A small generator, so that a failure comes again.
      let seed = 7;
      const random = (below: number): number => {
        seed = (seed * 48_271) % 2_147_483_647;
        return seed % below;
      };
      // Held by somebody whose leases end.
      putMany(300, { priority: 3, ttrMs: 10 });
      for (let n = 0; n < 3; n++) claim(100);
      for (let n = 0; n < 4000; n++) {
        const delayMs = [0, 1, 5, 1_000_000][random(4)] ?? 0;
        put('x', { priority: random(6), delayMs });
      }
      const now = NOW + 1000;
      const rows = connection.prepare('SELECT id, priority, due, state FROM messages').all([]) as unknown as {
        readonly id: number;
        readonly priority: number;
        readonly due: number;
        readonly state: number;
      }[];
      const expected = rows
        .filter(({ state, due }) => state === 2 || due <= now)
        .sort((a, b) => a.priority - b.priority || a.id - b.id)
        .map(({ id }) => id);
      expect(expected.length).to.be.within(3000, 3500);
      expect((await counts(now)).ready).to.equal(expected.length);
      expect((await list('ready', 5000, now)).map(({ jobId }) => Number(jobId))).to.deep.equal(expected);
      expect((await list('ready', 7, now)).map(({ jobId }) => Number(jobId))).to.deep.equal(expected.slice(0, 7));
      const [first = [], rest = []] = [claimed(7, now).map(({ id }) => id), drain(100, now)];
      expect([...first, ...rest]).to.deep.equal(expected);
    });

    it('come in order, though more of them than are looked through at once are not due', async () => {
      putMany(5000, { priority: 1, delayMs: 1_000_000 });
      putMany(1000, { priority: 2, delayMs: 1 });
      const urgent = put('x', { priority: 1, delayMs: 1 });
      expect((await list('ready', 1, NOW + 10)).map(({ jobId }) => Number(jobId))).to.deep.equal([urgent]);
      const found = drain(100, NOW + 10);
      expect(found).to.have.length(1001);
      expect(found[0]).to.equal(urgent);
    });

    it('are counted exactly, in whatever steps', async () => {
      // More than one step of one rank, and of many.
      connection.exec(`
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
        INSERT INTO messages (queue, state, priority, due, token, ttr, created, body)
        SELECT ${queue}, 2 + i % 2, i % 3, ${NOW} + CASE WHEN i < 45000 THEN 0 ELSE i END, 1, 1, 1, x'00' FROM n`);
      const delayed = 2500;
      expect(await counts(NOW)).to.deep.equal({ ready: 50_000 - delayed, delayed, reserved: 0, buried: 0 });
      expect(await reader.count(queue, 'delayed', NOW)).to.equal(delayed);
      expect(await list('delayed', 1200, NOW)).to.have.length(1200);
    });
  });

  describe('of which one step changes', () => {
    it('a bounded number', () => {
      putMany(1000);
      const last = messages.highestId();
      expect(messages.flush(queue, 'ready', last, NOW)).to.be.within(1, 300);
      putMany(1000, { delayMs: 1000 });
      expect(messages.promoteFirst(queue, 5000, NOW)).to.be.within(1, 300);
      expect(messages.promoteFirst(queue, 3, NOW)).to.equal(3);
    });

    it('a bounded number of bytes, and one message at least', () => {
      const large = Buffer.alloc(3_000_000);
      for (let n = 0; n < 5; n++)
        messages.put({ queue, body: large, options: { ...OPTIONS, delayMs: n === 4 ? 0 : 1000 } }, NOW);
      messages.put({ queue, body: Buffer.alloc(9_000_000), options: OPTIONS }, NOW);
      expect(messages.promoteFirst(queue, 100, NOW)).to.equal(1);
      const budget = { bytes: CLAIM_BYTES };
      expect(messages.claim(queue, 10, budget, NOW)).to.include({ isCut: true });
      expect(messages.claim(queue, 10, budget, NOW)).to.deep.equal({ messages: [], isCut: true });
      expect(messages.flush(queue, 'delayed', 100, NOW)).to.equal(1);
      let taken = 0;
      while (claim(10).length > 0) taken++;
      // The last of them is larger than the budget of any transaction.
      expect(taken).to.be.at.least(2);
      expect(messages.flush(queue, 'ready', 100, NOW)).to.equal(0);
    });

    it('no more than the bytes allow where many are taken at once: the rest stays as it was', async () => {
      for (let n = 0; n < 20; n++) messages.put({ queue, body: Buffer.alloc(60_000), options: OPTIONS }, NOW);
      const first = messages.claim(queue, 20, { bytes: 150_000 }, NOW);
      expect([first.messages.map(({ id }) => id), first.isCut]).to.deep.equal([[1, 2], true]);
      expect(await counts(NOW)).to.include({ ready: 18, reserved: 2 });
      const rest = claimed(20);
      expect(rest.map(({ id, attempts }) => [id, attempts])).to.deep.equal(
        Array.from({ length: 18 }, (_, n) => [n + 3, 0]),
      );
    });

    it('the most urgent first where many are taken at once, with those whose delay has just ended', () => {
      for (const priority of [9, 1, 5, 5, 7, 2, 8, 3, 4, 6]) put(String(priority), { priority });
      put('0', { priority: 0, delayMs: 50 });
      expect(claim(10, NOW + 10)).to.deep.equal(['1', '2', '3', '4', '5', '5', '6', '7', '8', '9']);
      expect(claim(10, NOW + 100)).to.deep.equal(['0']);
      for (let n = 0; n < 10; n++) put('a', { priority: n });
      put('urgent', { priority: 0, delayMs: 50 });
      messages.pause(queue, NOW + 90);
      expect(claim(20, NOW + 60)).to.deep.equal([]);
      expect(claim(20, NOW + 100)[1]).to.equal('urgent');
    });

    it('by an index', () => {
      const plan = (sql: string): string =>
        connection
          .prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .all([])
          .map(({ detail }) => String(detail))
          .join('; ');
      const statements: string[] = [];
      const recording: Connection = {
        ...connection,
        prepare(sql) {
          statements.push(sql);
          return connection.prepare(sql);
        },
      };
      const written = new Messages(recording);
      new MessageReader(recording);
      written.claim(queue, 5, { bytes: CLAIM_BYTES }, NOW);
      written.flush(queue, 'ready', 1, NOW);
      written.promoteFirst(queue, 1, NOW);
      written.retryFirst(queue, 1, NOW);
      written.retry(queue, 1, undefined, NOW);
      written.move(queue, 2, 1, NOW);
      written.delete(queue, 1);
      written.outlook(queue, NOW);
      written.bury(queue, 1, STALE, 1, null, NOW);
      for (const sql of statements) {
        expect(plan(sql), sql).not.to.match(/SCAN (messages|queues)(?! USING (COVERING )?INDEX)/);
      }
    });
  });
});
