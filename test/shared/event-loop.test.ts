import { expect } from 'chai';
import { openDriver } from '../../src/drivers/open.js';
import type { Driver } from '../../src/queue/driver.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { EventLoop } from '../../src/shared/event-loop.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { Worker } from '../../src/worker/worker.js';

describe('EventLoop', () => {
  it('does not delay work while the loop turns', async () => {
    const loop = new EventLoop();
    expect(loop.turnIfBlocked(0)).to.equal(undefined);
    await new Promise((resolve) => setImmediate(resolve));
    expect(loop.turnIfBlocked(1000)).to.equal(undefined);
  });

  it('delays work until a turn after ten milliseconds without one', async () => {
    const loop = new EventLoop();
    expect(loop.turnIfBlocked(0)).to.equal(undefined);
    expect(loop.turnIfBlocked(9)).to.equal(undefined);
    const turn = loop.turnIfBlocked(11);
    expect(turn).to.be.instanceOf(Promise);
    expect(loop.turnIfBlocked(12)).to.equal(turn);
    await turn;
    expect(loop.turnIfBlocked(13)).to.equal(undefined);
  });
});

describe('A worker whose engine and slots are synchronous', () => {
  const Count = defineMessage<number>('count');
  let driver: Driver;
  let queue: Queue;
  let signals: SignalDispatcher;

  beforeEach(async () => {
    driver = await openDriver('memory:');
    queue = new Queue(driver, 'mail');
    signals = new SignalDispatcher();
  });

  afterEach(() => driver.close());

  it('lets timers run: it can be stopped though its slot publishes to its own queue', async () => {
    signals.connect(Count, ({ data }) => queue.publish(Count, data + 1));
    await queue.publish(Count, 0);
    const worker = new Worker(queue, signals);
    const run = worker.run();
    setTimeout(() => worker.stop(), 30);
    await run;
    expect((await queue.stats())?.ready).to.equal(1);
  });

  it('stops at its time limit with messages left', async () => {
    let calls = 0;
    signals.connect(Count, () => {
      calls++;
      const until = performance.now() + 1;
      while (performance.now() < until);
    });
    await queue.publishMany(
      Count,
      Array.from({ length: 5000 }, (_, n) => n),
    );
    await new Worker(queue, signals, { timeLimit: 50, concurrency: 3 }).run();
    expect(calls).to.be.within(1, 4999);
  });
});
