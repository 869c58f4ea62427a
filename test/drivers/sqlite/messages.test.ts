import { expect } from 'chai';
import { toBuffer } from '../../../src/drivers/sqlite/binding.js';
import { Messages } from '../../../src/drivers/sqlite/messages.js';
import { MIGRATIONS, migrate } from '../../../src/drivers/sqlite/schema.js';
import type { PutOptions } from '../../../src/queue/driver.js';
import { serializeFailure, toFailure } from '../../../src/queue/failure.js';
import { bytes, useDatabaseFiles } from './database-files.js';

const WHY = toFailure('why', { reason: 'attempts', attempt: 1 });

const US = 2 ** 45 + 1;
const THEM = 2 ** 45 + 2;
/** Any time; the clock stands still in these tests unless they say otherwise. */
const NOW = 1_800_000_000_000;
const OPTIONS: PutOptions = { priority: 5, delayMs: 0, ttrMs: 1000 };

describe('messages in SQLite', () => {
  const files = useDatabaseFiles();
  let messages: Messages;
  let queue: number;

  beforeEach(async () => {
    const connection = await files().connect();
    connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
    migrate(connection, files().path(), MIGRATIONS);
    messages = new Messages(connection);
    queue = messages.addQueue('mail');
  });

  function put(text: string, options: Partial<PutOptions> = {}): number {
    return messages.put(queue, bytes(text), { ...OPTIONS, ...options }, NOW);
  }

  /** The bodies of those that are taken. */
  function claim(limit: number, now = NOW, token = US): string[] {
    return messages.claim(queue, limit, token, now).map(({ body }) => toBuffer(body).toString());
  }

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

  it('are stored in order, each with the body and options of its own, however many there are', () => {
    for (const count of [1, 15, 16, 17, 50]) {
      const items = Array.from({ length: count }, (_, n) => ({ body: bytes(`${n}`), options: { ...OPTIONS } }));
      const ids = messages.putMany(queue, items, NOW);
      const rows = messages.peek(queue, 'ready', 100, NOW);
      expect(rows.map(({ id }) => id)).to.deep.equal(ids);
      expect(rows.map(({ body }) => toBuffer(body).toString())).to.deep.equal(items.map(({ body }) => body.toString()));
      messages.flush(queue, 100, NOW);
    }
    const unlike = Array.from({ length: 48 }, (_, n) => ({
      body: bytes(`${n}`),
      options: { priority: n === 20 ? 1 : 5, delayMs: n === 40 ? 10 : 0, ttrMs: n === 47 ? 77 : 1000 },
    }));
    messages.putMany(queue, unlike, NOW);
    expect(messages.stats(queue, NOW)).to.include({ ready: 47, delayed: 1 });
    expect(claim(1)).to.deep.equal(['20']);
    expect(messages.claim(queue, 100, US, NOW).at(-1)).to.include({ ttr: 77 });
  });

  it('are not delivered before their delay is over, which is never less than was asked for', () => {
    put('soon', { delayMs: 10 });
    put('later', { delayMs: 10.2 });
    expect(claim(2, NOW + 10)).to.deep.equal([]);
    expect(messages.stats(queue, NOW + 10)).to.include({ delayed: 2, ready: 0 });
    expect(messages.stats(queue, NOW + 11)).to.include({ delayed: 1, ready: 1 });
    expect(claim(2, NOW + 11)).to.deep.equal(['soon']);
    expect(claim(2, NOW + 12)).to.deep.equal(['later']);
  });

  it('whose time has come are ready to all who look, though nobody has taken any', () => {
    put('b');
    put('a', { priority: 1, delayMs: 10 });
    put('c', { priority: 9, delayMs: 20 });
    const peek = (now: number): unknown[] =>
      messages.peek(queue, 'ready', 2, now).map(({ body }) => toBuffer(body).toString());
    expect(peek(NOW)).to.deep.equal(['b']);
    expect(peek(NOW + 50)).to.deep.equal(['a', 'b']);
    expect(messages.peek(queue, 'delayed', 9, NOW + 15)).to.have.length(1);
    expect(claim(3, NOW + 50)).to.deep.equal(['a', 'b', 'c']);
  });

  it('are delivered again when their lease is over, as the next attempt', () => {
    put('a', { ttrMs: 1000 });
    const attempts = (now: number): number[] => messages.claim(queue, 1, US, now).map((claimed) => claimed.attempts);
    expect(attempts(NOW)).to.deep.equal([0]);
    expect(attempts(NOW + 999)).to.deep.equal([]);
    expect(attempts(NOW + 1000)).to.deep.equal([1]);
    expect(attempts(NOW + 2000)).to.deep.equal([2]);
  });

  it('obey nobody but who has taken them', () => {
    const id = put('a');
    claim(1, NOW, US);
    claim(1, NOW + 1000, THEM);
    expect(messages.ack(id, US)).to.equal(false);
    expect(messages.touch(id, US, NOW + 1500)).to.equal(false);
    expect(messages.release(id, US, 5, 0, NOW)).to.equal(false);
    expect(messages.bury(id, US, 5, undefined)).to.equal(false);
    messages.giveBack(id, US, NOW);
    expect(messages.delete(queue, id, NOW + 1500)).to.equal(false);
    expect(messages.flush(queue, 9, NOW + 1500)).to.equal(0);
    expect(messages.stats(queue, NOW + 1999)).to.include({ reserved: 1 });
    expect(messages.stats(queue, NOW + 2000)).to.include({ ready: 1 });
    expect(messages.touch(id, THEM, NOW + 1500)).to.equal(true);
    expect(messages.stats(queue, NOW + 2499)).to.include({ reserved: 1 });
    expect(messages.ack(id, THEM)).to.equal(true);
  });

  it('have no holder any more when they were released or buried', () => {
    const id = put('a');
    for (const settle of [
      () => messages.release(id, US, 5, 0, NOW),
      () => messages.release(id, US, 5, 1000, NOW),
      () => messages.bury(id, US, 5, WHY),
    ]) {
      claim(1);
      expect(settle()).to.equal(true);
      expect(messages.ack(id, US)).to.equal(false);
      messages.kickBuried(queue, 1);
      messages.kickDelayed(queue, 1);
    }
  });

  it('begin anew when they are kicked', () => {
    const id = put('a');
    claim(1);
    messages.bury(id, US, 3, WHY);
    expect(messages.peek(queue, 'buried', 1, NOW)[0]).to.include({ id, reason: serializeFailure(WHY) });
    expect(messages.kickBuried(queue, 5)).to.equal(1);
    expect(messages.peek(queue, 'ready', 1, NOW)[0]).to.include({ reason: null });
    expect(messages.claim(queue, 1, US, NOW)[0]).to.include({ attempts: 0, priority: 3 });
    messages.release(id, US, 3, 1000, NOW);
    expect(messages.kickDelayed(queue, 5)).to.equal(1);
    expect(messages.claim(queue, 1, US, NOW)[0]).to.include({ attempts: 0 });
  });

  it('are not delivered while their queue is paused', () => {
    put('a');
    messages.pause(queue, NOW + 100);
    expect(claim(1, NOW + 99)).to.deep.equal([]);
    expect(messages.outlook(queue, NOW)).to.deep.equal({ promising: false, changesAt: NOW + 100 });
    expect(claim(1, NOW + 100)).to.deep.equal(['a']);
  });

  it('tell when something will change by itself', () => {
    expect(messages.outlook(queue, NOW)).to.deep.equal({ promising: false, changesAt: Number.POSITIVE_INFINITY });
    put('a', { delayMs: 500 });
    expect(messages.outlook(queue, NOW)).to.deep.equal({ promising: false, changesAt: NOW + 501 });
    put('b', { ttrMs: 300 });
    expect(messages.outlook(queue, NOW)).to.deep.equal({ promising: true, changesAt: NOW + 501 });
    claim(1);
    expect(messages.outlook(queue, NOW)).to.deep.equal({ promising: false, changesAt: NOW + 300 });
    expect(messages.outlook(queue, NOW + 300).promising).to.equal(true);
  });

  it('become ready a good many at once, and the rest with the next claim', () => {
    const items = Array.from({ length: 1200 }, () => ({ body: bytes('a'), options: { ...OPTIONS, delayMs: 1 } }));
    messages.putMany(queue, items, NOW);
    let taken = 0;
    for (let claims = 0; claims < 4; claims++) taken += claim(400, NOW + 10).length;
    expect(taken).to.equal(1200);
  });
});
