import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'chai';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { SlotContext } from '../../src/signals/signals.js';
import { Worker } from '../../src/worker/worker.js';
import { failureOf, rejection, thrown } from '../support/failures.js';
import { FakeDriver } from '../support/fake-driver.js';
import { useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

/** What a slot may throw that is hard to look at. */
function hostileErrors(): [what: string, error: unknown][] {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const unreadable = Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('no message for you');
    },
  });
  const circular = new Error('round');
  circular.cause = circular;
  const deep = new Error('deep');
  deep.stack = 'at somewhere\n'.repeat(100_000);
  return [
    ['an object without a prototype', Object.create(null)],
    ['a revoked Proxy', proxy],
    ['an error whose message cannot be read', unreadable],
    ['an AggregateError', new AggregateError([new Error('first'), circular], 'both')],
    ['an error that is its own cause', circular],
    ['text with NUL', new Error('before\0after')],
    ['100 MB of text', new Error('x'.repeat(100_000_000))],
    ['undefined', undefined],
    ['null', null],
    ['a symbol', Symbol('s')],
    ['a function', () => {}],
    ['a frozen error', Object.freeze(new Error('cold'))],
    ['an error with a huge stack', deep],
  ];
}

describe('A slot that throws', () => {
  const harness = useWorkerHarness();

  for (const [what, error] of hostileErrors()) {
    it(`${what} fails its message as any other does`, async () => {
      harness().signals.connect(SendMail, () => {
        throw error;
      });
      const asked: unknown[] = [];
      const backoff = (_attempt: number, failure: unknown): number => {
        asked.push(failure);
        return 0;
      };
      const [released, buried] = [harness().deliver({}, { attempt: 1 }), harness().deliver({}, { attempt: 5 })];
      await harness().worker({ maxMessages: 2, backoff }).run();
      expect(released.settlement).to.deep.equal(['release', { delayMs: 0 }]);
      expect(buried.settlement?.[0]).to.equal('bury');
      expect(failureOf(buried)).to.include({ reason: 'attempts', attempt: 5 });
      expect(Buffer.byteLength(JSON.stringify(failureOf(buried)))).to.be.at.most(16 * 1024);
      expect(asked[0] === error && harness().events('messageReleased')[0]?.error === error).to.equal(true);
      expect(harness().events('messageFailed')[0]?.error === error).to.equal(true);
      expect(harness().events('workerError')).to.deep.equal([]);
    });
  }
});

describe('A message whose schema', () => {
  const harness = useWorkerHarness();

  function connect(validate: () => never | Promise<never> | { issues: { message: string }[] }): void {
    const Checked = defineMessage('mail.send', { '~standard': { version: 1, vendor: 'test', validate } });
    harness().signals.connect(Checked, () => expect.fail('called'));
  }

  const broken = new Error('the look-up failed');

  for (const [how, validate] of [
    [
      'throws',
      () => {
        throw broken;
      },
    ],
    ['rejects', () => Promise.reject(broken)],
  ] as const) {
    it(`${how} has had a failed attempt, and is tried again`, async () => {
      connect(validate);
      const [first, last] = [harness().deliver({}, { attempt: 1 }), harness().deliver({}, { attempt: 5 })];
      await harness().worker({ maxMessages: 2, backoff: 0 }).run();
      expect(first.settlement).to.deep.equal(['release', { delayMs: 0 }]);
      expect(harness().events('messageReleased')[0]?.error).to.equal(broken);
      expect(failureOf(last)).to.include({ reason: 'attempts', message: 'the look-up failed' });
    });
  }

  it('finds issues is buried as invalid at once', async () => {
    connect(() => ({ issues: [{ message: 'too short' }] }));
    const reservation = harness().deliver({}, { attempt: 1 });
    await harness().worker({ maxMessages: 1 }).run();
    expect(failureOf(reservation)).to.include({ reason: 'invalid' });
  });
});

