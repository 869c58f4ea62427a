import { expect } from 'chai';
import sinon from 'sinon';
import type { SqlConsumer } from '../../../src/drivers/sql/consumer.js';
import { WakeUps } from '../../../src/drivers/sql/wake-ups.js';
import { afterTest } from '../../support/after-test.js';
import { FakeStore } from './fake-store.js';

describe('Wake-ups of an SQL engine', () => {
  let clock: sinon.SinonFakeTimers;
  let looks: number;

  beforeEach(() => {
    clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    afterTest(() => clock.restore());
    looks = 0;
  });

  function begin(store: FakeStore): {
    wakeUps: WakeUps;
    consumer: { isWaiting: boolean; failed?: unknown } & SqlConsumer;
  } {
    const wakeUps = new WakeUps(store.asStore, () => looks++);
    const consumer = {
      isWaiting: true,
      queues: [{ id: 7, name: 'mail' }],
      fail(error: unknown) {
        Object.assign(consumer, { failed: error });
      },
    };
    wakeUps.add(consumer as unknown as SqlConsumer);
    return { wakeUps, consumer: consumer as never };
  }

  it('come more and more seldom where nothing is told', async () => {
    const { wakeUps, consumer } = begin(new FakeStore({ pollMs: [50, 250, 1000] }));
    for (const ms of [50, 250, 1000, 1000]) {
      await wakeUps.sleep(consumer);
      const before = looks;
      await clock.tickAsync(ms - 1);
      expect(looks).to.equal(before);
      await clock.tickAsync(1);
      expect(looks).to.equal(before + 1);
    }
  });

  it('come when a delay, lease or pause ends', async () => {
    const { wakeUps, consumer } = begin(new FakeStore({ nextDueMs: async () => 1234.5 }));
    await wakeUps.sleep(consumer);
    await clock.tickAsync(1234);
    expect(looks).to.equal(0);
    await clock.tickAsync(1);
    expect(looks).to.equal(1);
  });

  it('come at once for those who wait for the queue, or where any may have something', async () => {
    const { wakeUps, consumer } = begin(new FakeStore());
    await wakeUps.sleep(consumer);
    wakeUps.wake(8);
    expect(looks).to.equal(0);
    wakeUps.wake(7);
    wakeUps.wake('any');
    expect(looks).to.equal(2);
    consumer.isWaiting = false;
    wakeUps.wake(7);
    expect(looks).to.equal(2);
  });

  it('come once more when others begin to tell', async () => {
    let isNew = true;
    const store = new FakeStore({
      listen: async () => {
        const was = isNew;
        isNew = false;
        return was;
      },
    });
    const { wakeUps, consumer } = begin(store);
    await wakeUps.sleep(consumer);
    expect(looks).to.equal(1);
    await wakeUps.sleep(consumer);
    expect(looks).to.equal(1);
  });

  it('come no more where the engine cannot be asked: the consumer is told', async () => {
    const error = new Error('gone');
    const { wakeUps, consumer } = begin(new FakeStore({ nextDueMs: () => Promise.reject(error) }));
    await wakeUps.sleep(consumer);
    expect(consumer.failed).to.equal(error);
    await clock.tickAsync(10_000_000);
    expect(looks).to.equal(0);
  });
});
