import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { stub } from 'sinon';
import type { Connection } from '../../../src/drivers/sqlite/binding.js';
import { openSqlite } from '../../../src/drivers/sqlite/driver.js';
import type { Consumer, Driver, Reservation } from '../../../src/queue/driver.js';
import { DriverClosedError, EngineError, InvalidOptionError, LeaseLostError } from '../../../src/queue/errors.js';
import { toFailure } from '../../../src/queue/failure.js';
import { countsOf } from '../../support/counts.js';
import { rejection } from '../../support/failures.js';
import { bindingWith, bytes, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

const FAILURE = toFailure('broken', { reason: 'attempts', attempt: 1 });

// What every engine must do is tested by the conformance suite, in integration/conformance-sqlite.test.ts.

async function next(consumer: Consumer): Promise<Reservation> {
  const reservation = await consumer.reserve({ timeoutMs: 5000 });
  if (reservation === null) throw new Error('no message came');
  return reservation;
}

/** Lets nothing else happen in this process. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('the sqlite driver', () => {
  const files = useDatabaseFiles();

  /** A driver, and how many transactions it has committed. */
  async function openCounted(): Promise<{ readonly driver: Driver; readonly commits: () => number }> {
    let commits = 0;
    const binding = await bindingWith((connection) => {
      const { prepare } = connection;
      Object.assign(connection, {
        prepare(sql: string) {
          const statement = Reflect.apply(prepare, connection, [sql]);
          if (sql !== 'COMMIT') return statement;
          const run: typeof statement.run = (values) => {
            commits++;
            return statement.run(values);
          };
          return { ...statement, run };
        },
      });
    });
    return { driver: await files().open('', { binding }), commits: () => commits };
  }

  it('keeps what was put when it is closed and opened again', async () => {
    const first = await files().open();
    await first.put('mail', bytes('ready'), ONE_MINUTE);
    await first.put('mail', bytes('delayed'), { ...ONE_MINUTE, delayMs: 60_000 });
    await first.put('mail', bytes('buried'), { ...ONE_MINUTE, priority: 0 });
    await (await next(await first.consume(['mail'], 1))).bury({ failure: FAILURE });
    await first.close();
    const second = await files().open();
    expect(countsOf(await second.stats('mail'))).to.deep.equal({ ready: 1, delayed: 1, reserved: 0, buried: 1 });
    expect(await second.peek('mail', 'buried', 1)).to.deep.equal([
      { id: '3', state: 'buried', body: bytes('buried'), failure: FAILURE },
    ]);
  });

  it('keeps installations with different prefixes apart', async () => {
    const one = await files().open('', { prefix: 'one-' });
    const other = await files().open('', { prefix: 'other-' });
    await one.put('mail', bytes('a'), ONE_MINUTE);
    expect(await one.queues()).to.deep.equal(['mail']);
    expect(await other.queues()).to.deep.equal([]);
    expect(countsOf(await other.stats('mail'))).to.include({ ready: 0 });
    expect((await next(await one.consume(['mail'], 1))).queue).to.equal('mail');
    expect(await (await files().open()).queues()).to.deep.equal(['one-mail']);
    const error = await rejection(openSqlite(`sqlite:${files().path()}`, { prefix: '-x' }), InvalidOptionError);
    expect(error.message).to.equal('no queue name can begin with the prefix "-x"');
  });

  it('never uses an id again, whatever has become of the message', async () => {
    const driver = await files().open();
    const put = (): Promise<string> => driver.put('mail', bytes('a'), ONE_MINUTE);
    expect(await put()).to.equal('1');
    await (await next(await driver.consume(['mail'], 1))).ack();
    expect(await put()).to.equal('2');
    await driver.delete('mail', '2');
    expect(
      await driver.putMany(
        'mail',
        [1, 2, 3].map(() => ({ body: bytes('b'), options: ONE_MINUTE })),
      ),
    ).to.deep.equal(['3', '4', '5']);
    await driver.flush('mail');
    await driver.close();
    expect(await (await files().open()).put('other', bytes('c'), ONE_MINUTE)).to.equal('6');
  });

  it('does all that is called in one tick in one transaction', async () => {
    const { driver, commits } = await openCounted();
    const consumer = await driver.consume(['mail'], 2);
    const held = [];
    for (const body of ['a', 'b']) await driver.put('mail', bytes(body), ONE_MINUTE);
    for (let n = 0; n < 2; n++) held.push(await next(consumer));
    const before = commits();
    const [first, second] = held;
    await Promise.all([
      first?.ack(),
      second?.release({ priority: 0 }),
      driver.put('mail', bytes('c'), ONE_MINUTE),
      driver.put('mail', bytes('d'), ONE_MINUTE),
      consumer.reserve(),
      consumer.reserve(),
    ]);
    expect(commits() - before).to.equal(1);
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 1, delayed: 0, reserved: 2, buried: 0 });
  });

  it('does nothing to the others of its transaction when one has lost its lease', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail'], 3);
    for (const ttrMs of [60_000, 1, 60_000]) await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs });
    const [one, lost, another] = await Promise.all([next(consumer), next(consumer), next(consumer)]);
    const thief = await next(await driver.consume(['mail'], 1));
    expect(thief.id).to.equal(lost?.id);
    await Promise.all([one?.ack(), rejection(lost?.ack() ?? Promise.resolve(), LeaseLostError), another?.ack()]);
    // Its lease is as short.
    const { ready, reserved } = countsOf(await driver.stats('mail'));
    expect(ready + reserved).to.equal(1);
  });

  it('takes no more messages than reserves wait', async () => {
    const driver = await files().open();
    await driver.putMany(
      'mail',
      Array.from({ length: 20 }, () => ({ body: bytes('a'), options: ONE_MINUTE })),
    );
    const consumer = await driver.consume(['mail'], 10);
    await Promise.all([next(consumer), next(consumer), next(consumer)]);
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 17, delayed: 0, reserved: 3, buried: 0 });
  });

  it('shares the slots between queues that take turns', async () => {
    const driver = await files().open();
    for (const queue of ['a', 'b', 'c']) {
      const count = queue === 'b' ? 1 : 10;
      await driver.putMany(
        queue,
        Array.from({ length: count }, () => ({ body: bytes(queue), options: ONE_MINUTE })),
      );
    }
    const consumer = await driver.consume(['a', 'b', 'c'], 7);
    const taken = await Promise.all(Array.from({ length: 7 }, () => next(consumer)));
    expect(taken.map(({ queue }) => queue).sort()).to.deep.equal(['a', 'a', 'a', 'b', 'c', 'c', 'c']);
    const turns = [];
    for (let n = 0; n < 4; n++) turns.push((await next(consumer)).queue);
    expect([...new Set(turns)].sort()).to.deep.equal(['a', 'c']);
    expect(turns[0]).to.equal(turns[2]);
  });

  it('refuses the first of two slots of one consumer what it does behind the transaction that hands its message on', async () => {
    let isSlow = false;
    const binding = await bindingWith((connection) => {
      const { prepare } = connection;
      Object.assign(connection, {
        prepare(sql: string) {
          const statement = Reflect.apply(prepare, connection, [sql]);
          const { run } = statement;
          return Object.assign(statement, {
            run(values: Parameters<typeof run>[0]) {
              if (isSlow && sql.startsWith('INSERT INTO messages')) block(20);
              return Reflect.apply(run, statement, [values]);
            },
          });
        },
      });
    });
    const driver = await files().open('', { binding });
    await driver.setUp('other');
    const consumer = await driver.consume(['mail'], 2);
    for (const command of ['ack', 'release', 'bury', 'touch'] as const) {
      await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
      const first = await next(consumer);
      await sleep(5);
      // It takes all the time of the transaction, in which the message is then taken; the command is for the next one.
      isSlow = true;
      const filling = driver.put('other', bytes('b'), ONE_MINUTE);
      for (let n = 0; n < 5; n++) await Promise.resolve();
      const reserving = consumer.reserve();
      const settling = rejection(first[command](), LeaseLostError);
      const second = await reserving;
      await Promise.all([filling, settling]);
      isSlow = false;
      expect(first.lost.aborted).to.equal(true);
      expect(second?.id).to.equal(first.id);
      await second?.ack();
      expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    }
  });

  it('settles what a slot did that blocked the event loop beyond its lease, as nobody has taken it', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail'], 2);
    for (const command of ['ack', 'release', 'bury'] as const) {
      await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 20 });
      const reservation = await next(consumer);
      block(60);
      await reservation[command]();
      await driver.kick('mail', 1);
      await (await consumer.reserve({ timeoutMs: 0 }))?.ack();
    }
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
  });

  it('lets a message be settled late, and its lease be renewed late, where nobody has taken it', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail'], 1);
    for (const settle of ['ack', 'bury', 'release', 'touch'] as const) {
      await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
      const reservation = await next(consumer);
      while (countsOf(await driver.stats('mail')).ready === 0) await nextTurn();
      await reservation[settle]();
      expect(reservation.lost.aborted, settle).to.equal(false);
      if (settle === 'touch') await reservation.ack();
      await driver.flush('mail');
    }
  });

  it('tells a holder at once when the same consumer gets its message again', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail'], 2);
    await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 1 });
    const first = await next(consumer);
    const { lost } = first;
    const second = await next(consumer);
    expect([second.id, second.attempt]).to.deep.equal([first.id, 2]);
    expect(lost.aborted).to.equal(true);
    await rejection(first.ack(), LeaseLostError);
    await second.ack();
  });

  it('refuses what SQLite could not store, and stores the rest of the tick', async () => {
    const driver = await files().open();
    const put = (body: unknown, options: object): Promise<string> =>
      driver.put('mail', body as Buffer, { ...ONE_MINUTE, ...options });
    const good = [put(bytes('a'), {}), put(bytes('b'), {})];
    for (const [bad, message] of [
      [put('text', {}), 'a body must be bytes, got "text"'],
      [put(bytes('c'), { delayMs: Number.NaN }), 'a delay, TTR or pause must be at most 4294967295000 ms, got NaN ms'],
      [
        put(bytes('c'), { ttrMs: 1e15 }),
        'a delay, TTR or pause must be at most 4294967295000 ms, got 1000000000000000 ms',
      ],
      [put(bytes('c'), { priority: 1.5 }), 'priority must be an integer from 0 to 4294967295, got 1.5'],
    ] as const) {
      expect((await rejection(bad, InvalidOptionError)).message).to.equal(message);
    }
    expect(await Promise.all(good)).to.deep.equal(['1', '2']);
    expect(countsOf(await driver.stats('mail'))).to.include({ ready: 2 });
  });

  it('holds a message as long as it is told, to the longest time', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), {
      priority: 4_294_967_295,
      delayMs: 4_294_967_295_000,
      ttrMs: 4_294_967_295_000,
    });
    await driver.kick('mail', 1);
    const reservation = await next(await driver.consume(['mail'], 1));
    expect(reservation.ttrMs).to.equal(4_294_967_295_000);
    await reservation.release({ delayMs: 4_294_967_295_000 });
    expect(countsOf(await driver.stats('mail'))).to.include({ delayed: 1 });
    await driver.pause('mail', 4_294_967_295_000);
    await rejection(driver.pause('mail', 4_294_967_295_001), InvalidOptionError);
  });

  it('refuses an id that it cannot have given, and knows whether one that it can have given is there', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    for (const id of [
      '',
      '0',
      '01',
      '1.5',
      ' 1',
      '-1',
      '1e0',
      'abc',
      '9007199254740992',
      '99999999999999999999',
      'x'.repeat(1e6),
    ]) {
      const error = await rejection(driver.delete('mail', id), InvalidOptionError);
      expect(error.message).to.match(/^an id of SQLite must be .*, got ".{0,60}"$/);
      await rejection(driver.delete('nowhere', id), InvalidOptionError);
    }
    await rejection(driver.delete('mail', 1 as unknown as string), InvalidOptionError);
    expect(await driver.delete('mail', '9007199254740991')).to.equal(false);
    expect(await driver.delete('nowhere', '1')).to.equal(false);
    expect(await driver.delete('mail', '1')).to.equal(true);
  });

  it('refuses times that SQLite could not hold, and takes any limit', async () => {
    const driver = await files().open();
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    for (const bad of [1e300, Number.POSITIVE_INFINITY, Number.NaN]) {
      await rejection(driver.put('mail', bytes('b'), { ...ONE_MINUTE, delayMs: bad }), InvalidOptionError);
      await rejection(driver.put('mail', bytes('b'), { ...ONE_MINUTE, ttrMs: bad }), InvalidOptionError);
      await rejection(driver.pause('mail', bad), InvalidOptionError);
    }
    const reservation = await next(await driver.consume(['mail'], 1));
    await rejection(reservation.release({ delayMs: 1e300 }), InvalidOptionError);
    await reservation.release();
    for (const [limit, count] of [
      [Number.POSITIVE_INFINITY, 1],
      [1e300, 1],
      [1.5, 1],
      [-1, 0],
      [Number.NaN, 0],
    ] as const) {
      expect(await driver.peek('mail', 'ready', limit)).to.have.length(count);
      expect(await driver.kick('mail', limit)).to.equal(0);
    }
  });

  describe('a reserve that waits', () => {
    /** What it gets without any timer having run. */
    async function soon(reserving: Promise<Reservation | null>): Promise<string | undefined> {
      let text: string | undefined;
      void reserving.then((reservation) => {
        text = reservation?.body.toString();
      });
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      return text;
    }

    it('is told at once of what the same process does: a put, a release, a kick, the end of a pause', async () => {
      const [driver, neighbour] = [await files().open(), await files().open()];
      const waiting = await driver.consume(['mail'], 1);
      await driver.setUp('mail');
      let reserving = waiting.reserve();
      await nextTurn();
      await driver.put('mail', bytes('put here'), ONE_MINUTE);
      expect(await soon(reserving)).to.equal('put here');
      reserving = waiting.reserve();
      await nextTurn();
      await neighbour.put('mail', bytes('put by another driver'), { ...ONE_MINUTE, priority: 1 });
      expect(await soon(reserving)).to.equal('put by another driver');
      await (await reserving)?.release({ delayMs: 60_000 });
      reserving = waiting.reserve();
      await nextTurn();
      await driver.kick('mail', 1);
      expect(await soon(reserving)).to.equal('put by another driver');
      const other = (await driver.consume(['mail'], 1)).reserve();
      await nextTurn();
      await (await reserving)?.release();
      expect(await soon(other)).to.equal('put by another driver');
      await driver.pause('mail', 60_000);
      await (await other)?.release();
      reserving = waiting.reserve();
      expect(await soon(reserving)).to.equal(undefined);
      await driver.pause('mail', 0);
      expect(await soon(reserving)).to.equal('put by another driver');
    });

    it('is told of what another program does to the file', async () => {
      const driver = await files().open();
      await driver.put('mail', bytes('a'), { ...ONE_MINUTE, delayMs: 60_000 });
      const reserving = next(await driver.consume(['mail'], 1));
      await nextTurn();
      (await files().connect()).exec('UPDATE messages SET state = 2');
      expect((await reserving).body.toString()).to.equal('a');
    });

    it('gets nothing from a queue that another driver has paused, until the pause ends', async () => {
      const [driver, other] = [await files().open(), await files().open()];
      await other.pause('mail', 100);
      await other.put('mail', bytes('a'), ONE_MINUTE);
      const began = performance.now();
      const consumer = await driver.consume(['mail'], 1);
      expect(await consumer.reserve({ timeoutMs: 0 })).to.equal(null);
      await next(consumer);
      expect(performance.now() - began).to.be.at.least(80);
    });

    it('looks once more when its time is over, because the event loop may have been blocked', async () => {
      const driver = await files().open();
      await driver.setUp('mail');
      const consumer = await driver.consume(['mail'], 1);
      const reserving = consumer.reserve({ timeoutMs: 20 });
      await nextTurn();
      (await files().connect()).exec(
        "INSERT INTO messages (queue, state, priority, due, token, ttr, created, body) VALUES (1, 2, 1, 1, 70368744177664, 60000, 1, x'61')",
      );
      block(40);
      expect((await reserving)?.body.toString()).to.equal('a');
      expect(await consumer.reserve({ timeoutMs: 20 })).to.equal(null);
    });

    it('may be one of many with one signal, without a warning', async () => {
      const driver = await files().open();
      const consumer = await driver.consume(['mail'], 30);
      const controller = new AbortController();
      const warnings: Error[] = [];
      const onWarning = (warning: Error): void => void warnings.push(warning);
      process.on('warning', onWarning);
      const { signal } = controller;
      const reserving = Promise.allSettled(Array.from({ length: 30 }, () => consumer.reserve({ signal })));
      await nextTurn();
      await nextTurn();
      process.off('warning', onWarning);
      expect(warnings).to.deep.equal([]);
      controller.abort(new Error('enough'));
      const reasons = (await reserving).map((outcome) => outcome.status === 'rejected' && outcome.reason.message);
      expect(new Set(reasons)).to.deep.equal(new Set(['enough']));
    });

    it('keeps nothing of the request in which it was called, or the driver opened', async () => {
      const storage = new AsyncLocalStorage<object>();
      const kept = new Set<unknown>();
      // What timers are made in is what they keep.
      const { setTimeout: original } = globalThis;
      const fake = stub(globalThis, 'setTimeout').callsFake(((...args: Parameters<typeof original>) => {
        kept.add(storage.getStore());
        return original(...args);
      }) as typeof setTimeout);
      try {
        const [driver, consumer] = await storage.run({}, async () => {
          const opened = await files().open();
          await opened.put('mail', bytes('a'), { ...ONE_MINUTE, delayMs: 10 });
          return [opened, await opened.consume(['mail'], 1)] as const;
        });
        const reserving = storage.run({}, () => consumer.reserve({ timeoutMs: 5000 }));
        expect((await reserving)?.body.toString()).to.equal('a');
        const other = await files().connect();
        other.exec('BEGIN IMMEDIATE');
        const putting = storage.run({}, () => driver.put('mail', bytes('b'), ONE_MINUTE));
        await sleep(10);
        other.exec('COMMIT');
        await putting;
      } finally {
        fake.restore();
      }
      expect([...kept]).to.deep.equal([undefined]);
    });

    it('waits for ever when it is told to wait longer than a timer can', async () => {
      const driver = await files().open();
      const consumer = await driver.consume(['mail'], 1);
      const reserving = consumer.reserve({ timeoutMs: 2 ** 40 });
      expect(await soon(reserving)).to.equal(undefined);
      await driver.put('mail', bytes('a'), ONE_MINUTE);
      expect((await reserving)?.body.toString()).to.equal('a');
    });
  });

  describe('leaves the event loop its turns', () => {
    /** How often it turned meanwhile. */
    async function turnsDuring(action: () => Promise<unknown>): Promise<number> {
      let turns = 0;
      let done = false;
      const turning = (async () => {
        while (!done) {
          await nextTurn();
          turns++;
        }
      })();
      await action();
      done = true;
      await turning;
      return turns;
    }

    it('while a caller awaits one put after the other', async () => {
      const driver = await files().open();
      const turns = await turnsDuring(async () => {
        for (let n = 0; n < 1000; n++) await driver.put('mail', bytes('a'), ONE_MINUTE);
      });
      expect(turns).to.be.at.least(20);
    });

    it('while it stores a long list, and other processes see all of it or nothing', async () => {
      const driver = await files().open();
      await driver.setUp('mail');
      const other = await files().connect();
      const count = other.prepare('SELECT count(*) AS count FROM messages');
      const seen = new Set<unknown>();
      const items = Array.from({ length: 8000 }, () => ({ body: Buffer.alloc(200), options: ONE_MINUTE }));
      let turns = 0;
      let isDone = false;
      const putting = driver.putMany('mail', items).finally(() => {
        isDone = true;
      });
      while (!isDone) {
        await nextTurn();
        seen.add(count.get([])?.['count']);
        turns++;
      }
      expect((await putting).length).to.equal(8000);
      expect([...seen]).to.have.members([0, 8000]);
      expect(turns).to.be.at.least(3);
    });

    it('while it stores, counts, kicks and flushes very many messages, and other processes the lock', async () => {
      const driver = await files().open();
      const other = await files().connect();
      let locks = 0;
      const items = Array.from({ length: 30_000 }, () => ({
        body: bytes('a'),
        options: { ...ONE_MINUTE, delayMs: 90_000 },
      }));
      const work: readonly (() => Promise<unknown>)[] = [
        () => driver.putMany('mail', items),
        () => driver.stats('mail'),
        () => driver.kick('mail', 30_000),
        () => driver.flush('mail'),
      ];
      for (const call of work) {
        const turns = await turnsDuring(async () => {
          const calling = call();
          void nextTurn().then(() => {
            try {
              other.exec('BEGIN IMMEDIATE; ROLLBACK');
              locks++;
            } catch {
              // In the middle of one part of the list.
            }
          });
          await calling;
        });
        expect(turns).to.be.at.least(2);
      }
      expect(locks).to.be.at.least(3);
      expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    });

    it('while somebody publishes as fast as a flush removes, which ends', async () => {
      const driver = await files().open();
      await driver.putMany(
        'mail',
        Array.from({ length: 2000 }, () => ({ body: bytes('a'), options: ONE_MINUTE })),
      );
      let isFlushed = false;
      const publishing = (async () => {
        while (!isFlushed)
          await driver.putMany(
            'mail',
            Array.from({ length: 300 }, () => ({ body: bytes('b'), options: { ...ONE_MINUTE, priority: 1 } })),
          );
      })();
      const flushed = await driver.flush('mail');
      isFlushed = true;
      await publishing;
      expect(flushed).to.be.at.least(2000);
      expect((await driver.peek('mail', 'ready', 1))[0]?.body.toString()).to.equal('b');
    });

    it('while leases of a millisecond end all the time', async () => {
      const driver = await files().open();
      await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 0 });
      const consumer = await driver.consume(['mail'], 1);
      const turns = await turnsDuring(async () => {
        for (let n = 0; n < 100; n++) await consumer.reserve();
      });
      expect(turns).to.be.at.least(3);
    });
  });

  describe('when it is closed', () => {
    it('has done what was called before', async () => {
      const driver = await files().open();
      const ids = Promise.all([driver.put('mail', bytes('a'), ONE_MINUTE), driver.put('mail', bytes('b'), ONE_MINUTE)]);
      await driver.setUp('mail');
      const later = driver.put('mail', bytes('c'), ONE_MINUTE);
      await driver.close();
      expect([...(await ids), await later].sort()).to.deep.equal(['1', '2', '3']);
      expect(countsOf(await (await files().open()).stats('mail'))).to.include({ ready: 3 });
      await rejection(driver.queues(), DriverClosedError);
    });

    it('has done what waits for the lock', async () => {
      const driver = await files().open();
      await driver.setUp('mail');
      const other = await files().connect();
      other.exec('BEGIN IMMEDIATE');
      const putting = driver.put('mail', bytes('a'), ONE_MINUTE);
      const closing = driver.close();
      await nextTurn();
      other.exec('COMMIT');
      expect(await putting).to.equal('1');
      await closing;
    });

    it('gives up what cannot be given back, leaves nothing behind, and can be closed again', async () => {
      const driver = await files().open('?busyTimeout=30');
      await driver.put('mail', bytes('a'), ONE_MINUTE);
      const consumer = await driver.consume(['mail'], 2);
      const held = await next(consumer);
      const waiting = consumer.reserve();
      const other = await files().connect();
      other.exec('BEGIN IMMEDIATE');
      const error = await rejection(consumer.close(), EngineError);
      expect(error).to.include({ retryable: true, outcome: 'nothing' });
      expect(await waiting).to.equal(null);
      expect(held.lost.aborted).to.equal(true);
      await rejection(consumer.reserve(), DriverClosedError);
      other.exec('COMMIT');
      // Another try gives it back.
      await consumer.close();
      expect(await driver.stats('mail')).to.include({ ready: 1, reserved: 0 });
      await consumer.close();
      other.exec('BEGIN IMMEDIATE');
      await next(await driver.consume(['mail'], 1)).catch(() => {});
      await driver.close();
      await driver.close();
      other.exec('COMMIT');
    });

    it('settles its close() though a message that it holds cannot be given back', async () => {
      const driver = await files().open('?busyTimeout=30');
      await driver.put('mail', bytes('a'), ONE_MINUTE);
      const held = await next(await driver.consume(['mail'], 1));
      const other = await files().connect();
      other.exec('BEGIN IMMEDIATE');
      const late = rejection(driver.put('mail', bytes('b'), ONE_MINUTE), EngineError);
      await driver.close();
      await late;
      expect(held.lost.aborted).to.equal(true);
      other.exec('COMMIT');
      expect(await (await files().open()).stats('mail')).to.include({ reserved: 1 });
    });

    it('lets the process end, and does so as well when nobody waits for a message', async () => {
      const module = new URL('../../../src/drivers/sqlite/driver.ts', import.meta.url).href;
      const program = `
        const { openSqlite } = await import(${JSON.stringify(module)});
        const driver = await openSqlite(${JSON.stringify(`sqlite:${files().path()}`)}, { prefix: '' });
        const options = { priority: 1, delayMs: 0, ttrMs: 60_000 };
        const consumer = await driver.consume(['mail'], 1);
        const reserving = consumer.reserve();
        await driver.put('mail', Buffer.from('a'), options);
        await (await reserving).ack();
        if (process.argv[1] === 'close') {
          const waiting = consumer.reserve();
          await driver.close();
          console.log(await waiting);
        } else console.log('open');`;
      const run = promisify(execFile);
      for (const [what, output] of [
        ['close', 'null\n'],
        ['leave', 'open\n'],
      ] as const) {
        const args = ['--import', 'tsx', '--input-type=module', '-e', program, what];
        const { stdout } = await run(process.execPath, args, { timeout: 8000 });
        expect(stdout).to.equal(output);
      }
    });
  });
});

