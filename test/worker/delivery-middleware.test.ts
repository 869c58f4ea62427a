import { expect } from 'chai';
import { MiddlewareError, SlotTimeoutError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import type { SlotContext } from '../../src/signals/signals.js';
import { deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');
const NO = new Error('no');

describe('A delivery with middleware', () => {
  const harness = useWorkerHarness();

  it('begins it after messageStarted, and settles the message when it has ended', async () => {
    const { signals, driver } = harness();
    const told: string[] = [];
    signals.connect('messageStarted', ({ jobId, attempt }) => told.push(`started ${jobId} ${attempt}`));
    signals.use(async (_message, { jobId }, next) => {
      told.push(`before ${jobId}`);
      await next();
      await new Promise((resolve) => setImmediate(resolve));
      told.push('after', ...driver.log);
    });
    signals.connect(SendMail, () => told.push('slot'));
    harness().deliver({}, { jobId: '7', attempt: 2 });
    await harness().worker({ maxMessages: 1 }).run();
    expect(told).to.deep.equal(['started 7 2', 'before 7', 'slot', 'after', 'reserve']);
    expect(harness().events('messageFinished')).to.have.length(1);
  });

  it('has failed with what that throws, and is retried', async () => {
    harness().signals.connect(SendMail, () => {});
    harness().signals.use(() => Promise.reject(NO));
    const message = harness().deliver();
    await harness().worker({ maxMessages: 1, backoff: 70 }).run();
    expect(message.settlement).to.deep.equal(['release', { delayMs: 70 }]);
    expect(harness().events('messageReleased')[0]).to.include({ error: NO });
  });

  it('has failed when that does not call next()', async () => {
    harness().signals.connect(SendMail, () => expect.fail('called'));
    harness().signals.use(() => {});
    harness().deliver({}, { attempt: 5 });
    await harness().worker({ maxMessages: 1 }).run();
    expect(harness().events('messageFailed')[0]).to.include({ reason: 'attempts' });
    expect(harness().events('messageFailed')[0]?.error).to.be.instanceOf(MiddlewareError);
  });

  it('is finished where it swallows the failure of a slot', async () => {
    harness().signals.connect(SendMail, () => Promise.reject(NO));
    harness().signals.use((_message, _context, next) => next().catch(() => {}));
    const message = harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    expect(message.settlement).to.deep.equal(['ack']);
  });

  it('is interrupted by slotTimeout in it, too', async () => {
    harness().signals.connect(SendMail, () => expect.fail('called'));
    harness().signals.use(() => new Promise(() => {}));
    harness().deliver();
    await harness().worker({ maxMessages: 1, slotTimeout: 10 }).run();
    expect(harness().events('messageReleased')[0]?.error).to.be.instanceOf(SlotTimeoutError);
  });

  it('is not finished before its slots, for which it does not wait', async () => {
    const work = deferred();
    const started = deferred();
    harness().signals.connect(SendMail, () => {
      started.resolve();
      return work.promise;
    });
    harness().signals.use((_message, _context, next) => {
      void next();
    });
    const message = harness().deliver();
    const run = harness().worker({ maxMessages: 1, backoff: 70 }).run();
    await started.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(message.settlement).to.equal(undefined);
    work.reject(NO);
    await run;
    expect(message.settlement).to.deep.equal(['release', { delayMs: 70 }]);
  });

  it('aborts the signal of slots that still run when it has failed', async () => {
    const work = deferred();
    let context: SlotContext | undefined;
    harness().signals.connect(SendMail, (_message, given) => {
      context = given;
      return work.promise;
    });
    harness().signals.use((_message, _context, next) => Promise.race([next(), Promise.reject(NO)]));
    harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    expect(context?.signal.reason).to.include({ cause: NO });
    work.reject(new Error('aborted'));
    expect(harness().events('messageReleased')).to.have.length(1);
  });

  it('has a state of its own each time', async () => {
    const seen: unknown[] = [];
    harness().signals.use(async (_message, { state }, next) => {
      seen.push(state.get('n'));
      state.set('n', 1);
      await next();
    });
    harness().signals.connect(SendMail, ({ id }, { state }) => seen.push([id, state.get('n')]));
    for (const id of ['m1', 'm2']) harness().deliver({ id });
    await harness().worker({ maxMessages: 2 }).run();
    expect(seen).to.deep.equal([undefined, ['m1', 1], undefined, ['m2', 1]]);
  });

  it('is neither begun nor told of where there is no slot for its message', async () => {
    harness().signals.use(() => expect.fail('called'));
    harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    expect(harness().emitted).not.to.include('messageStarted');
    expect(harness().events('messageFailed')[0]).to.include({ reason: 'unhandled' });
  });
});
