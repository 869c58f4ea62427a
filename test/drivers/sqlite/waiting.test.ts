import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { stub } from 'sinon';
import type { Reservation } from '../../../src/queue/reservation.js';
import { block, bytes, next, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

describe('a reserve of the sqlite driver that waits', () => {
  const files = useDatabaseFiles();

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
    const waiting = await driver.consume(['mail']);
    await driver.setUp('mail');
    let reserving = waiting.reserve();
    await nextTurn();
    await driver.put('mail', bytes('put here'), ONE_MINUTE);
    expect(await soon(reserving)).to.equal('put here');
    reserving = waiting.reserve();
    await nextTurn();
    await neighbour.put('mail', bytes('put by another driver'), { ...ONE_MINUTE, priority: 1 });
    expect(await soon(reserving)).to.equal('put by another driver');
    await (await reserving)?.release({ delay: 60_000 });
    reserving = waiting.reserve();
    await nextTurn();
    await driver.promote('mail', 1);
    expect(await soon(reserving)).to.equal('put by another driver');
    const other = (await driver.consume(['mail'])).reserve();
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
    const reserving = next(await driver.consume(['mail']));
    await nextTurn();
    (await files().connect()).exec('UPDATE messages SET state = 2');
    expect((await reserving).body.toString()).to.equal('a');
  });

  it('gets nothing from a queue that another driver has paused, until the pause ends', async () => {
    const [driver, other] = [await files().open(), await files().open()];
    await other.pause('mail', 100);
    await other.put('mail', bytes('a'), ONE_MINUTE);
    const began = performance.now();
    const consumer = await driver.consume(['mail']);
    expect(await consumer.reserve({ timeoutMs: 0 })).to.equal(null);
    await next(consumer);
    expect(performance.now() - began).to.be.at.least(80);
  });

  it('looks once more when its time is over, because the event loop may have been blocked', async () => {
    const driver = await files().open();
    await driver.setUp('mail');
    const consumer = await driver.consume(['mail']);
    const other = await files().connect();
    const reserving = consumer.reserve({ timeoutMs: 500 });
    await nextTurn();
    other.exec(
      "INSERT INTO messages (queue, state, priority, due, token, ttr, created, body) VALUES (1, 2, 1, 1, 70368744177664, 60000, 1, x'61')",
    );
    block(600);
    expect((await reserving)?.body.toString()).to.equal('a');
    expect(await consumer.reserve({ timeoutMs: 20 })).to.equal(null);
  });

  it('may be one of many with one signal, without a warning', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail']);
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
        return [opened, await opened.consume(['mail'])] as const;
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

  it('keeps nothing of the request in which the engine was loaded', async () => {
    const module = new URL('../../../src/index.ts', import.meta.url).href;
    const program = `
      import { AsyncLocalStorage } from 'node:async_hooks';
      const { openDriver } = await import(${JSON.stringify(module)});
      const storage = new AsyncLocalStorage();
      const kept = new Set();
      const { setTimeout: original } = globalThis;
      globalThis.setTimeout = (...args) => {
        kept.add(storage.getStore());
        return original(...args);
      };
      await storage.run('request', async () => {
        const driver = await openDriver(${JSON.stringify(`sqlite:${files().path()}`)});
        const consumer = await driver.consume(['mail']);
        await consumer.reserve({ timeoutMs: 60 });
        await driver.close();
      });
      console.log(...kept);`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).to.equal('undefined\n');
  });

  it('waits for ever when it is told to wait longer than a timer can', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail']);
    const reserving = consumer.reserve({ timeoutMs: 2 ** 40 });
    expect(await soon(reserving)).to.equal(undefined);
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    expect((await reserving)?.body.toString()).to.equal('a');
  });
});