describe('an SQLite file', () => {
  const files = useDatabaseFiles();

  /** What the driver's own connection says to a PRAGMA. */
  async function setting(name: string, query: string): Promise<unknown> {
    let opened: Connection | undefined;
    const binding = await bindingWith((connection) => {
      opened = connection;
    });
    await files().open(query, { binding });
    return opened?.prepare(`PRAGMA ${name}`).get([])?.[name];
  }

  it('is safe against the end of the process, and against power failure when that is asked for', async () => {
    expect(await setting('synchronous', '')).to.equal(1);
    expect(await setting('synchronous', '?synchronous=normal')).to.equal(1);
    expect(await setting('synchronous', '?synchronous=full')).to.equal(2);
  });

  it('is not written a large body again when its message is taken, held for longer and released', async () => {
    const driver = await files().open();
    await driver.put('mail', Buffer.alloc(1_000_000, 'x'), ONE_MINUTE);
    const { size: before } = statSync(files().path('haricot.db-wal'));
    const reservation = await next(await driver.consume(['mail'], 1));
    await reservation.touch();
    await reservation.release();
    expect(statSync(files().path('haricot.db-wal')).size - before).to.be.below(100_000);
  });

  it('has a log that does not grow with what was written', async () => {
    const driver = await files().open();
    const items = Array.from({ length: 2000 }, () => ({ body: Buffer.alloc(5000), options: ONE_MINUTE }));
    for (let round = 0; round < 4; round++) {
      await driver.putMany('mail', items);
      await driver.flush('mail');
    }
    expect(statSync(files().path('haricot.db-wal')).size).to.be.below(17 * 1024 * 1024);
    // Nor does the file: what was removed gives room for what comes.
    expect(statSync(files().path()).size).to.be.below(20 * 1024 * 1024);
  });
});
