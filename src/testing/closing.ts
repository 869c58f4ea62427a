import assert from 'node:assert/strict';
import type { Consumer, Driver } from '../queue/driver.js';
import { refuses } from './checks.js';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

/** The end of consumers and drivers. */
export function closing(declaration: Declaration): void {
  declaration.describe('closing', () => {
    declaration.it('a consumer answers its waiting reserves with null', async (trial) => {
      const consumer = await trial.consume({ slots: 2 });
      const reserving = [trial.reserving(consumer, {}), trial.reserving(consumer, { timeoutMs: 60_000 })];
      await trial.pass(0.1);
      await trial.answer('the consumer closes', consumer.close());
      assert.deepEqual(await trial.answer('waiting reserves answer', Promise.all(reserving)), [null, null]);
    });

    declaration.it('a consumer gives back what it holds, which is then no longer its own', async (trial) => {
      const consumer = await trial.consume({ slots: 2 });
      await trial.putMany(['a', 'b']);
      const held = [await trial.next(consumer), await trial.next(consumer)];
      await consumer.close();
      const heir = await trial.consume({ driver: await trial.anotherDriver() });
      assert.deepEqual(await trial.drain(heir, 2), ['a', 'b']);
      for (const reservation of held) {
        await refuses('LEASE_LOST', 'ack() after its consumer was closed', reservation.ack());
        assert.equal(reservation.lost.aborted, true, 'the signal `lost` is aborted');
      }
    });

    declaration.it('a consumer ends it alone', async (trial) => {
      const [consumer, other] = [await trial.consume(), await trial.consume()];
      await trial.putMany(['a', 'b']);
      const held = await trial.next(other);
      await consumer.close();
      await refuses('CLOSED', 'reserve() on a closed consumer', consumer.reserve());
      await held.ack();
      await trial.drain(other, 1);
    });

    declaration.it('a driver answers its waiting reserves with null and gives back what is held', async (trial) => {
      const driver = await trial.anotherDriver();
      const [holder, waiting] = [await trial.consume({ driver }), await trial.consume({ driver, slots: 3 })];
      await trial.put('a');
      await trial.next(holder);
      const reserving = [0, 1, 2].map(() => trial.reserving(waiting, {}));
      await trial.pass(0.1);
      await trial.answer('the driver closes', driver.close());
      assert.deepEqual(await trial.answer('waiting reserves answer', Promise.all(reserving)), [null, null, null]);
      assert.deepEqual(await trial.drain(await trial.consume(), 1), ['a']);
    });

    declaration.it('a driver leaves no call without an answer', async (trial) => {
      const driver = await trial.anotherDriver();
      const consumer = await trial.consume({ driver });
      const calls = [
        trial.put('a', { driver }),
        driver.stats(trial.queue),
        driver.queues(),
        consumer.reserve(),
        driver.flush(trial.queue),
      ];
      const answers = Promise.allSettled(calls);
      await trial.answer('the driver closes', driver.close());
      await trial.answer('all calls that were made before are answered, or refused', answers);
    });

    declaration.it('refuses all that is asked of a driver afterwards', async (trial) => {
      const driver = await trial.anotherDriver();
      const consumer = await trial.consume({ driver });
      await driver.setUp(trial.queue);
      await driver.close();
      for (const [name, call] of Object.entries(callsOf(trial, driver, consumer))) {
        await refuses('CLOSED', `${name}() on a closed driver`, trial.answer(`${name}() answers`, call()));
      }
    });

    declaration.it('may be asked for again, and for what was never used', async (trial) => {
      const driver = await trial.anotherDriver();
      const consumer = await trial.consume({ driver });
      const closers = [consumer, consumer, driver, driver, consumer, await trial.anotherDriver()];
      for (const closer of closers) await trial.answer('it closes', closer.close());
    });
  });
}

function callsOf(trial: Trial, driver: Driver, consumer: Consumer): Record<string, () => Promise<unknown>> {
  const { queue } = trial;
  return {
    setUp: () => driver.setUp(queue),
    put: () => trial.put('a', { driver }),
    putMany: () => trial.putMany(['a'], { driver }),
    consume: () => driver.consume([queue], 1),
    reserve: () => consumer.reserve(),
    peek: () => driver.peek(queue, 'ready', 1),
    kick: () => driver.kick(queue, 1),
    delete: () => driver.delete(queue, '1'),
    stats: () => driver.stats(queue),
    queues: () => driver.queues(),
    pause: () => driver.pause(queue, 1000),
    flush: () => driver.flush(queue),
  };
}
