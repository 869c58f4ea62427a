import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'chai';
import { z } from 'zod';
import { MiddlewareError, SchemaError } from '../../src/queue/errors.js';
import { defineMessage, type Message, validate } from '../../src/queue/message.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { SlotCall } from '../../src/signals/message-slots.js';
import type { SlotMiddleware } from '../../src/signals/middleware.js';
import { rejection, thrown } from '../support/failures.js';
import { slotContext } from '../support/slot-context.js';
import { deferred } from '../support/worker-harness.js';

const SendMail = defineMessage<{ to: string }>('mail.send');
const MESSAGE: Message = {
  ...{ id: 'm1', type: 'mail.send', data: { to: 'a' } },
  ...{ time: new Date(0), headers: {}, source: '/test' },
};

describe('Middleware', () => {
  let signals: SignalDispatcher;
  let called: string[];
  const no = new Error('no');

  beforeEach(() => {
    signals = new SignalDispatcher();
    called = [];
  });

  const around =
    (name: string): SlotMiddleware =>
    async (_message, _context, next) => {
      called.push(`${name} before`);
      await next();
      called.push(`${name} after`);
    };

  function connectSlot(slot: () => unknown = () => called.push('slot')): void {
    signals.connect(SendMail, slot);
  }

  async function prepared(): Promise<SlotCall> {
    const call = await signals.prepare(MESSAGE, validate);
    // Every test has connected a slot.
    return call as SlotCall;
  }

  async function dispatch(): Promise<void> {
    const call = await prepared();
    await call.run(slotContext());
    await call.running;
  }

  it('is called around the slots in the order of use, once however many slots there are', async () => {
    signals.use(around('first'));
    connectSlot();
    connectSlot(() => called.push('other slot'));
    signals.use(around('second'));
    await dispatch();
    expect(called).to.deep.equal([
      ...['first before', 'second before', 'slot', 'other slot', 'second after', 'first after'],
    ]);
  });

  it('gets the message as it was decoded, not as a schema has changed it, and the context of the slots', async () => {
    const Loud = defineMessage('mail.send', z.object({ to: z.string().transform((text) => text.toUpperCase()) }));
    const received: unknown[] = [];
    signals.use((message, context, next) => {
      received.push(message, context);
      return next();
    });
    signals.connect(Loud, ({ data }, context) => received.push(data, context));
    const context = slotContext();
    await (await prepared()).run(context);
    expect(received[0]).to.equal(MESSAGE);
    expect(received.slice(1)).to.deep.equal([context, { to: 'A' }, context]);
  });

  it('hands things to the slots', async () => {
    signals.use(async (_message, { state }, next) => {
      state.set('log', 'of the middleware');
      await next();
      called.push(String(state.get('answer')));
    });
    signals.connect(SendMail, (_message, { state }) => {
      called.push(String(state.get('log')));
      state.set('answer', 'of the slot');
    });
    await dispatch();
    expect(called).to.deep.equal(['of the middleware', 'of the slot']);
  });

  it('can run the slots in an AsyncLocalStorage', async () => {
    const storage = new AsyncLocalStorage<string>();
    signals.use((message, _context, next) => storage.run(message.id, next));
    connectSlot(async () => {
      await Promise.resolve();
      called.push(String(storage.getStore()));
    });
    await dispatch();
    expect(called).to.deep.equal(['m1']);
  });

  it('is not called where there is no slot, nor where the data does not fit', async () => {
    signals.use(around('any'));
    expect(signals.prepare(MESSAGE, validate)).to.equal(null);
    signals.connect(defineMessage('mail.send', z.object({ to: z.email() })), () => {});
    await rejection(dispatch(), SchemaError);
    expect(called).to.deep.equal([]);
  });

  it('is called also where a schema is asynchronous', async () => {
    signals.use(around('any'));
    signals.connect(defineMessage('mail.send', z.object({ to: z.string().refine(async () => true) })), () => {
      called.push('slot');
    });
    await dispatch();
    expect(called).to.deep.equal(['any before', 'slot', 'any after']);
  });

  for (const [how, slot] of [
    [
      'throws',
      () => {
        throw no;
      },
    ],
    ['rejects', () => Promise.reject(no)],
  ] as const) {
    describe(`around a slot that ${how}`, () => {
      beforeEach(() => connectSlot(slot));

      it('passes that on where it does nothing about it', async () => {
        signals.use(around('outer'));
        signals.use((_message, _context, next) => next());
        expect(await rejection(dispatch(), Error)).to.equal(no);
        expect(called).to.deep.equal(['outer before']);
      });

      it('may replace it', async () => {
        signals.use(async (_message, _context, next) => {
          await next().catch((cause) => Promise.reject(new Error('replaced', { cause })));
        });
        expect(await rejection(dispatch(), Error)).to.include({ message: 'replaced', cause: no });
      });

      it('may swallow it: then the message is finished', async () => {
        signals.use(around('outer'));
        signals.use((_message, _context, next) => next().catch(() => called.push('swallowed')));
        await dispatch();
        expect(called).to.deep.equal(['outer before', 'swallowed', 'outer after']);
      });
    });
  }

  it('that throws fails the message, before its slots or after them', async () => {
    connectSlot();
    const remove = signals.use(() => {
      throw no;
    });
    expect(await rejection(dispatch(), Error)).to.equal(no);
    expect(called).to.deep.equal([]);
    remove();
    signals.use(async (_message, _context, next) => {
      await next();
      throw no;
    });
    expect(await rejection(dispatch(), Error)).to.equal(no);
    expect(called).to.deep.equal(['slot']);
  });

  describe('that does not call next()', () => {
    for (const [how, middleware] of [
      ['returns', function forgetful() {}],
      ['resolves', async function forgetful() {}],
    ] as const) {
      it(`fails the message when it ${how}`, async () => {
        connectSlot();
        signals.use(middleware);
        expect((await rejection(dispatch(), MiddlewareError)).message).to.equal(
          'cannot finish the message: middleware "forgetful" has resolved without calling next()',
        );
        expect(called).to.deep.equal([]);
      });
    }

    it('fails the next() of the one outside of it, which may swallow that', async () => {
      connectSlot();
      signals.use(async (_message, _context, next) => {
        called.push((await rejection(next(), MiddlewareError)).name);
      });
      signals.use(() => {});
      await dispatch();
      expect(called).to.deep.equal(['MiddlewareError']);
    });

    it('and calls it too late, has it rejected, and calls no slot', async () => {
      connectSlot();
      let late: () => Promise<void> = () => Promise.resolve();
      signals.use((_message, _context, next) => {
        late = next;
      });
      await rejection(dispatch(), MiddlewareError);
      expect((await rejection(late(), MiddlewareError)).message).to.match(/called next\(\) after it had ended$/);
      expect(called).to.deep.equal([]);
    });
  });

  it('that calls next() twice has the second call rejected; the slots are called once', async () => {
    connectSlot();
    signals.use(async function greedy(_message, _context, next) {
      await next();
      expect((await rejection(next(), MiddlewareError)).message).to.equal(
        'cannot call the slots: middleware "greedy" called next() twice',
      );
    });
    await dispatch();
    expect(called).to.deep.equal(['slot']);
  });

  describe('that does not wait for next()', () => {
    it('leaves behind slots that run, for which the worker waits', async () => {
      const work = deferred();
      connectSlot(() => work.promise);
      signals.use(around('outer'));
      signals.use((_message, _context, next) => {
        void next();
      });
      const call = await prepared();
      await call.run(slotContext());
      const { running } = call;
      work.resolve();
      await running;
      expect([running instanceof Promise, call.running]).to.deep.equal([true, undefined]);
    });

    it('fails the message with its slots', async () => {
      const work = deferred();
      connectSlot(() => work.promise);
      signals.use((_message, _context, next) => {
        void next();
      });
      const done = rejection(dispatch(), Error);
      await new Promise((resolve) => setImmediate(resolve));
      work.reject(no);
      expect(await done).to.equal(no);
    });

    it('and fails, fails the message at once, and tells that slots still run', async () => {
      const work = deferred();
      connectSlot(() => work.promise);
      signals.use((_message, _context, next) => Promise.race([next(), Promise.reject(no)]));
      const call = await prepared();
      expect(await rejection(Promise.resolve(call.run(slotContext())), Error)).to.equal(no);
      const { running = Promise.resolve() } = call;
      work.reject(new Error('aborted'));
      await rejection(running, Error);
      expect(call.running).to.equal(undefined);
    });
  });

  describe('when the message may be finished in a transaction', () => {
    let mayFinish: boolean[];

    function connectSlots(count: number, call: () => SlotCall): void {
      for (let n = 0; n < count; n++) connectSlot(() => mayFinish.push(call().mayFinish));
    }

    async function run(slots: number): Promise<void> {
      let call: SlotCall | undefined;
      mayFinish = [];
      const running = (): SlotCall => call ?? expect.fail('it runs');
      connectSlots(slots, running);
      signals.use(async (_message, _context, next) => {
        mayFinish.push(running().mayFinish);
        await next();
        mayFinish.push(running().mayFinish);
      });
      call = await prepared();
      await call.run(slotContext());
    }

    it('says so in the only slot, and after it', async () => {
      await run(1);
      expect(mayFinish).to.deep.equal([false, true, true]);
    });

    it('says so only after all of several slots', async () => {
      await run(2);
      expect(mayFinish).to.deep.equal([false, false, false, true]);
    });

    it('says so in the only slot without any middleware', async () => {
      connectSlot();
      expect((await prepared()).mayFinish).to.equal(true);
      connectSlot(() => {});
      expect((await prepared()).mayFinish).to.equal(false);
    });
  });

  describe('is removed', () => {
    it('by the function that use returns, also when that is called twice', async () => {
      connectSlot();
      const remove = signals.use(around('removed'));
      signals.use(around('kept'));
      remove();
      remove();
      await dispatch();
      expect(called).to.deep.equal(['kept before', 'slot', 'kept after']);
    });

    it('by `using`', async () => {
      connectSlot();
      {
        using _use = signals.use(around('used'));
      }
      await dispatch();
      expect(called).to.deep.equal(['slot']);
    });

    it('once, where it is used twice', async () => {
      connectSlot();
      const twice = around('twice');
      signals.use(twice);
      const remove = signals.use(twice);
      await dispatch();
      remove();
      await dispatch();
      expect(called.filter((entry) => entry === 'twice before')).to.have.length(3);
    });

    it('not from a message that is under way', async () => {
      connectSlot();
      const remove = signals.use(async (message, context, next) => {
        remove();
        await around('first')(message, context, next);
      });
      const removeSecond = signals.use(around('second'));
      const call = await prepared();
      removeSecond();
      await call.run(slotContext());
      expect(called).to.deep.equal(['first before', 'second before', 'slot', 'second after', 'first after']);
    });
  });

  it('leaves a once slot connected that it has not reached', async () => {
    signals.connect(SendMail, () => called.push('once'), { once: true });
    const remove = signals.use(() => {
      throw no;
    });
    expect(await rejection(dispatch(), Error)).to.equal(no);
    remove();
    await dispatch();
    expect(called).to.deep.equal(['once']);
    expect(signals.hasSlots).to.equal(false);
  });

  it('is refused when it is no function', () => {
    for (const wrong of [undefined, null, {}, 'log']) {
      const use = (): unknown => signals.use(wrong as unknown as SlotMiddleware);
      expect(thrown(use, TypeError).message).to.match(/^a middleware must be a function, got /);
    }
  });
});
