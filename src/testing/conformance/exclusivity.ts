import assert from 'node:assert/strict';
import { within } from './assertions.js';
import { drainUntilClosed } from './drain-loop.js';
import type { SuiteBuilder } from './suite-builder.js';

const MESSAGES = 5000;
const CONSUMERS = 8;

/** A message is delivered to one consumer and to nobody else until its lease is over. */
export function exclusivity(builder: SuiteBuilder): void {
  builder.describe('exclusivity', () => {
    builder.it(`delivers each of ${MESSAGES} messages to one of ${CONSUMERS} consumers, once`, async (fixture) => {
      const drivers = [fixture.driver, await fixture.anotherDriver()];
      const bodies = Array.from({ length: MESSAGES }, (_, n) => String(n));
      const consumers = await Promise.all(
        Array.from({ length: CONSUMERS }, (_, n) => fixture.consume({ driver: drivers[n % 2] ?? fixture.driver })),
      );
      const handled: string[] = [];
      let lastProgress = performance.now();
      const draining = consumers.map((consumer) =>
        drainUntilClosed(consumer, async (body) => {
          handled.push(body);
          lastProgress = performance.now();
        }),
      );
      const failed = Promise.all(draining);
      failed.catch(() => {});
      await fixture.putMany(bodies);
      while (handled.length < MESSAGES && performance.now() - lastProgress < fixture.patienceMs) {
        await Promise.race([failed, fixture.pass(0.02)]);
      }
      if (handled.length === MESSAGES) await fixture.untilCounts({}, 'all are acknowledged');
      await Promise.all(consumers.map((consumer) => consumer.close()));
      await within(fixture.patienceMs, 'the consumers end when they are closed', failed);
      assert.equal(handled.length, MESSAGES, 'so many messages were delivered');
      assert.equal(new Set(handled).size, MESSAGES, 'so many different messages were delivered');
      await fixture.counts({}, 'after all was acknowledged');
    });

    builder.it('delivers a held message to nobody else', async (fixture) => {
      const [holder, other] = [
        await fixture.consume(),
        await fixture.consume({ driver: await fixture.anotherDriver() }),
      ];
      await fixture.put('a');
      await fixture.next(holder);
      for (const consumer of [holder, other]) await fixture.nothing(consumer, 'the message is held');
    });
  });
}
