import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { LeaseLostError } from '../../../src/queue/errors.js';
import { countsOf } from '../../support/counts.js';
import { rejection } from '../../support/failures.js';
import { bindingBefore, block, bytes, next, ONE_MINUTE, useDatabaseFiles } from './database-files.js';

describe('a late holder of the sqlite driver', () => {
  const files = useDatabaseFiles();

  it('refuses the first of two slots of one consumer what it does behind the transaction that hands its message on', async () => {
    let isSlow = false;
    const binding = await bindingBefore((sql) => {
      if (isSlow && sql.startsWith('INSERT INTO messages')) block(20);
    });
    const driver = await files().open('', { binding });
    await driver.setUp('other');
    const consumer = await driver.consume(['mail']);
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
      expect(second?.jobId).to.equal(first.jobId);
      await second?.ack();
      expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    }
  });

  it('settles what a slot did that blocked the event loop beyond its lease, as nobody has taken it', async () => {
    const driver = await files().open();
    const consumer = await driver.consume(['mail']);
    for (const command of ['ack', 'release', 'bury'] as const) {
      await driver.put('mail', bytes('a'), { ...ONE_MINUTE, ttrMs: 20 });
      const reservation = await next(consumer);
      block(60);
      await reservation[command]();
      await driver.retry('mail', 1);
      await (await consumer.reserve({ timeoutMs: 0 }))?.ack();
    }
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
  });
});