describe('A slot that is connected once', () => {
  const harness = useWorkerHarness();
  let calls: number;
  let fails: boolean;
  let disconnect: () => void;

  beforeEach(() => {
    calls = 0;
    fails = true;
    disconnect = harness().signals.connect(
      SendMail,
      () => {
        calls++;
        if (fails) throw new Error('no');
      },
      { once: true },
    );
  });

  it('is called again for the message that it has failed', async () => {
    harness().deliver({}, { attempt: 1 });
    const run = harness().worker({ maxMessages: 2, backoff: 0 }).run();
    await harness().next('messageReleased');
    fails = false;
    const again = harness().deliver({}, { attempt: 2 });
    await run;
    expect([calls, again.settlement]).to.deep.equal([2, ['ack']]);
  });

  it('is not called again once its message is finished or buried', async () => {
    harness().deliver({}, { attempt: 5 });
    const next = harness().deliver();
    await harness().worker({ maxMessages: 2 }).run();
    expect([calls, failureOf(next)?.reason]).to.deep.equal([1, 'unhandled']);
  });

  it('is called again for a message whose lease was lost', async () => {
    fails = false;
    harness().deliver().loseLease({ tell: false });
    const run = harness().worker({ maxMessages: 2 }).run();
    await harness().next('leaseLost');
    const again = harness().deliver({}, { attempt: 2 });
    await run;
    expect([calls, again.settlement]).to.deep.equal([2, ['ack']]);
  });

  it('stays disconnected when it was disconnected meanwhile', async () => {
    harness().signals.connect('messageReleased', () => {});
    harness().signals.connect(defineMessage('other'), () => {});
    harness().deliver({}, { attempt: 1 });
    const next = harness().deliver({}, { attempt: 2 });
    const backoff = (): number => {
      disconnect();
      return 0;
    };
    await harness().worker({ maxMessages: 2, backoff }).run();
    expect([calls, failureOf(next)?.reason]).to.deep.equal([1, 'unhandled']);
  });
});

describe('The context of a slot', () => {
  const harness = useWorkerHarness();

  it('can be taken apart', async () => {
    let context: SlotContext | undefined;
    harness().signals.connect(SendMail, async (_message, given) => {
      context = given;
      const { touch, signal, queue, jobId, attempt } = given;
      await touch();
      await touch();
      expect([signal.aborted, queue, jobId, attempt]).to.deep.equal([false, 'mail', '7', 1]);
      expect(signal).to.equal(given.signal);
    });
    const reservation = harness().deliver({}, { jobId: '7' });
    await harness().worker({ maxMessages: 1 }).run();
    expect([context?.jobId, reservation.touches, reservation.settlement]).to.deep.equal(['7', 2, ['ack']]);
  });

  it('is not in the AsyncLocalStorage that the slot of another message has entered', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    harness().signals.connect(SendMail, ({ id }) => {
      seen.push(storage.getStore());
      storage.enterWith(id);
    });
    for (let n = 0; n < 5; n++) harness().deliver({ id: `m${n}` });
    await storage.run('of run', () => harness().worker({ maxMessages: 5 }).run());
    expect(seen).to.deep.equal(Array.from({ length: 5 }, () => 'of run'));
  });

  it('has a signal that any number may listen to', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => {
      warnings.push(warning);
    };
    process.on('warning', onWarning);
    harness().signals.connect(SendMail, (_message, { signal }) => {
      for (let n = 0; n < 30; n++) signal.addEventListener('abort', () => {});
    });
    harness().deliver();
    await harness().worker({ maxMessages: 1 }).run();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warnings).to.deep.equal([]);
  });
});

describe('A worker is refused', () => {
  const queue = new Queue(new FakeDriver(), 'mail');

  it('when it is to run without a slot: it would bury everything', async () => {
    const signals = new SignalDispatcher();
    const worker = new Worker(queue, signals, { maxMessages: 1 });
    const error = await rejection(worker.run(), InvalidOptionError);
    expect(error.message).to.match(/^cannot run the worker: no slot is connected/);
    // One that is connected later is in time.
    signals.connect(SendMail, () => {});
    await worker.stop();
    await worker.run();
  });

  it('not where it buries nothing for want of a slot', async () => {
    const driver = new FakeDriver();
    driver.deliver({ body: Buffer.from('{}') });
    await new Worker(new Queue(driver, 'mail'), new SignalDispatcher(), { unhandled: 'ignore', maxMessages: 1 }).run();
  });

  it('with an option that is unknown, and told which there are', () => {
    const signals = new SignalDispatcher();
    for (const [options, message] of [
      [{ concurency: 5 }, /^an option of Worker must be concurrency, attempts, .* or untilEmpty, got "concurency"$/],
      [{ backoff: { intial: 5 } }, /^an option of backoff must be initial, factor, max or jitter, got "intial"$/],
      [5, /^the options of Worker must be an object, got 5$/],
    ] as const) {
      expect(thrown(() => new Worker(queue, signals, options as object), InvalidOptionError).message).to.match(message);
    }
  });

  it('with what are no signals or no queues', () => {
    const signals = new SignalDispatcher();
    thrown(() => new Worker(queue, undefined as unknown as SignalDispatcher), InvalidOptionError);
    thrown(() => new Worker('mail' as unknown as Queue, signals), InvalidOptionError);
    thrown(() => new Worker([undefined as unknown as Queue], signals), InvalidOptionError);
  });
});
