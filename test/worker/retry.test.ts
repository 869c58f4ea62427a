import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { type Backoff, retryDelay } from '../../src/worker/retry.js';
import { thrown } from '../support/failures.js';

function delays(backoff: Backoff | undefined, random?: () => number): number[] {
  const delay = retryDelay(backoff, random);
  return [1, 2, 3, 4, 5].map((attempt) => delay(attempt, new Error('no')));
}

describe('The delay after a failure', () => {
  it('is the same each time where it is a duration', () => {
    expect(delays('2s')).to.deep.equal([2000, 2000, 2000, 2000, 2000]);
    expect(delays(50)).to.deep.equal([50, 50, 50, 50, 50]);
    expect(delays(0)).to.deep.equal([0, 0, 0, 0, 0]);
  });

  it('doubles from one second unless something else is said', () => {
    expect(delays({ jitter: 'none' })).to.deep.equal([1000, 2000, 4000, 8000, 16_000]);
    expect(delays({ jitter: 'none', initial: 10, factor: 3 })).to.deep.equal([10, 30, 90, 270, 810]);
    expect(delays({ jitter: 'none', initial: '10ms', factor: 1 })).to.deep.equal([10, 10, 10, 10, 10]);
    expect(delays({ jitter: 'none', initial: 10, factor: 1.5 })).to.deep.equal([10, 15, 23, 34, 51]);
  });

  it('grows to five minutes at most, or as long as is said', () => {
    expect(retryDelay({ jitter: 'none' })(50, undefined)).to.equal(300_000);
    expect(retryDelay({ jitter: 'none' })(5000, undefined)).to.equal(300_000);
    expect(delays({ jitter: 'none', max: '3s' })).to.deep.equal([1000, 2000, 3000, 3000, 3000]);
  });

  it('is a random part of that, so that what failed together does not return together', () => {
    expect(delays({ initial: 1000 }, () => 0.5)).to.deep.equal([500, 1000, 2000, 4000, 8000]);
    expect(delays(undefined, () => 0.25)).to.deep.equal([250, 500, 1000, 2000, 4000]);
    expect(delays({ jitter: 'full' }, () => 0)).to.deep.equal([0, 0, 0, 0, 0]);
    expect(delays({ initial: 3, max: 3 }, () => 0.999)).to.deep.equal([3, 3, 3, 3, 3]);
  });

  it('is never negative, never above the longest, and whole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(100_000), fc.nat(1_000_000), (attempt, initial, max) => {
        const delay = retryDelay({ initial, max })(attempt, undefined);
        expect(delay).to.satisfy(Number.isInteger).and.be.within(0, max);
      }),
    );
  });

  it('is what a function says that is told the attempt and the error', () => {
    const error = new Error('no');
    const told: unknown[] = [];
    const delay = retryDelay((...args) => {
      told.push(args);
      return '3s';
    });
    expect(delay(2, error)).to.equal(3000);
    expect(told).to.deep.equal([[2, error]]);
  });

  it('is refused when the function says no duration', () => {
    for (const wrong of [-1, 'soon', Number.NaN, undefined]) {
      expect(thrown(() => retryDelay(() => wrong as number)(1, undefined), InvalidOptionError).message).to.match(
        /^what backoff returns must be a number of milliseconds or /,
      );
    }
  });

  it('is refused when the function is asynchronous, also when its promise rejects', async () => {
    for (const answer of [async () => 5, () => Promise.reject(new Error('no database'))]) {
      const asynchronous = answer as unknown as () => number;
      expect(thrown(() => retryDelay(asynchronous)(1, undefined), InvalidOptionError).message).to.equal(
        'what backoff returns must be a duration, got a promise',
      );
    }
  });

  it('is refused when its options cannot be meant', () => {
    const wrong: [unknown, RegExp][] = [
      ['soon', /^backoff must be .*got "soon"$/],
      [-1, /^backoff must be .*got -1$/],
      [{ initial: -1 }, /^backoff\.initial must be .*got -1$/],
      [{ max: 'never' }, /^backoff\.max must be .*got "never"$/],
      [{ factor: 0.5 }, /^backoff\.factor must be a number of at least 1, got 0\.5$/],
      [{ factor: Number.NaN }, /^backoff\.factor .*got NaN$/],
      [{ factor: Number.POSITIVE_INFINITY }, /^backoff\.factor .*got Infinity$/],
      [null, /^backoff must be .*got null$/],
      [{ maximum: '5m' }, /^an option of backoff must be initial, factor, max or jitter, got "maximum"$/],
      [{ jitter: 'half' }, /^backoff\.jitter must be "full" or "none", got "half"$/],
    ];
    for (const [backoff, message] of wrong) {
      expect(thrown(() => retryDelay(backoff as Backoff), InvalidOptionError).message).to.match(message);
    }
  });
});
