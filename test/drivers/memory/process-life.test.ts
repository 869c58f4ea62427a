import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { openMemory } from '../../../src/drivers/memory/driver.js';
import type { Consumer, Driver, ReservedMessage, ReserveOptions } from '../../../src/queue/driver.js';
import { put, reserve, settle } from './messages.js';

describe('The memory driver and its process', () => {
  let driver: Driver;
  let consumer: Consumer;

  beforeEach(async () => {
    driver = openMemory('memory:', { prefix: '' });
    consumer = await driver.consume(['mail']);
  });
  const { setTimeout, clearTimeout } = globalThis;
  afterEach(async () => {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    await driver.close();
  });

  /** Counts the timers that keep the process alive, of those that are set from now on. Others come and go with other tests. */
  function counter(): () => number {
    const timers = new Set<NodeJS.Timeout>();
    const set = (callback: () => void, ms: number): NodeJS.Timeout => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        callback();
      }, ms);
      timers.add(timer);
      return timer;
    };
    const clear = (timer: NodeJS.Timeout): void => {
      timers.delete(timer);
      clearTimeout(timer);
    };
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    return () => [...timers].filter((timer) => timer.hasRef()).length;
  }

  /** Begins to reserve. Where the event loop was blocked, the driver lets it turn before it looks for a message. */
  async function begin(options?: ReserveOptions): Promise<{ readonly reserved: Promise<readonly ReservedMessage[]> }> {
    const reserved = consumer.reserve(options);
    reserved.catch(() => {});
    await nextTurn();
    await nextTurn();
    return { reserved };
  }

  it('does not keep it alive for what nobody waits for', async () => {
    const timers = counter();
    await put(driver, 'a', { delayMs: 60_000 });
    await put(driver, 'a');
    await consumer.reserve();
    await driver.pause('mail', 60_000);
    expect(timers()).to.equal(0);
  });

  it('does not keep it alive for a reserve that nothing can feed', async () => {
    const timers = counter();
    const first = await begin();
    expect(timers()).to.equal(0);
    await put(driver, 'a');
    await first.reserved;
    const reserving = await begin();
    expect(timers(), 'while the message is held').to.equal(1);
    await driver.close();
    expect(await reserving.reserved).to.deep.equal([]);
    expect(timers()).to.equal(0);
  });

  for (const [what, prepare] of [
    ['a delay', () => put(driver, 'a', { delayMs: 60_000 })],
    ['a pause', () => driver.pause('mail', 60_000)],
    ['a lease', () => put(driver, 'a').then(() => consumer.reserve())],
  ] as const) {
    it(`keeps it alive while a reserve waits for the end of ${what}, and no longer`, async () => {
      const timers = counter();
      await prepare();
      for (let n = 0; n < 2; n++) {
        const controller = new AbortController();
        const reserving = await begin({ signal: controller.signal });
        expect(timers()).to.equal(1);
        controller.abort();
        await reserving.reserved.catch(() => {});
        expect(timers()).to.equal(0);
      }
    });
  }

  it('keeps it alive for a delay that begins while a reserve waits', async () => {
    const timers = counter();
    const reserving = await begin();
    await put(driver, 'a', { delayMs: 60_000 });
    expect(timers()).to.equal(1);
    await driver.promote('mail', { limit: 1 });
    await reserving.reserved;
    expect(timers()).to.equal(0);
  });

  it('does not keep it alive for the lease of a message that was acknowledged', async () => {
    const timers = counter();
    await put(driver, 'a');
    const held = await reserve(consumer);
    const reserving = await begin();
    expect(timers()).to.equal(1);
    await settle(consumer, 'ack', held);
    expect(timers()).to.equal(0);
    await consumer.close();
    await reserving.reserved;
  });

  it('keeps it alive for the timeout of a reserve', async () => {
    const timers = counter();
    const controller = new AbortController();
    const reserving = await begin({ timeoutMs: 60_000, signal: controller.signal });
    expect(timers()).to.equal(1);
    controller.abort();
    await reserving.reserved.catch(() => {});
    expect(timers()).to.equal(0);
  });
});
