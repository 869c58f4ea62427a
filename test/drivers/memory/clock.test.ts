import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { restore, stub } from 'sinon';
import { openMemory } from '../../../src/drivers/memory/driver.js';
import type { Consumer, Driver, MessageCounts, PutOptions, ReservedMessage } from '../../../src/queue/driver.js';
import { LeaseLostError } from '../../../src/queue/errors.js';
import { useFakeClock } from '../../support/clock.js';
import { rejection } from '../../support/failures.js';
import { counts as countsIn, first, put as putInto, reserve, settle } from './messages.js';

const DAY_MS = 86_400_000;

let driver: Driver;
let consumer: Consumer;

async function openOne(): Promise<void> {
  driver = openMemory('memory:', { prefix: '' });
  consumer = await driver.consume(['mail']);
}

const put = (options: Partial<PutOptions> = {}, queue?: string): Promise<string> =>
  putInto(driver, 'a', options, queue);

const counts = (queue?: string): Promise<MessageCounts> => countsIn(driver, queue);

/** What the reserve has come to so far. */
function watch(reserving: Promise<readonly ReservedMessage[]>): { found?: readonly ReservedMessage[] } {
  const watched: { found?: readonly ReservedMessage[] } = {};
  void reserving.then((found) => {
    watched.found = found;
  });
  return watched;
}

describe('The memory driver, to the millisecond,', () => {
  const clock = useFakeClock();

  beforeEach(openOne);

  it('delivers a delayed message', async () => {
    await put({ delayMs: 30_000 });
    const reserving = watch(consumer.reserve());
    await clock.tickAsync(29_999);
    expect(reserving.found).to.equal(undefined);
    await clock.tickAsync(1);
    expect(reserving.found?.[0]).to.include({ attempt: 1 });
  });

  it('ends a lease and tells its holder when somebody else takes the message', async () => {
    await put({ ttrMs: 30_000 });
    const held = await reserve(consumer);
    const next = watch(consumer.reserve());
    await clock.tickAsync(29_999);
    expect(held.lost.aborted).to.equal(false);
    await clock.tickAsync(1);
    expect(held.lost.reason).to.be.instanceOf(LeaseLostError);
    expect(held.lost.reason.message).to.equal(
      `cannot settle or renew message ${held.jobId} of queue "mail": it is no longer held: its lease had ended`,
    );
    expect(next.found?.[0]).to.include({ attempt: 2 });
  });

  it('lets a holder whose lease is over settle or renew it until somebody else takes the message', async () => {
    for (const [command, left] of [
      ['ack', {}],
      ['release', { ready: 1 }],
      ['bury', { buried: 1 }],
      ['touch', { reserved: 1 }],
    ] as const) {
      await put({ ttrMs: 30_000 });
      const held = await reserve(consumer);
      await clock.tickAsync(40_000);
      expect(await counts()).to.include({ ready: 1, reserved: 0 });
      await settle(consumer, command, held);
      expect(await counts(), command).to.deep.equal({
        ...{ ready: 0, delayed: 0, reserved: 0, buried: 0 },
        ...left,
      });
      if (command === 'touch') await settle(consumer, 'ack', held);
      await driver.flush('mail', ['ready', 'delayed', 'buried']);
    }
  });

  it('tells a holder whose lease is over that its message was removed', async () => {
    for (const remove of [
      (id: string) => driver.delete('mail', [id]),
      () => driver.flush('mail', ['ready', 'delayed', 'buried']),
    ]) {
      const id = await put({ ttrMs: 30_000 });
      const held = await reserve(consumer);
      await clock.tickAsync(40_000);
      await remove(id);
      expect(held.lost.aborted).to.equal(true);
      await rejection(settle(consumer, 'ack', held), LeaseLostError);
    }
  });

  it('begins a lease anew with a touch', async () => {
    await put({ ttrMs: 30_000 });
    const held = await reserve(consumer);
    watch(consumer.reserve());
    await clock.tickAsync(20_000);
    await settle(consumer, 'touch', held);
    await clock.tickAsync(29_999);
    expect(held.lost.aborted).to.equal(false);
    await clock.tickAsync(1);
    expect(held.lost.aborted).to.equal(true);
  });

  it('ends a pause', async () => {
    await driver.pause('mail', 30_000);
    await put();
    const reserving = watch(consumer.reserve());
    await clock.tickAsync(29_999);
    expect(reserving.found).to.equal(undefined);
    await clock.tickAsync(1);
    expect(reserving.found?.[0]).to.include({ attempt: 1 });
  });

  it('ends a reserve with no message', async () => {
    const reserving = watch(consumer.reserve({ timeoutMs: 30_000 }));
    await clock.tickAsync(29_999);
    expect(reserving.found).to.equal(undefined);
    await clock.tickAsync(1);
    expect(reserving.found).to.deep.equal([]);
  });

  it('holds a message back longer than a timer can last', async () => {
    await put({ delayMs: 100 * DAY_MS });
    const reserving = watch(consumer.reserve());
    await clock.tickAsync(100 * DAY_MS - 1);
    expect(reserving.found).to.equal(undefined);
    await clock.tickAsync(1);
    expect(reserving.found?.[0]).to.include({ attempt: 1 });
  });

  it('delivers what becomes due before the timer that is set', async () => {
    await put({ delayMs: 30_000 });
    await put({ delayMs: 10_000 });
    const reserving = watch(consumer.reserve());
    await clock.tickAsync(10_000);
    expect(reserving.found?.[0]).to.include({ jobId: '2' });
  });

  it('tells how long the oldest ready message has been so', async () => {
    const oldest = async (): Promise<number | null | undefined> => (await driver.stats(['mail']))[0]?.oldestReadyMs;
    await put({ delayMs: 500, priority: 0 });
    await put({ priority: 9 });
    expect(await oldest()).to.equal(0);
    await clock.tickAsync(1000);
    await put({ priority: 8 });
    await clock.tickAsync(1000);
    expect(await oldest()).to.equal(2000);
    const delayed = await reserve(consumer);
    expect(delayed.jobId).to.equal('1');
    const [eight, nine] = [await reserve(consumer), await reserve(consumer)];
    expect(await oldest()).to.equal(null);
    await settle(consumer, 'release', nine);
    await clock.tickAsync(300);
    await settle(consumer, 'release', eight);
    expect(await oldest()).to.equal(300);
    await driver.delete('mail', ['2']);
    expect(await oldest()).to.equal(0);
    await put({ delayMs: 500 });
    await driver.flush('mail', ['ready']);
    await clock.tickAsync(700);
    expect(await oldest()).to.equal(200);
  });

  it('has one timer for all that is to come in a queue, and none once the driver is closed', async () => {
    for (let n = 0; n < 100; n++) await put({ delayMs: 1000 * n });
    await consumer.reserve();
    await driver.pause('mail', 5000);
    expect(clock.pending).to.equal(1);
    await driver.close();
    expect(clock.pending).to.equal(0);
  });

  it('has no timer for a reserve that is over, nor listens to its signal', async () => {
    const { signal } = new AbortController();
    const reserving = consumer.reserve({ timeoutMs: 60_000, signal });
    await put();
    await settle(consumer, 'ack', first(await reserving));
    await consumer.reserve({ timeoutMs: 0, signal });
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
    const waiting = consumer.reserve();
    expect(clock.pending).to.equal(0);
    await consumer.close();
    expect(await waiting).to.deep.equal([]);
  });
});

