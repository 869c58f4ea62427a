import { execFile } from 'node:child_process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { DriverClosedError, EngineError } from '../../../src/queue/errors.js';
import { countsOf } from '../../support/counts.js';
import { rejection } from '../../support/failures.js';
import { bytes, next, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

describe('the sqlite driver, when it is closed', () => {
  const files = useDatabaseFiles();

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
    const consumer = await driver.consume(['mail']);
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
    await next(await driver.consume(['mail'])).catch(() => {});
    await driver.close();
    await driver.close();
    other.exec('COMMIT');
  });

  it('settles its close() though a message that it holds cannot be given back', async () => {
    const driver = await files().open('?busyTimeout=30');
    await driver.put('mail', bytes('a'), ONE_MINUTE);
    const held = await next(await driver.consume(['mail']));
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
      const consumer = await driver.consume(['mail']);
      const reserving = consumer.reserve();
      await driver.put([{ queue: 'mail', body: Buffer.from('a'), options }]);
      const [message] = await reserving;
      await consumer.settle([{ kind: 'ack', message }]);
      if (process.argv[1] === 'close') {
        const waiting = consumer.reserve();
        await driver.close();
        console.log((await waiting).length);
      } else console.log('open');`;
    const run = promisify(execFile);
    for (const [what, output] of [
      ['close', '0\n'],
      ['leave', 'open\n'],
    ] as const) {
      const args = ['--import', 'tsx', '--input-type=module', '-e', program, what];
      const { stdout } = await run(process.execPath, args, { timeout: 8000 });
      expect(stdout).to.equal(output);
    }
  });
});
