import assert from 'node:assert/strict';
import { within } from './checks.js';
import { compete } from './competitor.js';
import type { Declaration } from './declaration.js';

const MESSAGES = 5000;
const CONSUMERS = 8;

/** A message is delivered to one consumer and to nobody else until its lease is over. */
export function exclusivity(declaration: Declaration): void {
  declaration.describe('exclusivity', () => {
    declaration.it(`delivers each of ${MESSAGES} messages to one of ${CONSUMERS} consumers, once`, async (trial) => {
      const drivers = [trial.driver, await trial.anotherDriver()];
      const bodies = Array.from({ length: MESSAGES }, (_, n) => String(n));
      const consumers = await Promise.all(
        Array.from({ length: CONSUMERS }, (_, n) => trial.consume({ driver: drivers[n % 2] ?? trial.driver })),
      );
      const handled: string[] = [];
      let lastProgress = performance.now();
      const competing = consumers.map((consumer) =>
        compete(consumer, async (body) => {
          handled.push(body);
          lastProgress = performance.now();
        }),
      );
      const failed = Promise.all(competing);
      failed.catch(() => {});
      await trial.putMany(bodies);
      while (handled.length < MESSAGES && performance.now() - lastProgress < trial.patienceMs) {
        await Promise.race([failed, trial.pass(0.02)]);
      }
      if (handled.length === MESSAGES) await trial.untilCounts({}, 'all are acknowledged');
      await Promise.all(consumers.map((consumer) => consumer.close()));
      await within(trial.patienceMs, 'the consumers end when they are closed', failed);
      assert.equal(handled.length, MESSAGES, 'so many messages were delivered');
      assert.equal(new Set(handled).size, MESSAGES, 'so many different messages were delivered');
      await trial.counts({}, 'after all was acknowledged');
    });

    declaration.it('delivers a held message to nobody else', async (trial) => {
      const [holder, other] = [await trial.consume(), await trial.consume({ driver: await trial.anotherDriver() })];
      await trial.put('a');
      await trial.next(holder);
      for (const consumer of [holder, other]) await trial.nothing(consumer, 'the message is held');
    });
  });
}
