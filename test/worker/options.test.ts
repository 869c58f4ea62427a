import { expect } from 'chai';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { Queue } from '../../src/queue/queue.js';
import { preview } from '../../src/shared/text.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { settingsOf, type WorkerOptions } from '../../src/worker/options.js';
import { Worker } from '../../src/worker/worker.js';
import { thrown } from '../support/failures.js';
import { FakeDriver } from '../support/fake-driver.js';

describe('The options of a worker', () => {
  it('have defaults', () => {
    const { retryDelay, ...settings } = settingsOf({});
    expect(settings).to.deep.equal({
      concurrency: 1,
      attempts: 5,
      trackAttempts: true,
      order: 'fair',
      slotTimeoutMs: undefined,
      unhandled: 'bury',
      graceMs: 10_000,
      maxMessages: Number.POSITIVE_INFINITY,
      timeLimitMs: undefined,
      memoryLimit: Number.POSITIVE_INFINITY,
      failureLimit: Number.POSITIVE_INFINITY,
      onFailure: undefined,
      untilEmpty: false,
    });
    expect(retryDelay(1, undefined)).to.be.within(0, 1000);
  });

  it('that are undefined are as good as left out', () => {
    const names = ['concurrency', 'attempts', 'backoff', 'slotTimeout', 'unhandled', 'grace', 'maxMessages'];
    const others = ['timeLimit', 'memoryLimit', 'failureLimit', 'trackAttempts', 'order', 'onFailure', 'untilEmpty'];
    const options = Object.fromEntries([...names, ...others].map((name) => [name, undefined])) as WorkerOptions;
    expect(settingsOf(options)).to.deep.include({ concurrency: 1, attempts: 5, unhandled: 'bury', graceMs: 10_000 });
  });

  it('are taken as they are given, durations in any form', () => {
    expect(
      settingsOf({
        concurrency: 7,
        attempts: 1,
        trackAttempts: false,
        order: 'strict',
        backoff: 5,
        slotTimeout: '2s',
        unhandled: 'ignore',
        grace: 0,
        maxMessages: 3,
        timeLimit: '1h',
        memoryLimit: 2 ** 30,
        failureLimit: 1,
      }),
    ).to.deep.include({
      concurrency: 7,
      attempts: 1,
      trackAttempts: false,
      order: 'strict',
      slotTimeoutMs: 2000,
      unhandled: 'ignore',
      graceMs: 0,
      maxMessages: 3,
      timeLimitMs: 3_600_000,
      memoryLimit: 2 ** 30,
      failureLimit: 1,
    });
  });

  it('that count are integers of at least 1', () => {
    for (const name of ['concurrency', 'attempts', 'maxMessages', 'memoryLimit', 'failureLimit'] as const) {
      for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
        expect(thrown(() => settingsOf({ [name]: value }), InvalidOptionError).message).to.equal(
          `${name} must be an integer of at least 1, got ${preview(value)}`,
        );
      }
    }
  });

  it('that are times are durations that a timer can hold', () => {
    for (const name of ['slotTimeout', 'grace', 'timeLimit'] as const) {
      for (const value of [-1, 'soon', Number.NaN, '30d']) {
        expect(thrown(() => settingsOf({ [name]: value }), InvalidOptionError).message).to.match(
          new RegExp(`^${name} must be `),
        );
      }
    }
  });

  it('say in one of two orders which queue comes first', () => {
    for (const [order, shown] of [
      ['first', '"first"'],
      [true, 'true'],
    ] as const) {
      expect(thrown(() => settingsOf({ order: order as 'fair' }), InvalidOptionError).message).to.equal(
        `order must be "fair" or "strict", got ${shown}`,
      );
    }
  });

  it('say yes or no to the tracking of attempts', () => {
    for (const [trackAttempts, shown] of [
      ['no', '"no"'],
      [0, '0'],
    ] as const) {
      const options = { trackAttempts: trackAttempts as unknown as boolean };
      expect(thrown(() => settingsOf(options), InvalidOptionError).message).to.equal(
        `trackAttempts must be true or false, got ${shown}`,
      );
    }
  });

  it('say yes or no to stopping when all is done, and decide about failures by a function', () => {
    const until = { untilEmpty: 1 as unknown as boolean };
    expect(thrown(() => settingsOf(until), InvalidOptionError).message).to.equal(
      'untilEmpty must be true or false, got 1',
    );
    const decide = { onFailure: 'bury' as unknown as () => 'bury' };
    expect(thrown(() => settingsOf(decide), InvalidOptionError).message).to.equal(
      'onFailure must be a function, got "bury"',
    );
  });

  it('say one of three things about messages without a slot', () => {
    expect(thrown(() => settingsOf({ unhandled: 'drop' as 'bury' }), InvalidOptionError).message).to.equal(
      'unhandled must be "bury", "release" or "ignore", got "drop"',
    );
  });
});

describe('A worker', () => {
  const signals = new SignalDispatcher();

  it('refuses options that cannot be meant when it is made', () => {
    const queue = new Queue(new FakeDriver(), 'mail');
    for (const options of [{ concurrency: 0 }, { backoff: 'soon' }, { grace: -1 }]) {
      thrown(() => new Worker(queue, signals, options), InvalidOptionError);
    }
  });

  it('needs a queue, and all of them on one engine', () => {
    expect(thrown(() => new Worker([], signals), InvalidOptionError).message).to.equal(
      'the queues of a worker must be one at least, got none',
    );
    const queues = ['a', 'b'].map((name) => new Queue(new FakeDriver(), name));
    expect(thrown(() => new Worker(queues, signals), InvalidOptionError).message).to.equal(
      'the queues of a worker must be of one driver, got queues of several',
    );
  });
});
