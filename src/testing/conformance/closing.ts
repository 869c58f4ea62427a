import assert from 'node:assert/strict';
import type { CheckedDriver } from '../../queue/checked-driver.js';
import type { Consumer } from '../../queue/driver.js';
import { refuses } from './assertions.js';
import { type Fixture, LONG_MS, STATES } from './fixture.js';
import type { SuiteBuilder } from './suite-builder.js';

/** The end of consumers and drivers. */
export function closing(builder: SuiteBuilder): void {
  builder.describe('closing', () => {
    builder.it('a consumer answers its waiting reserves with no message', async (fixture) => {
      const consumer = await fixture.consume({ concurrency: 2 });
      const reserving = [fixture.reserving(consumer, {}), fixture.reserving(consumer, { timeoutMs: LONG_MS })];
      await fixture.pass(0.1);
      await fixture.answer('the consumer closes', consumer.close());
      assert.deepEqual(await fixture.answer('waiting reserves answer', Promise.all(reserving)), [null, null]);
    });

    builder.it('a consumer gives back what it holds, which is then no longer its own', async (fixture) => {
      const consumer = await fixture.consume({ concurrency: 2 });
      await fixture.putMany(['a', 'b']);
      const held = await fixture.take(consumer, 2);
      await consumer.close();
      const heir = await fixture.consume({ driver: await fixture.anotherDriver() });
      assert.deepEqual(await fixture.drain(heir, 2), ['a', 'b']);
      for (const each of held) {
        await refuses('LEASE_LOST', 'ack() after its consumer was closed', each.ack());
        assert.equal(each.lost.aborted, true, 'the signal `lost` is aborted');
      }
    });

    builder.it('a consumer ends it alone', async (fixture) => {
      const [consumer, other] = [await fixture.consume(), await fixture.consume()];
      await fixture.putMany(['a', 'b']);
      const held = await fixture.next(other);
      await consumer.close();
      await refuses('CLOSED', 'reserve() on a closed consumer', consumer.reserve());
      await held.ack();
      await fixture.drain(other, 1);
    });

    builder.it('a driver answers its waiting reserves with no message and gives back what is held', async (fixture) => {
      const driver = await fixture.anotherDriver();
      const [holder, waiting] = [await fixture.consume({ driver }), await fixture.consume({ driver, concurrency: 3 })];
      await fixture.put('a');
      await fixture.next(holder);
      const reserving = [0, 1, 2].map(() => fixture.reserving(waiting, {}));
      await fixture.pass(0.1);
      await fixture.answer('the driver closes', driver.close());
      assert.deepEqual(await fixture.answer('waiting reserves answer', Promise.all(reserving)), [null, null, null]);
      assert.deepEqual(await fixture.drain(await fixture.consume(), 1), ['a']);
    });

    builder.it('a driver leaves no call without an answer', async (fixture) => {
      const driver = await fixture.anotherDriver();
      const consumer = await fixture.consume({ driver });
      const calls = [
        fixture.put('a', { driver }),
        driver.stats([fixture.queue]),
        driver.queues(),
        consumer.reserve(),
        driver.flush(fixture.queue, STATES),
      ];
      const answers = Promise.allSettled(calls);
      await fixture.answer('the driver closes', driver.close());
      await fixture.answer('all calls that were made before are answered, or refused', answers);
    });

    builder.it('refuses all that is asked of a driver afterwards', async (fixture) => {
      const driver = await fixture.anotherDriver();
      const consumer = await fixture.consume({ driver });
      const id = await fixture.put('a');
      await driver.close();
      for (const [name, call] of Object.entries(callsOf(fixture, driver, consumer, id))) {
        await refuses('CLOSED', `${name}() on a closed driver`, fixture.answer(`${name}() answers`, call()));
      }
    });

    builder.it('may be asked for again, and for what was never used', async (fixture) => {
      const driver = await fixture.anotherDriver();
      const consumer = await fixture.consume({ driver });
      const closers = [consumer, consumer, driver, driver, consumer, await fixture.anotherDriver()];
      for (const closer of closers) await fixture.answer('it closes', closer.close());
    });
  });
}

function callsOf(
  fixture: Fixture,
  driver: CheckedDriver,
  consumer: Consumer,
  id: string,
): Record<string, () => Promise<unknown>> {
  const { queue } = fixture;
  return {
    setUp: () => driver.setUp(queue),
    put: () => fixture.put('a', { driver }),
    consume: () => driver.consume([queue]),
    reserve: () => consumer.reserve(),
    stats: () => driver.stats([queue]),
    ...(driver.capabilities.list.buried !== 'none' && {
      list: () => driver.list(queue, { state: 'buried', limit: 1 }),
    }),
    find: () => driver.find(queue, id),
    retry: () => driver.retry(queue, { limit: 1 }),
    promote: () => driver.promote(queue, { limit: 1 }),
    delete: () => driver.delete(queue, [id]),
    flush: () => driver.flush(queue, STATES),
    ...(driver.move && { move: () => driver.move?.(queue, fixture.newQueue(), [id]) ?? Promise.resolve() }),
    queues: () => driver.queues(),
    pause: () => driver.pause(queue, 1000),
    ...(driver.transaction && { transaction: () => driver.transaction?.(async () => {}) ?? Promise.resolve() }),
  };
}
