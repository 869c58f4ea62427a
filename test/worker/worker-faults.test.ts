import { expect } from 'chai';
import type { Consumer } from '../../src/queue/driver.js';
import { EngineError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { useFakeClock } from '../support/clock.js';
import { type Deferred, deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('A worker whose engine does what it must not', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness();
  const clock = useFakeClock();
  const error = new Error('disk full');
  const forEver = new Promise<never>(() => {});

  /** Changes the consumer that the engine gives. */
  function alter(change: (consumer: Consumer) => Partial<Consumer>): void {
    const { driver } = harness();
    const consume = driver.consume.bind(driver);
    driver.consume = async (...args) => {
      const consumer = await consume(...args);
      return { ...consumer, ...change(consumer) };
    };
  }

  function errors(): unknown[] {
    return harness()
      .events('workerError')
      .map((event) => event.error);
  }

  /** Lets all time pass that a worker may take for its end. */
  async function ends(run: Promise<void>): Promise<void> {
    let isOver = false;
    void run.then(() => {
      isOver = true;
    });
    for (let seconds = 0; !isOver && seconds < 30; seconds++) await clock.tickAsync(1000);
    expect(isOver, 'the worker has ended').to.equal(true);
    expect(harness().emitted.at(-1)).to.equal('workerStopped');
    expect(clock.pending).to.equal(0);
  }

  describe('as its consumer is closed', () => {
    for (const [how, close] of [
      ['rejects', () => Promise.reject(error)],
      [
        'throws',
        () => {
          throw error;
        },
      ],
    ] as const) {
      it(`ends and tells workerError when that ${how}`, async () => {
        alter(() => ({ close }));
        const worker = harness().worker({ maxMessages: 1 });
        harness().deliver({ type: 'unknown' });
        await worker.run();
        await worker.stop();
        expect(errors()).to.deep.equal([error]);
        expect(harness().events('workerStopped')).to.deep.equal([{ queues: ['mail'], finished: 0, failed: 1 }]);
      });
    }

    it('ends and tells workerError when that never settles', async () => {
      alter(() => ({ close: () => forEver }));
      const worker = harness().worker();
      const run = worker.run();
      const stopped = worker.stop();
      await ends(run);
      await stopped;
      expect(errors()).to.have.length(1);
      expect(errors()[0]).to.be.instanceOf(EngineError).and.include({ retryable: true, outcome: 'unknown' });
    });

    it('closes it once', async () => {
      let calls = 0;
      alter((consumer) => ({
        close: () => {
          calls++;
          return consumer.close();
        },
      }));
      harness().driver.heedsAbort = false;
      const worker = harness().worker();
      const run = worker.run();
      await harness().driver.untilWaiting(1);
      void worker.stop({ grace: 0 });
      await ends(run);
      expect(calls).to.equal(1);
    });
  });

  describe('as a message is settled while it stops', () => {
    let work: Deferred<void>;
    let started: Deferred<void>;

    beforeEach(() => {
      work = deferred();
      started = deferred();
      harness().signals.connect(SendMail, () => {
        started.resolve();
        return work.promise;
      });
    });

    for (const [verb, end] of [
      ['ack', () => work.resolve()],
      ['bury', () => work.reject(new Error('no'))],
      ['release', () => {}],
    ] as const) {
      for (const [how, answer] of [
        ['rejects', () => Promise.reject(error)],
        ['never settles', () => forEver],
      ] as const) {
        it(`ends when ${verb} ${how}, and tells workerError`, async () => {
          const reservation = harness().deliver({}, { attempt: verb === 'bury' ? 5 : 1 });
          const worker = harness().worker({ grace: '1s' });
          const run = worker.run();
          await started.promise;
          reservation.answer = answer;
          const stopped = worker.stop();
          end();
          await ends(run);
          await stopped;
          expect(harness().driver.log).to.include(`${verb} ${reservation.jobId}`);
          expect(errors()).to.have.length(1);
          if (how === 'rejects') expect(errors()).to.deep.equal([error]);
        });
      }

      it(`ends when ${verb} throws instead of rejecting`, async () => {
        const asked: string[] = [];
        alter(() => ({
          settle: ([settlement]) => {
            asked.push(String(settlement?.kind));
            throw error;
          },
        }));
        harness().deliver({}, { attempt: verb === 'bury' ? 5 : 1 });
        const worker = harness().worker({ grace: '1s' });
        const run = worker.run();
        await started.promise;
        void worker.stop();
        end();
        await ends(run);
        expect([asked, errors()]).to.deep.equal([[verb], [error]]);
      });
    }

    it('ends when a message that came too late cannot be given back', async () => {
      harness().driver.heedsAbort = false;
      const worker = harness().worker();
      const run = worker.run();
      await harness().driver.untilWaiting(1);
      void worker.stop();
      await clock.tickAsync(200);
      harness().deliver().answer = () => Promise.reject(error);
      await ends(run);
      expect(errors()).to.deep.equal([error]);
    });
  });

  describe('as it is asked for messages', () => {
    it('waits and tries again when reserve throws instead of rejecting', async () => {
      let calls = 0;
      alter((consumer) => ({
        reserve: (options) => {
          if (calls++ === 0) throw error;
          return consumer.reserve(options);
        },
      }));
      harness().start();
      await clock.tickAsync(200);
      await harness().driver.untilWaiting(1);
      expect(errors()).to.deep.equal([error]);
    });

    for (const method of ['consume', 'reserve'] as const) {
      it(`tells workerError of what cannot even be looked at, and tries again: ${method}`, async () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        let calls = 0;
        const failFirst = <T>(call: () => Promise<T>): Promise<T> => (++calls === 1 ? Promise.reject(proxy) : call());
        const { driver } = harness();
        const consume = driver.consume.bind(driver);
        if (method === 'reserve')
          alter((consumer) => ({ reserve: (options) => failFirst(() => consumer.reserve(options)) }));
        else driver.consume = (...args) => failFirst(() => consume(...args));
        harness().signals.connect(SendMail, () => {});
        harness().deliver();
        await ends(harness().worker({ maxMessages: 1 }).run());
        expect(errors().map((each) => each === proxy)).to.deep.equal([true]);
        expect(harness().events('messageFinished')).to.have.length(1);
      });
    }

    it('ends when a consumer was to be had only after it was waited for no longer, and closes that', async () => {
      const { driver } = harness();
      const given = deferred();
      const consume = driver.consume.bind(driver);
      driver.consume = async (...args) => {
        await given.promise;
        return consume(...args);
      };
      const worker = harness().worker({ grace: '1s' });
      const run = worker.run();
      void worker.stop();
      await ends(run);
      given.resolve();
      await clock.tickAsync(0);
      expect(driver.calls.map(([method]) => method)).to.deep.equal(['consume', 'closeConsumer']);
    });

    it('ends when reserve answers with nothing, at once and always: it takes it for closed', async () => {
      let calls = 0;
      alter(() => ({
        reserve: async () => {
          calls++;
          return [];
        },
      }));
      await ends(harness().worker({ concurrency: 4 }).run());
      expect(harness().events('workerStopping')).to.deep.equal([{ queues: ['mail'], reason: 'closed' }]);
      expect(calls).to.be.within(4, 4 * 4);
    });

    it('goes on when reserve answers with nothing after a while', async () => {
      alter(() => ({
        reserve: () => new Promise((resolve) => setTimeout(() => resolve([]), 1000)),
      }));
      const worker = harness().worker();
      const run = worker.run();
      await clock.tickAsync(60_000);
      expect(harness().emitted).to.deep.equal(['workerStarted']);
      void worker.stop();
      await ends(run);
    });

    it('gives back a message of a queue that it does not consume, and goes on with all others', async () => {
      const { driver, signals } = harness();
      signals.connect(SendMail, () => {});
      harness().start({ concurrency: 2 });
      await driver.untilWaiting(2);
      const stray = harness().deliver({}, { queue: 'orders' });
      const others = [harness().deliver(), harness().deliver()];
      await harness().next('messageFinished');
      await clock.tickAsync(1000);
      expect(stray.settlement).to.deep.equal(['release', { delayMs: 1000 }]);
      expect(others.map(({ settlement }) => settlement)).to.deep.equal([['ack'], ['ack']]);
      expect((errors()[0] as Error).message).to.match(/the engine delivered it from queue "orders", which this worker/);
      await driver.untilWaiting(2);
    });

    it('does not count such a message for maxMessages', async () => {
      harness().signals.connect(SendMail, () => {});
      harness().deliver({}, { queue: 'orders' });
      harness().deliver();
      await ends(harness().worker({ maxMessages: 1 }).run());
      expect(harness().events('workerStopped')[0]).to.include({ finished: 1 });
    });
  });

  it('ends, whatever its observers throw', async () => {
    for (const signal of [
      'workerStarted',
      'messageFailed',
      'workerStopping',
      'workerStopped',
      'workerError',
    ] as const) {
      harness().signals.connect(signal, () => {
        throw error;
      });
      harness().signals.connect(signal, () => Promise.reject(Object.create(null)));
    }
    harness().deliver({ type: 'unknown' });
    await harness().worker({ maxMessages: 1 }).run();
    expect(harness().emitted).to.include('workerStopped');
  });
});

describe('A lease that ends by our own clock', () => {
  const harness = useWorkerHarness();
  const clock = useFakeClock();

  it('aborts the signal of its slot while the engine is silent, and is given back as soon as it is not', async () => {
    const aborted = deferred<unknown>();
    harness().signals.connect(SendMail, (_message, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve(signal.reason));
      return new Promise(() => {});
    });
    const reservation = harness().deliver({}, { ttrMs: 3000 });
    const answer = deferred();
    reservation.answer = () => answer.promise;
    harness().start();
    const expired = harness().next('leaseLost');
    await clock.tickAsync(3000);
    expect(await aborted.promise).to.include({ code: 'LEASE_LOST' });
    await expired;
    expect(reservation.touches).to.equal(2);
    answer.resolve();
    await clock.tickAsync(0);
    expect(reservation.settlement).to.deep.equal(['release', {}]);
    expect(harness().emitted).to.deep.equal(['workerStarted', 'messageStarted', 'leaseLost']);
  });
});
