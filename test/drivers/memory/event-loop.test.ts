import { expect } from 'chai';
import { openMemory } from '../../../src/drivers/memory/driver.js';
import type { Consumer, Driver } from '../../../src/queue/driver.js';
import { PLAIN, put, reserve, settle } from './messages.js';

/** Far more calls than fit between two turns; without any turn the loops below would end there. */
const MANY = 2_000_000;

describe('The memory driver and the event loop', () => {
  let driver: Driver;
  let consumer: Consumer;

  beforeEach(async () => {
    driver = openMemory('memory:', { prefix: '' });
    consumer = await driver.consume(['mail']);
  });
  afterEach(() => driver.close());

  /** Repeats the step until a timer fires. @returns whether one did */
  async function loop(step: () => Promise<unknown>): Promise<boolean> {
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 1);
    for (let n = 0; n < MANY && !fired; n++) await step();
    return fired;
  }

  it('lets timers run while somebody takes one message after another, and puts new ones', async () => {
    await put(driver, 'a');
    const took = await loop(async () => {
      const held = await reserve(consumer);
      await put(driver, 'a');
      await settle(consumer, 'ack', held);
    });
    expect(took).to.equal(true);
  });

  it('lets timers run while somebody asks again and again, whatever it is', async () => {
    for (const step of [
      () => consumer.reserve({ timeoutMs: 0 }),
      () => driver.stats(['mail']),
      () => driver.list('mail', { state: 'ready', limit: 1 }),
      () => driver.find('mail', '1'),
      () => driver.queues(),
      () => driver.retry('mail', { limit: 1 }),
      () => driver.promote('mail', { limit: 1 }),
      () => driver.delete('mail', ['1']),
      () => driver.flush('mail', ['ready']),
      () => driver.move?.('mail', 'other', ['1']) ?? Promise.resolve(),
      () => driver.put([{ queue: 'mail', body: Buffer.alloc(0), options: PLAIN }]),
    ]) {
      expect(await loop(step), step.toString()).to.equal(true);
    }
  });

  it('takes no message for a reserve whose signal aborts while it waits for the loop to turn', async () => {
    await driver.put(Array.from({ length: 1000 }, () => ({ queue: 'mail', body: Buffer.alloc(0), options: PLAIN })));
    const reason = new Error('enough');
    let given = 0;
    for (let n = 0; n < 1000; n++) {
      const controller = new AbortController();
      const reserving = consumer.reserve({ timeoutMs: 0, signal: controller.signal });
      controller.abort(reason);
      for (const end = performance.now() + 0.1; performance.now() < end; );
      await reserving.then(
        () => given++,
        (error: unknown) => expect(error).to.equal(reason),
      );
    }
    expect((await driver.stats(['mail']))[0]).to.include({ ready: 1000 - given, reserved: given });
  });

  it('listens to a signal once, however many reserves wait with it', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    const controller = new AbortController();
    const waiting = Array.from({ length: 50 }, () => consumer.reserve({ signal: controller.signal }).catch(String));
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort('enough');
    expect(await Promise.all(waiting)).to.deep.equal(Array.from({ length: 50 }, () => 'enough'));
    process.off('warning', onWarning);
    expect(warnings).to.deep.equal([]);
  });
});
