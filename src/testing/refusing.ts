import assert from 'node:assert/strict';
import type { Driver, PutOptions } from '../queue/driver.js';
import { MAX_DURATION_MS } from '../queue/duration.js';
import { refuses } from './checks.js';
import type { Declaration } from './declaration.js';
import type { Trial } from './trial.js';

/** More than an engine can hold, or no duration at all. */
const WRONG_MS = [MAX_DURATION_MS + 1, 2 ** 53, 1e300, -1, Number.NaN, Number.POSITIVE_INFINITY];
/** A lease that ends as it begins: whoever consumes would be given the message again and again. */
const WRONG_TTRS = [...WRONG_MS, 0];
const WRONG_LIMITS = [-1, 1.5, Number.NaN];
const WRONG_PRIORITIES = [-1, 1.5, 2 ** 32, Number.NaN];
const WRONG_NAMES = ['', '-a', 'a b', 'a\r\n', 'ä', 'x'.repeat(201)];

/** No engine can have given these. */
const WRONG_IDS = ['', 'no id', ' 1', '1\n', '\u0000'];

/** Wrong calls: refused with `INVALID_OPTION` on every engine, and nothing is done. */
export function refusing(declaration: Declaration): void {
  declaration.describe('wrong calls', () => {
    declaration.it(
      'refuses to put with a priority or duration that there is not, and stores nothing',
      async (trial) => {
        const wrong: Partial<PutOptions>[] = [
          ...WRONG_PRIORITIES.map((priority) => ({ priority })),
          ...WRONG_MS.map((delayMs) => ({ delayMs })),
          ...WRONG_TTRS.map((ttrMs) => ({ ttrMs })),
        ];
        for (const options of wrong) {
          const what = describe(options);
          await refuses('INVALID_OPTION', `put() with ${what}`, trial.put('a', options));
          const items = [trial.options(), trial.options(options)].map((each) => ({
            body: Buffer.from('a'),
            options: each,
          }));
          await refuses('INVALID_OPTION', `putMany() with ${what}`, trial.driver.putMany(trial.queue, items));
        }
        await trial.counts({}, 'after puts that were refused');
      },
    );

    declaration.it(
      'refuses to settle with a priority or delay that there is not, and it is still held',
      async (trial) => {
        await trial.put('a');
        const reservation = await trial.next(await trial.consume());
        for (const priority of WRONG_PRIORITIES) {
          await refuses('INVALID_OPTION', `release() with priority ${priority}`, reservation.release({ priority }));
          await refuses('INVALID_OPTION', `bury() with priority ${priority}`, reservation.bury({ priority }));
        }
        for (const delayMs of WRONG_MS) {
          await refuses('INVALID_OPTION', `release() with delayMs ${delayMs}`, reservation.release({ delayMs }));
        }
        await trial.counts({ reserved: 1 }, 'after settlements that were refused');
        await reservation.ack();
      },
    );

    declaration.it('refuses to pause for a duration that there is not, and delivers as before', async (trial) => {
      await trial.put('a');
      for (const ms of WRONG_MS) {
        await refuses('INVALID_OPTION', `pause() for ${ms} ms`, trial.driver.pause(trial.queue, ms));
      }
      assert.deepEqual(await trial.drain(await trial.consume(), 1), ['a']);
    });

    declaration.it('refuses to look at or kick a number of messages that there is not', async (trial) => {
      await trial.put('a', { delayMs: 60_000 });
      for (const limit of WRONG_LIMITS) {
        await refuses('INVALID_OPTION', `peek() of ${limit}`, trial.driver.peek(trial.queue, 'delayed', limit));
        await refuses('INVALID_OPTION', `kick() of ${limit}`, trial.driver.kick(trial.queue, limit));
      }
      await trial.counts({ delayed: 1 }, 'after kicks that were refused');
    });

    declaration.it('refuses to consume no queue, or in an order that there is not', async (trial) => {
      await refuses('INVALID_OPTION', 'consume() of no queue', trial.driver.consume([], 1));
      const options = { order: 'random' as 'fair' };
      await refuses(
        'INVALID_OPTION',
        'consume() in the order "random"',
        trial.driver.consume([trial.queue], 1, options),
      );
    });

    declaration.it('refuses to wait for a time that there is not, or with what is no signal', async (trial) => {
      await trial.put('a');
      const consumer = await trial.consume();
      for (const timeoutMs of WRONG_MS) {
        await refuses('INVALID_OPTION', `reserve() for ${timeoutMs} ms`, consumer.reserve({ timeoutMs }));
      }
      const signal = { aborted: false } as AbortSignal;
      await refuses('INVALID_OPTION', 'reserve() with what is no signal', consumer.reserve({ timeoutMs: 0, signal }));
      assert.deepEqual(await trial.drain(consumer, 1), ['a']);
    });

    declaration.it('refuses to delete what can be no id, and deletes nothing', async (trial) => {
      await trial.put('a');
      for (const id of WRONG_IDS) {
        const what = `delete(${JSON.stringify(id)})`;
        await refuses('INVALID_OPTION', what, trial.driver.delete(trial.queue, id));
      }
      await trial.counts({ ready: 1 }, 'after deletions that were refused');
    });

    declaration.it('refuses a name that can be no queue, whatever is to be done', async (trial) => {
      for (const name of WRONG_NAMES) {
        for (const [method, call] of Object.entries(callsOf(trial, trial.driver, name))) {
          await refuses('INVALID_OPTION', `${method} for the queue ${JSON.stringify(name)}`, call());
        }
      }
    });
  });

  declaration.describe('durations', () => {
    declaration.it('may be the longest that there are', async (trial) => {
      const longest = { delayMs: MAX_DURATION_MS, ttrMs: MAX_DURATION_MS };
      await trial.put('delayed', longest);
      await trial.put('held', { ttrMs: MAX_DURATION_MS });
      const consumer = await trial.consume();
      const reservation = await trial.next(consumer);
      assert.deepEqual([reservation.body.toString(), reservation.ttrMs], ['held', MAX_DURATION_MS]);
      await trial.pass(0.2);
      await trial.counts({ delayed: 1, reserved: 1 }, 'with the longest delay and the longest lease');
      await reservation.release({ delayMs: MAX_DURATION_MS });
      await trial.driver.pause(trial.queue, MAX_DURATION_MS);
      await trial.put('paused');
      await trial.nothing(consumer, 'the queue is paused, and the other messages are delayed');
      await trial.counts({ delayed: 2, ready: 1 }, 'with the longest delays and the longest pause');
    });

    declaration.it('may be the least TTR, a second, which is a lease of a second and no less', async (trial) => {
      await trial.put('a', { ttrMs: 1000 });
      const start = performance.now();
      const { ttrMs, leaseEndsAt } = await trial.next(await trial.consume());
      assert.ok(ttrMs >= 1000 && ttrMs <= 2000, `the TTR of 1000 ms became ${ttrMs} ms`);
      assert.ok(leaseEndsAt >= start + 1000, 'the lease lasts a second from its delivery');
    });
  });
}

function describe(options: Partial<PutOptions>): string {
  return Object.entries(options)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function callsOf(trial: Trial, driver: Driver, queue: string): Record<string, () => Promise<unknown>> {
  return {
    setUp: () => driver.setUp(queue),
    put: () => driver.put(queue, Buffer.from('a'), trial.options()),
    putMany: () => driver.putMany(queue, [{ body: Buffer.from('a'), options: trial.options() }]),
    consume: () => driver.consume([queue], 1),
    peek: () => driver.peek(queue, 'ready', 1),
    kick: () => driver.kick(queue, 1),
    delete: () => driver.delete(queue, '1'),
    stats: () => driver.stats(queue),
    pause: () => driver.pause(queue, 1000),
    flush: () => driver.flush(queue),
  };
}
