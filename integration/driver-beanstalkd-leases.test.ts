import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ConnectionLostError } from '../src/client/index.js';
import type { Driver, PutOptions } from '../src/queue/driver.js';
import { EngineError, LeaseLostError } from '../src/queue/errors.js';
import { countsOf } from '../test/support/counts.js';
import { consume, type Held, putOne, statsOf } from '../test/support/one-message.js';
import { onOwnQueues } from './support/queues.js';
import { rejects } from './support/rejects.js';
import { until } from './support/until.js';

const OPTIONS: PutOptions = { priority: 55, delayMs: 0, ttrMs: 2000 };

describe('The beanstalkd driver and leases', () => {
  const queues = onOwnQueues();
  let driver: Driver;
  let queue: string;

  beforeEach(() => {
    driver = queues.open();
    queue = queues.name();
  });

  async function reserve(): Promise<Held> {
    const consumer = await consume(driver, [queue]);
    const reservation = await consumer.reserve({ timeoutMs: 60_000 });
    if (reservation === null) throw new Error('no message');
    return reservation;
  }

  /** Lets leases end while the server is stopped: one that runs may miss the end of a TTR (protocol-notes). */
  async function passTtr(): Promise<void> {
    await queues.fixture.server.pause();
    await sleep(2100);
    await queues.fixture.server.resume();
  }

  it('delivers a message again when its lease has ended, and counts that', async () => {
    const id = await putOne(driver, queue, Buffer.from('a'), OPTIONS);
    await reserve();
    await passTtr();
    expect(await reserve()).to.include({ jobId: id, attempt: 2 });
  });

  it('keeps a lease that is renewed', async () => {
    await putOne(driver, queue, Buffer.from('a'), { ...OPTIONS, ttrMs: 2000 });
    const reservation = await reserve();
    const start = performance.now();
    while (performance.now() - start < 4500) {
      await sleep(500);
      await reservation.touch();
    }
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 1, buried: 0 });
    await reservation.ack();
  });

  for (const method of ['ack', 'release', 'bury', 'touch'] as const) {
    it(`refuses ${method} to the holder before when another holds the message, and changes nothing`, async () => {
      const id = await putOne(driver, queue, Buffer.from('a'), OPTIONS);
      const stale = await reserve();
      await passTtr();
      const current = await reserve();
      const before = await (await queues.fixture.connect()).statsJob(id);
      const error = await rejects(stale[method](), LeaseLostError);
      expect(error.message).to.equal(
        `cannot settle or renew message ${id} of queue "${queue}": it is no longer held: its lease had ended`,
      );
      expect(stale.lost.aborted).to.equal(true);
      const after = await (await queues.fixture.connect()).statsJob(id);
      expect(after).to.include({ state: 'reserved', pri: 55, reserves: 2, releases: before?.releases, buries: 0 });
      await current.ack();
      expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    });
  }

  it('goes on after the server was restarted', async () => {
    await putOne(driver, queue, Buffer.from('before'), OPTIONS);
    const held = await reserve();
    const consumer = await consume(driver, [queue]);
    const reserving = rejects(consumer.reserve(), EngineError);
    await queues.untilWaited(queue);
    await queues.fixture.server.restart();
    expect(await reserving).to.include({ retryable: true, outcome: 'nothing' });
    expect((await reserving).cause).to.be.instanceOf(ConnectionLostError);
    expect(held.lost.aborted).to.equal(true);
    expect(held.lost.reason).to.be.instanceOf(LeaseLostError);
    await rejects(held.ack(), LeaseLostError);
    let id = '';
    await until('the driver is connected again', async () => {
      id = await putOne(driver, queue, Buffer.from('after'), OPTIONS).catch(() => '');
      return id !== '';
    });
    expect((await consumer.reserve({ timeoutMs: 60_000 }))?.jobId).to.equal(id);
    expect(await driver.queues()).to.include(queue);
  });

  it('says that the server cannot be reached while it is down', async () => {
    await driver.setUp(queue);
    const consumer = await consume(driver, [queue]);
    await queues.fixture.server.kill();
    const calls = [driver.setUp(queue), statsOf(driver, queue), consumer.reserve()];
    for (const error of await Promise.all(calls.map((call) => rejects(call, EngineError)))) {
      expect(error).to.include({ retryable: true, outcome: 'nothing' });
      expect(error.message).to.contain(`${queues.fixture.server.host}:${queues.fixture.server.port}`);
    }
  });

  it('gives up a reserve whose server does not answer at all', async () => {
    const consumer = await consume(driver, [queue]);
    await queues.fixture.server.pause();
    const controller = new AbortController();
    const given = rejects(consumer.reserve({ signal: controller.signal }), Error);
    // Time to connect, which the system accepts for the server.
    await sleep(50);
    controller.abort();
    expect((await given).name).to.equal('AbortError');
    await queues.fixture.server.resume();
  });
});
