// What the compiler knows of signals. `npm run check:types` is the test; running it shows that the code is not wrong.
import { expect } from 'chai';
import { z } from 'zod';
import { defineMessage, type Message } from '../../src/queue/message.js';
import { type Disconnect, SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { OperatorVerb, SignalEvents, SlotContext, StopReason } from '../../src/signals/signals.js';
import { thrown } from '../support/failures.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only where the two types are the same. */
function same<A, B>(_same: Same<A, B>): void {}

interface Mail {
  readonly to: string;
  readonly cc?: string;
}

const SendMail = defineMessage<Mail>('mail.send');
const Remind = defineMessage('remind', z.object({ at: z.string().transform((text) => new Date(text)) }));

describe('the compiler, of slots', () => {
  const signals = new SignalDispatcher();

  it('gives a slot the data of its type, and a context', () => {
    signals.connect(SendMail, (message, context) => {
      same<typeof message, Message<Mail>>(true);
      same<typeof context, SlotContext>(true);
      same<typeof context.signal, AbortSignal>(true);
    });
  });

  it('gives a slot what the schema of its type makes of the data', () => {
    signals.connect(Remind, ({ data }) => same<typeof data, { at: Date }>(true));
    // @ts-expect-error: what the schema takes is not what the slot gets
    signals.connect(Remind, (_message: Message<{ at: string }>) => {});
  });

  it('gives a slot of every message data of which nothing is known', () => {
    signals.connect('messageReceived', (message) => same<typeof message, Message<unknown>>(true));
    // @ts-expect-error: it might be anything
    signals.connect('messageReceived', (_message: Message<Mail>) => {});
  });

  it('takes a slot that asks for less, and none that asks for more', () => {
    signals.connect(SendMail, (_message: Message<{ readonly to: string }>) => {});
    signals.connect(SendMail, (_message: Message) => {});
    signals.connect(SendMail, () => {});
    // @ts-expect-error: data that the message does not have
    signals.connect(SendMail, (_message: Message<{ to: string; subject: string }>) => {});
    // @ts-expect-error: more arguments than a slot gets
    signals.connect(SendMail, (_message: Message<Mail>, _context: SlotContext, _more: string) => {});
  });

  it('takes a slot that is asynchronous, or answers with anything', () => {
    signals.connect(SendMail, async () => {});
    signals.connect(SendMail, () => 5);
  });

  it('takes methods and shared functions', () => {
    const log = (message: Message): string => message.type;
    signals.connect(SendMail, log);
    signals.connect(Remind, log);
    signals.connect('messageReceived', log);
  });
});

describe('the compiler, of observers', () => {
  const signals = new SignalDispatcher();

  it('gives an observer the event of its signal', () => {
    signals.connect('messageSubmitted', (event) => same<typeof event, SignalEvents['messageSubmitted']>(true));
    signals.connect('messageSubmitted', ({ inTransaction }) => same<typeof inTransaction, boolean>(true));
    signals.connect('messageStarted', ({ attempt }) => same<typeof attempt, number | undefined>(true));
    signals.connect('messageReleased', ({ attempt, delayMs, error }) => {
      same<[typeof attempt, typeof delayMs, typeof error], [number | undefined, number, unknown]>(true);
    });
    signals.connect('messageReleased', ({ counted, durationMs }) => {
      same<[typeof counted, typeof durationMs], [boolean, number]>(true);
    });
    signals.connect('messageFailed', ({ message, body, durationMs }) => {
      same<[typeof message, typeof body, typeof durationMs], [Message | undefined, Buffer, number]>(true);
    });
    signals.connect('leaseLost', ({ jobId }) => same<typeof jobId, string>(true));
    signals.connect('operatorActed', ({ verb, jobIds, by }) => {
      same<[typeof verb, typeof jobIds, typeof by], [OperatorVerb, readonly string[], string | undefined]>(true);
    });
    signals.connect('workerStarted', ({ concurrency }) => same<typeof concurrency, number>(true));
    signals.connect('workerStopping', ({ reason }) => same<typeof reason, StopReason>(true));
    signals.connect('workerStopped', ({ queues }) => same<typeof queues, readonly string[]>(true));
    signals.connect('workerError', ({ error }) => same<typeof error, unknown>(true));
    signals.connect('workerRecovered', ({ downMs }) => same<typeof downMs, number>(true));
    // @ts-expect-error: this signal does not tell that
    signals.connect('messageFinished', ({ delayMs }) => delayMs);
    // @ts-expect-error: an observer gets no context
    signals.connect('messageFinished', (_event, _context: SlotContext) => {});
  });

  it('takes no signal that does not exist', () => {
    // @ts-expect-error: no such signal
    thrown(() => signals.connect('messageSent', () => {}), TypeError);
    // @ts-expect-error: a type, which is an object, by its name
    thrown(() => signals.connect('mail.send', () => {}), TypeError);
    // @ts-expect-error: nobody emits it but the worker, by way of its slots
    signals.emit('messageReceived', {});
    // @ts-expect-error: an event of another signal
    signals.emit('workerStopped', { error: 5 });
  });
});

describe('the compiler, of connections', () => {
  const signals = new SignalDispatcher();

  it('knows the options', () => {
    const options: { once: boolean | undefined } = { once: undefined };
    signals.connect(SendMail, () => {}, { once: true });
    signals.connect('workerError', () => {}, options);
    // @ts-expect-error: no such option
    signals.connect(SendMail, () => {}, { twice: true });
    // @ts-expect-error: not a truth
    signals.connect(SendMail, () => {}, { once: 'yes' });
  });

  it('takes them back by a call or by `using`', () => {
    const disconnect = signals.connect(SendMail, () => {});
    same<typeof disconnect, Disconnect>(true);
    same<ReturnType<typeof disconnect>, void>(true);
    expect(disconnect()).to.equal(undefined);
    using connection: Disposable = signals.connect('messageReceived', () => {});
    expect(connection[Symbol.dispose]).to.be.a('function');
  });
});
