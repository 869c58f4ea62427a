import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CheckedDriver, checkedDriver } from '../../queue/checked-driver.js';
import type {
  ConsumeOptions,
  Consumer,
  Driver,
  MessageCounts,
  PutOptions,
  ReserveOptions,
} from '../../queue/driver.js';
import { TimingError, until, within } from './assertions.js';
import { HeldMessage } from './held-message.js';
import type { Engine, Timing } from './timing.js';

/** The states of messages that nobody holds. */
export const STATES = ['ready', 'delayed', 'buried'] as const;
export type SettledState = (typeof STATES)[number];

const NOTHING: MessageCounts = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

/** Priorities that are different ones on engines with bands of them, too. */
export const URGENT = 0;
export const NORMAL: number = 2 ** 31;
export const LATE: number = 2 ** 32 - 1;

/** A delay or pause that outlasts the test. */
export const LONG_MS = 120_000;

/** How much earlier a clock may seem to strike: the engine's and ours are not read in the same moment, nor as finely. */
const CLOCK_MS = 10;

/** How late it may strike: the engine may know whole seconds only. */
const LATE_MS = 3000;

interface Where {
  readonly driver?: Driver;
  readonly queue?: string;
}

/** What one test works with: a driver and a queue of its own, and more of them when it asks. */
export class Fixture {
  readonly driver: CheckedDriver;
  readonly queue: string;
  readonly engine: Engine;
  /** The unit of delays, leases and pauses, in milliseconds. */
  readonly secondMs: number;
  /** How long an answer or a message may take. */
  readonly patienceMs: number;
  readonly #drivers: Driver[] = [];
  readonly #queues: string[] = [];
  readonly #atEnd: (() => Promise<void>)[] = [];

  static async begin(engine: Engine, timing: Timing): Promise<Fixture> {
    return new Fixture(engine, timing, checkedDriver(await engine.open()));
  }

  private constructor(engine: Engine, { secondMs, patienceMs }: Timing, driver: CheckedDriver) {
    this.engine = engine;
    this.secondMs = secondMs;
    this.patienceMs = patienceMs;
    this.driver = driver;
    this.#drivers.push(driver);
    this.queue = this.newQueue();
  }

  /** A further driver on the same messages. */
  async anotherDriver(): Promise<CheckedDriver> {
    const driver = checkedDriver(await this.engine.open());
    this.#drivers.push(driver);
    return driver;
  }

  /** The name of a queue that nobody else has. */
  newQueue(name = `haricot-${randomUUID()}`): string {
    this.#queues.push(name);
    return name;
  }

  async consume({
    driver = this.driver,
    queues = [this.queue],
    ...options
  }: ConsumeOptions & { readonly driver?: Driver; readonly queues?: readonly string[] } = {}): Promise<Consumer> {
    return driver.consume(queues, options);
  }

  /** @returns its id */
  async put(body: string | Uint8Array, options: Partial<PutOptions> & Where = {}): Promise<string> {
    const [id] = await this.putMany([body], options);
    assert.ok(id !== undefined, 'put() of one message must answer one id');
    return id;
  }

  /** Several messages in one call. @returns their ids */
  async putMany(
    bodies: readonly (string | Uint8Array)[],
    { driver = this.driver, queue = this.queue, ...options }: Partial<PutOptions> & Where = {},
  ): Promise<string[]> {
    const checked = this.options(options);
    const { stored } = await driver.put(bodies.map((body) => ({ queue, body: Buffer.from(body), options: checked })));
    return stored.map(({ jobId }) => jobId);
  }

  /** Puts a message into a queue without ready ones, and buries it. @returns its id */
  async putBuried(body: string, options: Partial<PutOptions> & Where = {}): Promise<string> {
    const id = await this.put(body, options);
    const consumer = await this.consume({ queues: [options.queue ?? this.queue] });
    await (await this.next(consumer)).bury();
    await consumer.close();
    return id;
  }

  /** The id that a message has had which is gone. */
  async idOfNone(): Promise<string> {
    const queue = this.newQueue();
    const id = await this.put('gone', { queue });
    await this.drain(await this.consume({ queues: [queue] }), 1);
    return id;
  }

  /** Puts a message of each state there, whose body names it. @returns their ids */
  async oneOfEach(): Promise<Record<SettledState, string>> {
    const buried = await this.putBuried('buried');
    return { buried, ready: await this.put('ready'), delayed: await this.put('delayed', { delayMs: LONG_MS }) };
  }

  /** A lease that outlasts the test, unless it says otherwise. */
  options(options: Partial<PutOptions> = {}): PutOptions {
    return { priority: NORMAL, delayMs: 0, ttrMs: 120_000, ...options };
  }

  /** The next message, which must come. */
  async next(consumer: Consumer, what = 'a message comes'): Promise<HeldMessage> {
    const held = await this.answer(what, this.reserving(consumer));
    assert.ok(held, `not within ${this.patienceMs} ms: ${what}`);
    return held;
  }

  /** The next messages, which must come, one after another. */
  async take(consumer: Consumer, count: number): Promise<HeldMessage[]> {
    const held: HeldMessage[] = [];
    while (held.length < count) held.push(await this.next(consumer, `message ${held.length + 1} of ${count} comes`));
    return held;
  }

