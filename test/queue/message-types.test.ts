// What the compiler knows of messages. `npm run check:types` is the test; running it shows that the code is not wrong.
import { expect } from 'chai';
import { z } from 'zod';
import { SchemaError } from '../../src/queue/errors.js';
import { defineMessage, type Message, type MessageType } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { FailureReason, SlotContext } from '../../src/signals/signals.js';
import { rejection, thrown } from '../support/failures.js';
import { RecordingDriver } from '../support/recording-driver.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only where the two types are the same. */
function same<A, B>(_same: Same<A, B>): void {}

interface Mail {
  readonly to: string;
}

const SendMail = defineMessage<Mail>('mail.send');
const Remind = defineMessage(
  'remind',
  z.object({ at: z.string().transform((text) => new Date(text)), text: z.string().default('now') }),
);

describe('the compiler', () => {
  const queue = new Queue(new RecordingDriver(), 'mail');
  const signals = new SignalDispatcher();

  it('knows the data of a message type', () => {
    same<typeof SendMail, MessageType<Mail>>(true);
    same<typeof Remind, MessageType<{ at: Date; text: string }, { at: string; text?: string | undefined }>>(true);
  });

  it('knows what a slot gets: what the schema makes of the data', () => {
    signals.connect(SendMail, (message, context) => {
      same<typeof message, Message<Mail>>(true);
      same<typeof context, SlotContext>(true);
    });
    signals.connect(Remind, ({ data }) => same<typeof data, { at: Date; text: string }>(true));
    signals.connect('messageReceived', ({ data }) => same<typeof data, unknown>(true));
    // @ts-expect-error: a slot for other data
    signals.connect(SendMail, (_message: Message<{ cc: string }>) => {});
  });

  it('knows what an observer gets, and that there is no other signal', () => {
    signals.connect('messageFailed', ({ message, reason }) => {
      same<typeof message, Message | undefined>(true);
      same<typeof reason, FailureReason>(true);
    });
    signals.connect('messageFinished', ({ durationMs }) => same<typeof durationMs, number>(true));
    // @ts-expect-error: there is no such signal
    thrown(() => signals.connect('messageLost', () => {}), TypeError);
    // @ts-expect-error: not an object with a type
    thrown(() => signals.connect(5, () => {}), TypeError);
  });

  it('lets publish take what the schema takes, and nothing else', async () => {
    expect(await queue.publish(SendMail, { to: 'a@b.example' })).to.be.a('string');
    expect(await queue.publish(Remind, { at: '2026-01-02' })).to.be.a('string');
    // @ts-expect-error: data of the wrong type
    await queue.publish(SendMail, { to: 5 });
    // @ts-expect-error: data that is missing
    await queue.publish(SendMail, {});
    // @ts-expect-error: what the schema makes is not what it takes, though it fits once the codec has written it
    await queue.publish(Remind, { at: new Date() });
    // @ts-expect-error: the whole message in place of its data
    await rejection(queue.publish(Remind, { data: { at: '2026-01-02' } }), SchemaError);
  });

  it('lets publishMany take a list of that', async () => {
    expect(await queue.publishMany(SendMail, [{ to: 'a' }, { to: 'b' }])).to.have.length(2);
    // @ts-expect-error: one of them is wrong
    await queue.publishMany(SendMail, [{ to: 'a' }, { to: 5 }]);
  });

  it('takes anything for a type that says nothing about its data', async () => {
    const Anything = defineMessage('anything');
    same<typeof Anything, MessageType<unknown>>(true);
    for (const data of [undefined, 5, { a: 1 }]) expect(await queue.publish(Anything, data)).to.be.a('string');
  });
});
