import { expect } from 'chai';
import { openMemory } from '../../../src/drivers/memory/driver.js';
import { cloudEvents } from '../../../src/queue/cloudevents.js';
import type { Driver } from '../../../src/queue/driver.js';
import { defineMessage } from '../../../src/queue/message.js';
import { Queue } from '../../../src/queue/queue.js';
import { SignalDispatcher } from '../../../src/signals/dispatcher.js';
import { Worker } from '../../../src/worker/worker.js';
import { countsOf } from '../../support/counts.js';
import { PLAIN } from './messages.js';

const Work = defineMessage<number>('work');
const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

describe('A worker on the memory driver', () => {
  let driver: Driver;
  let queue: Queue;
  let signals: SignalDispatcher;

  beforeEach(() => {
    driver = openMemory('memory:', { prefix: '' });
    queue = new Queue(driver, 'mail');
    signals = new SignalDispatcher();
  });
  afterEach(() => driver.close());

  /** With a lease shorter than `publish` allows. */
  async function put(ttrMs: number): Promise<void> {
    const message = { id: 'a', type: 'work', data: 1, time: new Date(), headers: {}, source: '/a' };
    const body = cloudEvents.encode(message);
    await driver.put([{ queue: 'mail', body, options: { ...PLAIN, ttrMs } }]);
  }

  function block(ms: number): void {
    for (const end = performance.now() + ms; performance.now() < end; );
  }

  it('runs a slot once that blocks the event loop for longer than its lease', async () => {
    let runs = 0;
    signals.connect(Work, () => {
      runs++;
      block(100);
    });
    await put(20);
    await new Worker(queue, signals, { concurrency: 5, maxMessages: 1 }).run();
    expect(runs).to.equal(1);
    expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
  });

  it('is stopped by a timer though synchronous slots have messages enough for ever', async () => {
    let runs = 0;
    signals.connect(Work, async () => {
      runs++;
      await queue.publish(Work, runs);
    });
    await queue.publish(Work, 0);
    await new Worker(queue, signals, { timeLimit: 50 }).run();
    expect(runs).to.be.above(0);
    expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 1 });
  });
});