  /** Checks that no message is to be had. */
  async nothing(consumer: Consumer, what = 'no message is to be had'): Promise<void> {
    const held = await this.answer('a reserve that does not wait answers', this.reserving(consumer, { timeoutMs: 0 }));
    assert.equal(held?.body.toString(), undefined, what);
  }

  /**
   * A reserve that goes on while the test does something else. It is not told of as unhandled when the test fails.
   * @returns `null` where it answers that there is no message
   */
  reserving(consumer: Consumer, options: ReserveOptions = { timeoutMs: this.patienceMs }): Promise<HeldMessage | null> {
    const reserving = consumer.reserve(options).then(([message, ...others]) => {
      assert.equal(others.length, 0, 'a reserve that does not say how many must answer one message at most');
      return message === undefined ? null : new HeldMessage(message, consumer);
    });
    reserving.catch(() => {});
    return reserving;
  }

  /** Takes and acks so many messages, one by one. @returns their bodies as strings */
  async drain(consumer: Consumer, count: number): Promise<string[]> {
    const bodies: string[] = [];
    while (bodies.length < count) {
      const held = await this.next(consumer, `message ${bodies.length + 1} of ${count} comes`);
      bodies.push(held.body.toString());
      await held.ack();
    }
    return bodies;
  }

  /** How many messages are in each state; none where there is no such queue. */
  async countsOf(queue: string, driver: Driver = this.driver): Promise<MessageCounts> {
    const [stats] = await driver.stats([queue]);
    const { ready, delayed, reserved, buried } = stats ?? NOTHING;
    return { ready, delayed, reserved, buried };
  }

  /** Checks how many messages are in each state; none where nothing is said. */
  async counts(expected: Partial<MessageCounts>, when: string, queue: string = this.queue): Promise<void> {
    assert.deepEqual(await this.countsOf(queue), { ...NOTHING, ...expected }, `stats ${when}`);
  }

  /** Waits until there are so many messages in each state. */
  async untilCounts(expected: Partial<MessageCounts>, what: string): Promise<void> {
    let found = NOTHING;
    try {
      await until(this.patienceMs, what, async () => {
        found = await this.countsOf(this.queue);
        return Object.entries({ ...NOTHING, ...expected }).every(([state, count]) => count === found[state as 'ready']);
      });
    } catch (error) {
      throw new assert.AssertionError({ message: `${(error as Error).message}; stats are ${JSON.stringify(found)}` });
    }
  }

  /** What the call answers, which it must do in time. */
  answer<T>(what: string, call: Promise<T>): Promise<T> {
    return within(this.patienceMs + 2 * this.secondMs, what, call);
  }

  /** Lets so many seconds pass. */
  pass(seconds: number): Promise<void> {
    return sleep(seconds * this.secondMs);
  }

  /** Checks that what was to take so many seconds took no less, and not much more. */
  tookAbout(seconds: number, start: number, what: string): void {
    const ms = performance.now() - start;
    const least = seconds * this.secondMs;
    const most = least + LATE_MS;
    assert.ok(ms >= least - CLOCK_MS, `${what} after ${ms.toFixed(0)} ms, which is before ${least} ms`);
    if (ms > most) {
      throw new TimingError({ message: `${what} after ${ms.toFixed(0)} ms, which is long after ${least} ms` });
    }
  }

  /** Checks what is so only for a while. @param ends when that is over, by `performance.now()` */
  async while(ends: number, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (performance.now() < ends) throw error;
      throw new TimingError({ message: `${(error as Error).message} (but this was looked at too late)` });
    }
  }

  /** Checks what is so while a lease lasts, which is renewed or settled at most once, at the end. */
  whileHeld({ leaseEndsAt, ttrMs }: HeldMessage, check: () => Promise<void>): Promise<void> {
    // The lease began earlier than its holder was told, nobody knows how much: half of it is left for that.
    return this.while(leaseEndsAt - ttrMs / 2, check);
  }

  /** Has something done when the test is over, before its queues are emptied. */
  atEnd(action: () => Promise<void>): void {
    this.#atEnd.push(action);
  }

  /** Closes the drivers, removes what is left in the queues, and ends their pauses. Passes its argument on. */
  async end<T>(result: T): Promise<T> {
    await Promise.all(this.#atEnd.map((action) => action()));
    await within(this.patienceMs, 'the drivers close', Promise.all(this.#drivers.map((driver) => driver.close())));
    const sweeper = checkedDriver(await this.engine.open());
    try {
      for (const queue of this.#queues) await this.#empty(sweeper, queue);
    } finally {
      await sweeper.close();
    }
    return result;
  }

  async #empty(sweeper: Driver, queue: string): Promise<void> {
    await sweeper.pause(queue, 0);
    await until(this.patienceMs, 'the messages that the test has left can be flushed', async () => {
      await sweeper.flush(queue, STATES);
      const { ready, delayed, reserved, buried } = await this.countsOf(queue, sweeper);
      return ready + delayed + reserved + buried === 0;
    });
  }
}
