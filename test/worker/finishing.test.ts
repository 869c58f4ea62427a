import { expect } from 'chai';
import {
  EngineError,
  InvalidOptionError,
  LeaseLostError,
  UnrecoverableError,
  UnsupportedError,
} from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import type { SlotContext } from '../../src/signals/signals.js';
import { useFakeClock } from '../support/clock.js';
import { failureOf, rejection } from '../support/failures.js';
import { FakeTransaction } from '../support/fake-driver.js';
import { type Deferred, deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');
const NO = new Error('no');

describe('A message that is finished in a transaction', () => {
  // In this order: the workers are stopped before the clock is put back.
  const harness = useWorkerHarness({ transactions: true });
  const clock = useFakeClock();
  let transaction: FakeTransaction;

  beforeEach(() => {
    transaction = new FakeTransaction();
  });

  function connect(slot: (context: SlotContext) => unknown): void {
    harness().signals.connect(SendMail, (_message, context) => slot(context));
  }

  function errors(): unknown[] {
    return harness()
      .events('workerError')
      .map(({ error }) => error);
  }

  it('is finished when that was committed: nothing is left to be acknowledged', async () => {
    connect(async ({ finish }) => {
      await finish({ transaction });
      transaction.commit();
    });
    const message = harness().deliver({}, { jobId: '7', attempt: 5 });
    await harness().worker({ maxMessages: 1 }).run();
    expect(message.settlement).to.deep.equal(['ack']);
    expect(harness().events('messageFinished')[0]).to.include({ jobId: '7', attempt: 5 });
    expect(harness().driver.log).to.deep.equal(['reserve', 'ack 7', 'isHeld 7']);
    expect(harness().events('workerStopped')[0]).to.include({ finished: 1 });
  });

  it('is finished though its slot has thrown after that, which workerError tells', async () => {
    connect(async (context) => {
      await context.finish({ transaction });
      transaction.commit();
      throw NO;
    });
    const message = harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    expect([message.settlement, errors()]).to.deep.equal([['ack'], [NO]]);
    expect(harness().events('messageFinished')).to.have.length(1);
  });

  it('is lost when that was rolled back and somebody else has the message by then', async () => {
    const message = harness().deliver();
    connect(async (context) => {
      await context.finish({ transaction });
      message.loseLease();
    });
    await harness().worker({ maxMessages: 1 }).run();
    expect(harness().events('messageFinished')).to.deep.equal([]);
    expect(harness().events('leaseLost')).to.have.length(1);
  });

  it('has failed when that was rolled back, with what its slot has thrown', async () => {
    connect(async (context) => {
      await context.finish({ transaction });
      transaction.rollBack();
      throw NO;
    });
    const message = harness().deliver();
    await harness().worker({ maxMessages: 1, backoff: 70 }).run();
    expect(message.settlement).to.deep.equal(['release', { delayMs: 70 }]);
    expect(harness().events('messageReleased')[0]).to.include({ error: NO });
    expect(errors()).to.deep.equal([]);
  });

  it('has failed when that was rolled back, though its slot has not', async () => {
    connect(async (context) => {
      await context.finish({ transaction });
      transaction.rollBack();
    });
    const message = harness().deliver({}, { attempt: 5 });
    await harness().worker({ maxMessages: 1 }).run();
    expect(failureOf(message)).to.include({
      reason: 'attempts',
      message:
        'cannot finish the message: finish was rolled back; the transaction must be committed before the slot returns',
    });
  });

  it('may be finished in another transaction once the first was rolled back', async () => {
    connect(async (context) => {
      const first = new FakeTransaction();
      await context.finish({ transaction: first });
      first.rollBack();
      await context.finish({ transaction });
      transaction.commit();
      await rejection(context.finish({ transaction: new FakeTransaction() }), LeaseLostError);
    });
    const message = harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    expect([message.settlement, errors()]).to.deep.equal([['ack'], []]);
  });

  it('is waited for also when the slot has not awaited finish', async () => {
    const answer = deferred();
    connect((context) => {
      void context.finish({ transaction }).then(() => transaction.commit());
    });
    const message = harness().deliver({}, { jobId: '7' });
    message.answer = () => answer.promise;
    const run = harness().worker({ maxMessages: 1 }).run();
    await clock.tickAsync(0);
    expect(harness().driver.log).to.deep.equal(['reserve', 'ack 7']);
    answer.resolve();
    await run;
    expect(harness().events('messageFinished')).to.have.length(1);
  });

  it('is neither finished nor failed where the engine cannot tell, which workerError does', async () => {
    const down = new EngineError('no answer', { retryable: true });
    const { driver } = harness();
    const consume = driver.consume.bind(driver);
    driver.consume = async (...args) => ({ ...(await consume(...args)), isHeld: () => Promise.reject(down) });
    connect(async (context) => {
      await context.finish({ transaction });
      throw NO;
    });
    harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    expect(errors()).to.deep.equal([NO, down]);
    expect(harness().events('workerStopped')[0]).to.include({ finished: 0, failed: 0 });
    expect(harness().emitted).not.to.include.members(['messageReleased']);
  });

  it('is held as before when the engine refuses to finish it', async () => {
    const down = new EngineError('the disk is full');
    connect(async (context) => {
      expect(await rejection(context.finish({ transaction }), EngineError)).to.equal(down);
      message.answer = async () => {};
      await new Promise((resolve) => setTimeout(resolve, 10_000));
    });
    const message = harness().deliver({}, { ttrMs: 10_000 });
    message.answer = () => Promise.reject(down);
    const run = harness().worker({ maxMessages: 1 }).run();
    await clock.tickAsync(10_000);
    await run;
    expect([message.settlement, message.touches]).to.deep.equal([['ack'], 2]);
    expect(harness().driver.log).not.to.include(`isHeld ${message.jobId}`);
  });

  it('has lost its lease when finish says so, and its slot fails with that', async () => {
    connect((context) => context.finish({ transaction }));
    harness().deliver().loseLease({ tell: false });
    const lost = harness().next('leaseLost');
    await harness().worker({ maxMessages: 1 }).run();
    await lost;
    expect(harness().events('messageFinished')).to.deep.equal([]);
  });

  describe('and whose slot runs on', () => {
    let context: SlotContext;
    let finished: Deferred<void>;
    let work: Deferred<void>;

    beforeEach(() => {
      finished = deferred();
      work = deferred();
      connect(async (given) => {
        context = given;
        await given.finish({ transaction });
        finished.resolve();
        await work.promise;
      });
    });

    it('has its lease not renewed from then on, nor taken for lost', async () => {
      const message = harness().deliver({}, { ttrMs: 3000 });
      const run = harness().worker({ maxMessages: 1 }).run();
      await finished.promise;
      await clock.tickAsync(60_000);
      expect([message.touches, context.signal.aborted]).to.deep.equal([0, false]);
      transaction.commit();
      work.resolve();
      await run;
      expect(harness().events('messageFinished')).to.have.length(1);
    });

    for (const isCommitted of [true, false]) {
      const end = (): void => (isCommitted ? transaction.commit() : transaction.rollBack());

      it(`is waited for past slotTimeout: ${isCommitted ? 'finished' : 'failed'} as the transaction ends`, async () => {
        const message = harness().deliver();
        const run = harness().worker({ maxMessages: 1, slotTimeout: '1s', backoff: 70 }).run();
        await finished.promise;
        await clock.tickAsync(5000);
        expect([context.signal.aborted, message.settlement]).to.deep.equal([true, undefined]);
        end();
        work.resolve();
        await run;
        expect(message.settlement).to.deep.equal(isCommitted ? ['ack'] : ['release', { delayMs: 70 }]);
        expect(
          harness()
            .events('messageReleased')
            .map(({ error }) => error),
        ).to.deep.equal(isCommitted ? [] : [context.signal.reason]);
      });

      it(`is waited for when the worker must stop: ${isCommitted ? 'finished' : 'released'} as it ends`, async () => {
        const message = harness().deliver();
        const worker = harness().start({ backoff: 70 });
        await finished.promise;
        const stopped = worker.stop({ grace: '1s' });
        await clock.tickAsync(1500);
        expect([context.signal.aborted, message.settlement]).to.deep.equal([true, undefined]);
        end();
        work.resolve();
        await stopped;
        expect(message.settlement).to.deep.equal(isCommitted ? ['ack'] : ['release', { delayMs: 0 }]);
      });
    }
  });

  describe('is refused', () => {
    it('where several slots are connected for it', async () => {
      const refusals: string[] = [];
      for (let n = 0; n < 2; n++) {
        connect(async (context) => {
          refusals.push((await rejection(context.finish({ transaction }), InvalidOptionError)).message);
        });
      }
      const message = harness().deliver();
      await harness().worker({ maxMessages: 1 }).run();
      expect(refusals).to.have.length(2);
      expect(refusals[0]).to.match(/^cannot finish the message in a transaction: several slots are connected for it/);
      expect(message.settlement).to.deep.equal(['ack']);
    });

    it('but not in a middleware behind them', async () => {
      for (let n = 0; n < 2; n++) connect(() => {});
      harness().signals.use(async (_message, context, next) => {
        await rejection(context.finish({ transaction }), InvalidOptionError);
        await next();
        await context.finish({ transaction });
        transaction.commit();
      });
      harness().deliver({}, { jobId: '7' });
      await harness().worker({ maxMessages: 1 }).run();
      expect(harness().driver.log).to.deep.equal(['reserve', 'ack 7', 'isHeld 7']);
    });

    it('without a transaction', async () => {
      const wrong = [undefined, {}, { transaction: undefined }, { transaction: 'BEGIN' }, { transaction, more: 1 }];
      connect(async (context) => {
        for (const options of wrong) await rejection(context.finish(options as never), InvalidOptionError);
      });
      const message = harness().deliver();
      await harness().worker({ maxMessages: 1 }).run();
      expect(message.settlement).to.deep.equal(['ack']);
    });

    it('once the delivery has ended', async () => {
      let late: SlotContext | undefined;
      connect((context) => {
        late = context;
      });
      harness().deliver();
      await harness().worker({ maxMessages: 1 }).run();
      await rejection(late?.finish({ transaction }) ?? Promise.resolve(), LeaseLostError);
      await rejection(late?.transaction(() => expect.fail('begun')) ?? Promise.resolve(), LeaseLostError);
    });
  });

  describe('by context.transaction', () => {
    it('has the work done in it, and is finished with it', async () => {
      const results: unknown[] = [];
      connect(async (context) => {
        const work = async (tx: { query(sql: string): Promise<unknown> }): Promise<string> => {
          await tx.query('insert');
          return 'result';
        };
        results.push(await context.transaction(work));
      });
      const message = harness().deliver({}, { jobId: '7' });
      await harness().worker({ maxMessages: 1 }).run();
      expect([results, message.settlement]).to.deep.equal([['result'], ['ack']]);
      expect(harness().driver.log).to.deep.equal(['reserve', 'ack 7', 'isHeld 7']);
    });

    it('has failed when the work rejects: nothing is acknowledged', async () => {
      connect(({ transaction: begin }) => begin(() => Promise.reject(new UnrecoverableError('gone'))));
      const message = harness().deliver({}, { jobId: '7' });
      await harness().worker({ maxMessages: 1 }).run();
      expect(failureOf(message)).to.include({ reason: 'unrecoverable' });
      expect(harness().driver.log).to.deep.equal(['reserve', 'bury 7']);
    });
  });
});

describe('A message on an engine without transactions', () => {
  const harness = useWorkerHarness();

  it('is not finished in one', async () => {
    const refusals: string[] = [];
    harness().signals.connect(SendMail, async (_message, context) => {
      const transaction = new FakeTransaction();
      refusals.push((await rejection(context.finish({ transaction }), UnsupportedError)).message);
      refusals.push(
        (
          await rejection(
            context.transaction(() => expect.fail('begun')),
            UnsupportedError,
          )
        ).message,
      );
    });
    const message = harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    const refusal = 'cannot finish a message in a transaction: fake has none';
    expect(refusals).to.deep.equal([refusal, refusal]);
    expect(message.settlement).to.deep.equal(['ack']);
  });
});
