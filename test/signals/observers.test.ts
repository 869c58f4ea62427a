import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { SignalEvents } from '../../src/signals/catalogue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';

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

  it('is not disturbed by connecting and disconnecting while it tells', () => {
    const disconnect = [
      signals.connect('workerStopped', () => {
        for (const each of disconnect) each();
        signals.connect('workerStopped', observer('late'));
        told.push('first');
      }),
      signals.connect('workerStopped', observer('second')),
    ];
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['first', 'second']);
    signals.emit('workerStopped', STOPPED);
    expect(told).to.deep.equal(['first', 'second', 'late']);
  });

  for (const [how, fail] of [
    [
      'throws',
      (error: Error) => {
        throw error;
      },
    ],
    ['rejects', (error: Error) => Promise.reject(error)],
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
    expect(connect).to.throw(
      TypeError,
      'there is no signal "mesageFailed"; there are messageReceived, messageSubmitted',
    );
  });
});
