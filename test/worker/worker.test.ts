import { expect } from 'chai';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { UnsupportedError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { rejection } from '../support/failures.js';
import { type Deferred, deferred, encoded, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage<number>('mail.send');

describe('A worker', () => {
  const harness = useWorkerHarness();

  it('says when it starts and when it has stopped, and what it has done', async () => {
    const { driver, signals } = harness();
    signals.connect(SendMail, () => {});
    harness().deliver();
    harness().deliver();
    harness().deliver({ type: 'unknown' });
    const worker = harness().worker({ maxMessages: 3, concurrency: 2 });
    await worker.run();
    expect(harness().events('workerStarted')).to.deep.equal([{ queues: ['mail'], concurrency: 2 }]);
    expect(harness().events('workerStopping')).to.deep.equal([{ queues: ['mail'], reason: 'maxMessages' }]);
    expect(harness().events('workerStopped')).to.deep.equal([{ queues: ['mail'], finished: 2, failed: 1 }]);
    expect(driver.calls).to.deep.equal([
      ['consume', ['mail'], { concurrency: 2, order: 'fair', trackAttempts: true }],
      ['closeConsumer'],
    ]);
  });

  it('tells the engine in which order it wants its queues, and whether to count the attempts', async () => {
    const { driver } = harness();
    harness().start({ concurrency: 3, order: 'strict', trackAttempts: false });
    await driver.untilWaiting(3);
    expect(driver.calls).to.deep.equal([
      ['consume', ['mail'], { concurrency: 3, order: 'strict', trackAttempts: false }],
    ]);
  });

  it('runs once', async () => {
    const worker = harness().start();
    expect((await rejection(worker.run(), Error)).message).to.equal(
      'cannot run the worker: it has run already; make a new one',
    );
    await worker.stop();
    await rejection(worker.run(), Error);
  });

  it('works on several queues, each message read with the codec of its own', async () => {
    const { driver, signals } = harness();
    const data: unknown[] = [];
    signals.connect('messageReceived', (message, { queue }) => data.push([queue, message.data]));
    const codec = {
      encode: () => Buffer.alloc(0),
      decode: (body: Uint8Array) => ({ ...cloudEvents.decode(encoded()), data: Buffer.from(body).toString() }),
    };
    driver.deliver({ queue: 'bare', body: Buffer.from('hi') });
    driver.deliver({ queue: 'mail', body: encoded({ data: 5 }) });
    await harness()
      .worker({ maxMessages: 2 }, [harness().queue, new Queue(driver, 'bare', { codec })])
      .run();
    expect(data).to.deep.equal([
      ['bare', 'hi'],
      ['mail', 5],
    ]);
    expect(driver.calls[0]?.slice(0, 2)).to.deep.equal(['consume', ['mail', 'bare']]);
    expect(harness().events('workerStarted')[0]?.queues).to.deep.equal(['mail', 'bare']);
  });

  it('rejects, having cleaned up, when the engine refuses to give it a consumer', async () => {
    const { driver } = harness();
    driver.consumeError = new UnsupportedError('not on this engine');
    expect(await rejection(harness().worker().run(), UnsupportedError)).to.equal(driver.consumeError);
    expect(harness().emitted).to.deep.equal(['workerStopped']);
  });

  it('issues the settlement of one message and the next reserve in the same tick', async () => {
    const { driver, signals } = harness();
    signals.connect(SendMail, () => {});
    signals.connect('messageReceived', () => new Promise((resolve) => setImmediate(resolve)));
    signals.connect(defineMessage('bad'), () => Promise.reject(new Error('no')));
    const types = ['mail.send', 'bad', 'unknown'];
    for (const type of types) {
      const reservation = harness().deliver({ type });
      reservation.answer = async () => {
        process.nextTick(() => driver.log.push('tick'));
        await new Promise((resolve) => setImmediate(resolve));
      };
    }
    harness().start({ maxMessages: types.length + 1 });
    await driver.untilWaiting(1);
    expect(driver.log.map((entry) => entry.replace(/ \d+$/, ''))).to.deep.equal([
      ...['reserve', 'ack', 'reserve', 'tick', 'release', 'reserve', 'tick', 'ack', 'reserve'],
    ]);
  });
});

describe('The concurrency of a worker', () => {
  const harness = useWorkerHarness();
  let works: Deferred<void>[];
  let begun: number;
  let running: number;
  let highest: number;
  let onBegin: () => void;

  beforeEach(() => {
    works = [];
    begun = 0;
    running = 0;
    highest = 0;
    onBegin = () => {};
    harness().signals.connect(SendMail, async () => {
      const work = deferred();
      works.push(work);
      begun++;
      running++;
      highest = Math.max(highest, running);
      onBegin();
      await work.promise;
      running--;
    });
  });

  async function untilBegun(count: number): Promise<void> {
    while (begun < count) {
      await new Promise<void>((resolve) => {
        onBegin = resolve;
      });
    }
  }

  for (const concurrency of [1, 5]) {
    it(`is how many messages are worked on at once, and never more: ${concurrency}`, async () => {
      for (let n = 0; n < 20; n++) harness().deliver();
      const stopped = harness().worker({ concurrency, maxMessages: 20 }).run();
      for (let finished = 0; finished < 20; finished++) {
        await untilBegun(Math.min(concurrency + finished, 20));
        expect(running).to.equal(Math.min(concurrency, 20 - finished));
        works.shift()?.resolve();
      }
      await stopped;
      expect(highest).to.equal(concurrency);
      expect(harness().events('messageFinished')).to.have.length(20);
    });
  }

  it('is one unless something else is said', async () => {
    harness().deliver();
    harness().start();
    await untilBegun(1);
    expect(harness().events('workerStarted')[0]).to.include({ concurrency: 1 });
    expect(harness().driver.log).to.deep.equal(['reserve']);
  });

  it('is how many reserves wait', async () => {
    harness().start({ concurrency: 7 });
    await harness().driver.untilWaiting(7);
    expect(harness().driver.log).to.have.length(7);
  });

  it('is not held up by one message that takes long', async () => {
    for (let n = 0; n < 10; n++) harness().deliver();
    harness().start({ concurrency: 2 });
    for (let finished = 0; finished < 8; finished++) {
      await untilBegun(2 + finished);
      works.pop()?.resolve();
    }
    await untilBegun(10);
    expect(running).to.equal(2);
  });
});
