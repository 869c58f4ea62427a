import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { SignalEvents } from '../../src/signals/signals.js';

const STOPPED: SignalEvents['workerStopped'] = { queues: ['mail'], finished: 1, failed: 0 };

describe('SignalDispatcher with observers', () => {
  let signals: SignalDispatcher;
  let told: string[];

  beforeEach(() => {
    signals = new SignalDispatcher();
    told = [];
  });

  const observer = (name: string) => () => {
    told.push(name);
  };

  it('tells those of the signal in the order in which they were connected, before emit returns', () => {
    signals.connect('workerStopped', observer('first'));
    signals.connect('workerStarted', observer('other'));
    signals.connect('workerStopped', observer('last'));
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['first', 'last']);
  });

  it('hands them the event', () => {
    const events: unknown[] = [];
    signals.connect('workerStopped', (...args) => events.push(args));
    signals.emit('workerStopped', STOPPED);
    expect(events).to.deep.equal([[STOPPED]]);
  });

  it('does nothing where nobody listens', () => {
    signals.emit('workerStopped', STOPPED);
  });

  it('tells an observer once that was connected twice, and no longer once it is disconnected', () => {
    const same = observer('same');
    signals.connect('workerStopped', same);
    const disconnect = signals.connect('workerStopped', same);
    signals.emit('workerStopped', STOPPED);
    disconnect();
    disconnect();
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['same']);
  });

  it('tells an observer of two signals of each', () => {
    const same = observer('same');
    signals.connect('workerStopped', same);
    signals.connect('workerStarted', same);
    signals.emit('workerStopped', STOPPED);
    signals.emit('workerStarted', { queues: [], concurrency: 1 });
    expect(told).to.deep.equal(['same', 'same']);
  });

  it('tells one with once a single time, even when the signal is emitted while it is told', () => {
    signals.connect(
      'workerStopped',
      () => {
        told.push('once');
        signals.emit('workerStopped', STOPPED);
      },
      { once: true },
    );
    signals.emit('workerStopped', STOPPED);
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['once']);
  });

  it('is disconnected by `using`', () => {
    {
      using connection = signals.connect('workerStopped', observer('used'));
      expect(connection).to.be.a('function');
      signals.emit('workerStopped', STOPPED);
    }
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['used']);
  });

  it('tells those no longer who are disconnected while it tells, and those not yet who are connected', () => {
    const disconnect = [
      signals.connect('workerStopped', () => {
        for (const each of disconnect) each();
        signals.connect('workerStopped', observer('late'));
        told.push('first');
      }),
      signals.connect('workerStopped', observer('second')),
    ];
    signals.connect('workerStopped', observer('last'));
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['first', 'last']);
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['first', 'last', 'last', 'late']);
  });

  it('tells an observer each time that is connected with once and without', () => {
    const [one, two] = [observer('one'), observer('two')];
    signals.connect('workerStopped', one, { once: true });
    signals.connect('workerStopped', one);
    signals.connect('workerStopped', two);
    signals.connect('workerStopped', two, { once: true });
    for (let n = 0; n < 2; n++) signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['one', 'two', 'one', 'two']);
  });

  it('does not let an old connection take back a new one', () => {
    const same = observer('same');
    const old = signals.connect('workerStopped', same);
    old();
    signals.connect('workerStopped', same);
    old();
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['same']);
  });

  for (const [how, fail] of [
    [
      'throws',
      (error: Error) => {
        throw error;
      },
    ],
    ['rejects', (error: Error) => Promise.reject(error)],
    [
      'answers with what rejects when it is waited for',
      // biome-ignore lint/suspicious/noThenProperty: what is no Promise can be waited for as well
      (error: Error) => ({ then: (_: unknown, no: (e: Error) => void) => no(error) }),
    ],
  ] as const) {
    it(`tells the others when one ${how}, and reports that to workerError`, async () => {
      const errors: unknown[] = [];
      const error = new Error('an observer that fails');
      signals.connect('workerError', (event) => errors.push(event.error));
      signals.connect('workerStopped', () => fail(error));
      signals.connect('workerStopped', observer('second'));
      signals.emit('workerStopped', STOPPED);
      expect(told).to.deep.equal(['second']);
      await nextTurn();
      expect(errors).to.deep.equal([error]);
    });

    it(`does not tell an observer of workerError that ${how} of its own failure, nor the others`, async () => {
      const errors: unknown[] = [];
      signals.connect('workerError', (event) => {
        errors.push(event.error);
        return fail(new Error('and again'));
      });
      signals.connect('workerError', observer('second'));
      signals.emit('workerError', { error: 1 });
      await nextTurn();
      expect(errors).to.deep.equal([1]);
      expect(told).to.deep.equal(['second']);
    });
  }

  it('reports once to workerError what fails while workerError is told of a failure', async () => {
    const errors: unknown[] = [];
    signals.connect('workerError', ({ error }) => {
      errors.push((error as Error).message);
      signals.emit('workerStopped', STOPPED);
      throw new Error('an observer of workerError');
    });
    signals.connect(
      'workerStopped',
      () => {
        throw new Error('an observer');
      },
      { once: true },
    );
    signals.emit('workerStopped', STOPPED);
    await nextTurn();
    expect(errors).to.deep.equal(['an observer']);
  });

  it('does not wait for an observer', () => {
    signals.connect('workerStopped', () => new Promise(() => {}));
    signals.connect('workerStopped', observer('second'));
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['second']);
  });
});

describe('A signal that does not exist', () => {
  it('cannot be connected to: the error names those that do', () => {
    const signals = new SignalDispatcher();
    const connect = () => signals.connect('mesageFailed' as 'messageFailed', () => {});
    expect(connect).to.throw(TypeError, /^a signal must be messageReceived, messageSubmitted, .*, got "mesageFailed"$/);
  });
});
