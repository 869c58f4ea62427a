import { expect } from 'chai';
import { z } from 'zod';
import { SchemaError } from '../../src/queue/errors.js';
import { defineMessage, type Message, validate } from '../../src/queue/message.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { rejection, thrown } from '../support/failures.js';
import { slotContext } from '../support/slot-context.js';
import { deferred } from '../support/worker-harness.js';

const SendMail = defineMessage<{ to: string }>('mail.send');
const Other = defineMessage('other');

const MESSAGE: Message = {
  id: 'm1',
  type: 'mail.send',
  data: { to: 'a' },
  time: new Date(0),
  headers: {},
  source: '/test',
};

describe('SignalDispatcher with message slots', () => {
  let signals: SignalDispatcher;
  let called: string[];

  beforeEach(() => {
    signals = new SignalDispatcher();
    called = [];
  });

  const slot = (name: string) => () => {
    called.push(name);
  };

  /** Whether there was a slot for the message. */
  async function dispatch(message: Partial<Message> = {}, given = slotContext()): Promise<boolean> {
    const call = await signals.prepare({ ...MESSAGE, ...message }, validate);
    await call?.run(given);
    return call !== null;
  }

  it('knows whether there is any slot: observers are none', () => {
    signals.connect('messageFailed', slot('observer'));
    expect(signals.hasSlots).to.equal(false);
    const disconnect = signals.connect(SendMail, slot('mail'));
    expect(signals.hasSlots).to.equal(true);
    disconnect();
    expect(signals.hasSlots).to.equal(false);
  });

  it('calls the slots of a message type in the order in which they were connected', async () => {
    signals.connect(SendMail, slot('first'));
    signals.connect(Other, slot('other'));
    signals.connect('messageReceived', slot('every'));
    signals.connect(SendMail, slot('last'));
    expect(await dispatch()).to.equal(true);
    expect(called).to.deep.equal(['first', 'every', 'last']);
  });

  it('hands every slot the message and the context', async () => {
    const received: unknown[] = [];
    const given = slotContext();
    signals.connect(SendMail, (...args) => received.push(args));
    await dispatch({}, given);
    expect(received).to.deep.equal([[MESSAGE, given]]);
  });

  it('hands every slot whose type has no schema the same message', async () => {
    const received: Message[] = [];
    signals.connect(SendMail, (message) => received.push(message));
    signals.connect('messageReceived', (message) => received.push(message));
    const call = await signals.prepare(MESSAGE, validate);
    await call?.run(slotContext());
    expect(received.map((message) => message === MESSAGE)).to.deep.equal([true, true]);
  });

  it('calls a slot of every message that was connected after one of its type had come', async () => {
    signals.connect(SendMail, slot('typed'));
    await dispatch();
    const disconnect = signals.connect('messageReceived', slot('every'));
    await dispatch();
    disconnect();
    await dispatch();
    expect(called).to.deep.equal(['typed', 'typed', 'every', 'typed']);
  });

  it('goes by the name of the type, whoever has defined it', async () => {
    signals.connect(defineMessage('mail.send'), slot('theirs'));
    await dispatch();
    expect(called).to.deep.equal(['theirs']);
  });

  it('waits for each slot before it calls the next', async () => {
    const first = deferred();
    signals.connect(SendMail, () => first.promise);
    signals.connect(SendMail, slot('second'));
    const done = dispatch();
    await Promise.resolve();
    expect(called).to.deep.equal([]);
    first.resolve();
    await done;
    expect(called).to.deep.equal(['second']);
  });

  it('says that there is no slot for a message', async () => {
    signals.connect(Other, slot('other'));
    expect(await dispatch()).to.equal(false);
    expect(called).to.deep.equal([]);
  });

  it('calls a slot once that was connected twice', async () => {
    const same = slot('same');
    signals.connect(SendMail, same);
    signals.connect('messageReceived', same);
    signals.connect(SendMail, same);
    signals.connect(SendMail, slot('other'));
    await dispatch();
    expect(called).to.deep.equal(['same', 'other']);
  });

  it('fails the message with the first slot that rejects, and does not call those behind it', async () => {
    const error = new Error('no');
    for (const failing of [
      () => {
        throw error;
      },
      () => Promise.reject(error),
    ]) {
      const disconnect = [SendMail].map((type) => [
        signals.connect(type, slot('before')),
        signals.connect(type, failing),
        signals.connect(type, slot('behind')),
      ]);
      expect(await rejection(dispatch(), Error)).to.equal(error);
      for (const each of disconnect.flat()) each();
    }
    expect(called).to.deep.equal(['before', 'before']);
  });

  it('calls no further slot once the signal has aborted', async () => {
    const controller = new AbortController();
    signals.connect(SendMail, () => controller.abort(new Error('stop')));
    signals.connect(SendMail, slot('second'));
    expect((await rejection(dispatch({}, slotContext(controller.signal)), Error)).message).to.equal('stop');
    expect(called).to.deep.equal([]);
  });

  describe('with once', () => {
    it('calls the slot for one message', async () => {
      signals.connect(SendMail, slot('once'), { once: true });
      expect([await dispatch(), await dispatch()]).to.deep.equal([true, false]);
      expect(called).to.deep.equal(['once']);
    });

    it('has disconnected it when it is called', async () => {
      signals.connect(
        SendMail,
        async () => {
          called.push('once');
          expect(await dispatch()).to.equal(false);
        },
        { once: true },
      );
      await dispatch();
      expect(called).to.deep.equal(['once']);
    });

    it('keeps it connected for as long as it was not reached', async () => {
      const failing = signals.connect(SendMail, () => Promise.reject(new Error('no')));
      signals.connect(SendMail, slot('once'), { once: true });
      await rejection(dispatch(), Error);
      failing();
      await dispatch();
      expect(called).to.deep.equal(['once']);
    });

    it('does not call it for a second message that was prepared at the same time, nor take that for done', async () => {
      signals.connect(SendMail, slot('once'), { once: true });
      const prepared = await Promise.all([signals.prepare(MESSAGE, validate), signals.prepare(MESSAGE, validate)]);
      const [first, second] = prepared.map((call) => async () => call?.run(slotContext()));
      await first?.();
      expect((await rejection(second?.() ?? Promise.resolve(), Error)).message).to.equal(
        'cannot handle the message: the slots for messages of type "mail.send" have been disconnected',
      );
      expect(called).to.deep.equal(['once']);
    });

    it('does not call it for a second message, but those that are left', async () => {
      signals.connect(SendMail, slot('once'), { once: true });
      signals.connect(SendMail, slot('always'));
      const [first, second] = [signals.prepare(MESSAGE, validate), signals.prepare(MESSAGE, validate)];
      await (await first)?.run(slotContext());
      await (await second)?.run(slotContext());
      expect(called).to.deep.equal(['once', 'always', 'always']);
    });

    it('keeps a slot that is also connected without it', async () => {
      const both = slot('both');
      signals.connect(SendMail, both, { once: true });
      signals.connect(SendMail, both);
      signals.connect(Other, slot('other'));
      signals.connect(Other, slot('other'), { once: true });
      for (let n = 0; n < 2; n++) await dispatch();
      expect(called).to.deep.equal(['both', 'both']);
    });

    it('keeps the other connection of a slot that has one of its own to every type', async () => {
      const both = slot('both');
      signals.connect(SendMail, both, { once: true });
      signals.connect('messageReceived', both);
      const prepared = [signals.prepare(MESSAGE, validate), signals.prepare(MESSAGE, validate)];
      for (const call of prepared) await (await call)?.run(slotContext());
      expect(called).to.deep.equal(['both', 'both']);
    });
  });

  describe('disconnecting', () => {
    it('takes the connection back, also when it is done twice', async () => {
      const disconnect = signals.connect(SendMail, slot('one'));
      signals.connect(SendMail, slot('two'));
      disconnect();
      disconnect();
      await dispatch();
      expect(called).to.deep.equal(['two']);
    });

    it('takes back a slot that was connected twice: that is one connection', async () => {
      const same = slot('same');
      signals.connect(SendMail, same);
      signals.connect(SendMail, same)();
      expect(await dispatch()).to.equal(false);
      expect(signals.hasSlots).to.equal(false);
    });

    it('leaves the same slot of another type connected', async () => {
      const both = slot('both');
      const disconnect = signals.connect(Other, both);
      signals.connect(SendMail, both);
      disconnect();
      expect([await dispatch(), await dispatch({ type: 'other' })]).to.deep.equal([true, false]);
    });

    it('is done by `using`', async () => {
      {
        using connection = signals.connect(SendMail, slot('used'));
        expect(connection).to.be.a('function');
        await dispatch();
      }
      expect(await dispatch()).to.equal(false);
      expect(called).to.deep.equal(['used']);
    });

    it('keeps slots that were not called yet from a message under way, and connecting adds none to it', async () => {
      const disconnect = [
        signals.connect(SendMail, () => {
          for (const each of disconnect) each();
          signals.connect(SendMail, slot('late'));
          called.push('first');
        }),
        signals.connect(SendMail, slot('second')),
        signals.connect('messageReceived', slot('third')),
      ];
      signals.connect(SendMail, slot('last'));
      await dispatch();
      expect(called).to.deep.equal(['first', 'last']);
      await dispatch();
      expect(called).to.deep.equal(['first', 'last', 'last', 'late']);
    });

    it('does not take a message for done of which every slot went before it was called', async () => {
      const disconnect = [signals.connect(SendMail, slot('one')), signals.connect(SendMail, slot('two'))];
      const call = await signals.prepare(MESSAGE, validate);
      for (const each of disconnect) each();
      expect((await rejection((async () => call?.run(slotContext()))(), Error)).message).to.equal(
        'cannot handle the message: the slots for messages of type "mail.send" have been disconnected',
      );
    });

    it('and connecting again puts the slot behind those that stayed', async () => {
      const disconnect = signals.connect(SendMail, slot('one'));
      signals.connect('messageReceived', slot('every'));
      disconnect();
      signals.connect(SendMail, slot('one'));
      disconnect();
      await dispatch();
      expect(called).to.deep.equal(['every', 'one']);
    });

    it('changes who gets the next message of a type that has come before', async () => {
      const [typed, every] = [slot('typed'), slot('every')];
      for (const [connect, expected] of [
        [() => signals.connect(SendMail, typed), ['typed']],
        [() => signals.connect('messageReceived', every), ['every']],
      ] as const) {
        await dispatch();
        await dispatch({ type: 'unknown' });
        const disconnect = connect();
        await dispatch();
        expect(called).to.deep.equal(expected);
        disconnect();
        expect([await dispatch(), await dispatch({ type: 'unknown' })]).to.deep.equal([false, false]);
        called = [];
      }
    });
  });

  describe('with schemas', () => {
    const Dated = defineMessage('mail.send', z.object({ to: z.string().transform((text) => text.toUpperCase()) }));
    const Strict = defineMessage('mail.send', z.object({ to: z.email() }));

    it('hands each slot what the schema of its own type makes of the data', async () => {
      const received: unknown[] = [];
      signals.connect(Dated, ({ data }) => received.push(data));
      signals.connect(SendMail, ({ data }) => received.push(data));
      signals.connect('messageReceived', (message) => received.push(message));
      await dispatch();
      expect(received).to.deep.equal([{ to: 'A' }, { to: 'a' }, MESSAGE]);
      expect(received[2]).to.include({ data: MESSAGE.data });
    });

    it('calls no slot at all when the data does not fit the schema of one', async () => {
      signals.connect(SendMail, slot('first'));
      signals.connect(Strict, slot('strict'));
      const error = await rejection(dispatch(), SchemaError);
      expect(error.issues[0]?.path).to.equal('to');
      expect(called).to.deep.equal([]);
    });

    it('asks the schema of a type once for a message, however many slots it has', async () => {
      let asked = 0;
      const Counted = defineMessage(
        'mail.send',
        z.unknown().transform(() => ++asked),
      );
      const received: unknown[] = [];
      for (let n = 0; n < 3; n++) signals.connect(Counted, ({ data }) => received.push(data));
      await dispatch();
      expect(received).to.deep.equal([1, 1, 1]);
      await dispatch();
      expect(asked).to.equal(2);
    });

    describe('of which one is asynchronous', () => {
      const later = (from: string) =>
        defineMessage('mail.send', z.object({ to: z.string().transform(async (to) => `${from}:${to}`) }));
      const Refusing = defineMessage('mail.send', z.object({ to: z.string().refine(async () => false) }));

      it('waits for it, and hands each slot what the schema of its own type makes of the data', async () => {
        const received: unknown[] = [];
        const take = (message: Message): unknown => received.push(message.data);
        signals.connect(Dated, (message) => take(message));
        signals.connect(later('b'), (message) => take(message));
        signals.connect('messageReceived', (message) => take(message));
        signals.connect(later('c'), (message) => take(message));
        signals.connect(Dated, (message) => take(message));
        await dispatch();
        expect(received).to.deep.equal([{ to: 'A' }, { to: 'b:a' }, { to: 'a' }, { to: 'c:a' }, { to: 'A' }]);
      });

      it('calls no slot at all when the data does not fit', async () => {
        for (const types of [
          [Refusing],
          [Refusing, Strict],
          [Strict, Refusing],
          [later('a'), Strict],
          [Refusing, Refusing],
        ]) {
          const disconnect = types.map((type) => signals.connect(type, slot('strict') as () => void));
          signals.connect('messageReceived', slot('every'));
          await rejection(dispatch(), SchemaError);
          for (const each of disconnect) each();
        }
        expect(called).to.deep.equal([]);
      });
    });
  });

  it('answers at once where no schema is asynchronous', () => {
    expect(signals.prepare(MESSAGE, validate)).to.equal(null);
    signals.connect(SendMail, slot('a'));
    expect(signals.prepare(MESSAGE, validate)).to.respondTo('run');
    signals.connect(defineMessage('mail.send', z.object({ to: z.string() })), slot('b'));
    expect(signals.prepare(MESSAGE, validate)).to.respondTo('run');
    const Strict = defineMessage('mail.send', z.object({ to: z.email() }));
    signals.connect(Strict, slot('c'));
    thrown(() => signals.prepare(MESSAGE, validate), SchemaError);
  });

  it('does not look through the slots of other types for each message', () => {
    let looks = 0;
    const Watched = {
      schema: undefined,
      get type(): string {
        looks++;
        return 'watched';
      },
    };
    for (let n = 0; n < 100; n++) signals.connect(Watched, slot(String(n)));
    signals.connect(SendMail, slot('mail'));
    looks = 0;
    for (let n = 0; n < 100; n++) {
      signals.prepare(MESSAGE, validate);
      signals.prepare({ ...MESSAGE, type: `foreign ${n}` }, validate);
    }
    expect(looks).to.equal(0);
  });

  it('refuses slots that are no functions, and what they cannot be connected to', () => {
    const connect = signals.connect.bind(signals) as (to: unknown, slot: unknown) => unknown;
    for (const wrong of [undefined, null, {}, 'slot']) {
      expect(thrown(() => connect(SendMail, wrong), TypeError).message).to.match(/^a slot must be a function, got /);
      expect(thrown(() => connect('workerError', wrong), TypeError).message).to.match(
        /^a slot must be a function, got /,
      );
    }
    for (const wrong of [undefined, null, {}, 5, { type: 5 }]) {
      expect(thrown(() => connect(wrong, slot('a')), TypeError).message).to.match(
        /^what a slot is connected to must be a message type or the name of a signal, got /,
      );
    }
  });
});