describe('The memory driver, in a process that is busy,', () => {
  beforeEach(openOne);
  afterEach(async () => {
    restore();
    await driver.close();
  });

  function beBusy(ms: number): void {
    for (const end = performance.now() + ms; performance.now() < end; );
  }

  it('accepts the settlement of a message whose lease has ended while the process was busy', async () => {
    for (const command of ['ack', 'release', 'bury', 'touch'] as const) {
      await put({ ttrMs: 10 });
      const held = await reserve(consumer);
      const waiting = watch(consumer.reserve());
      beBusy(30);
      // Another call of the holder's ends nobody's lease either.
      await put({ priority: 0 }, 'other');
      await settle(consumer, command, held);
      expect(held.lost.aborted).to.equal(false);
      await counts();
      await driver.close();
      expect(waiting.found?.[0]?.attempt, command).to.equal(command === 'release' ? 2 : undefined);
      await openOne();
    }
  });

  it('accepts the renewal of a lease that has ended while the process was busy, though others wait', async () => {
    await put({ ttrMs: 50 });
    const held = await reserve(consumer);
    const waiting = watch(consumer.reserve());
    // As a worker does it; both timers are late, and this one was set for an earlier time.
    const renewed = new Promise((resolve) => {
      setTimeout(() => setTimeout(() => resolve(settle(consumer, 'touch', held)), 1), 20);
    });
    beBusy(100);
    await renewed;
    await settle(consumer, 'ack', held);
    expect('found' in waiting).to.equal(false);
  });

  it('gives a message whose delay has ended to the reserve that waits, whatever is asked first', async () => {
    await put({ delayMs: 10 });
    const reserving = consumer.reserve();
    beBusy(12);
    expect(await counts()).to.include({ delayed: 0, reserved: 1 });
    expect(first(await reserving)).to.include({ attempt: 1 });
  });

  it('gives back what its consumer holds when that closes, though the lease has ended', async () => {
    await put({ ttrMs: 10 });
    const other = await driver.consume(['mail']);
    const held = await reserve(consumer);
    const reserving = other.reserve();
    beBusy(12);
    await consumer.close();
    expect(held.lost.reason.message).to.match(/its consumer was closed$/);
    await settle(consumer, 'ack', first(await reserving));
    expect(await driver.queues()).to.deep.equal([]);
  });

  it('gives a reserve one message when two become due as it begins to wait', async () => {
    const both = await driver.consume(['mail', 'other']);
    const start = performance.now();
    await put({ delayMs: 60_000 });
    await put({ delayMs: 60_000 }, 'other');
    // Both are due once it has found neither.
    let looks = 0;
    stub(performance, 'now').callsFake(() => start + (++looks > 1 ? 120_000 : 0));
    expect(await reserve(both)).to.include({ queue: 'mail' });
    await driver.flush('other', ['ready', 'delayed', 'buried']);
    await put({}, 'other');
    expect(await counts('other')).to.include({ ready: 1, reserved: 0 });
  });
});
