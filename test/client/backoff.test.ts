import { expect } from 'chai';
import { Backoff, type ReconnectOptions } from '../../src/client/backoff.js';
import { InvalidArgumentError } from '../../src/protocol/errors.js';
import { preview } from '../../src/shared/text.js';
import { thrown } from '../support/failures.js';

function delays(options: ReconnectOptions, random: () => number, attempts: number): number[] {
  const backoff = new Backoff(options, random);
  return Array.from({ length: attempts }, (_, i) => backoff.delayMs(i + 1));
}

describe('Backoff', () => {
  it('doubles from 100 ms to 10 s at most', () => {
    expect(delays({}, () => 1, 9)).to.deep.equal([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  it('takes any part of that, down to nothing: full jitter', () => {
    expect(delays({}, () => 0, 3)).to.deep.equal([0, 0, 0]);
    expect(delays({}, () => 0.5, 3)).to.deep.equal([50, 100, 200]);
    const many = delays({ factor: 1 }, Math.random, 1000);
    expect(Math.min(...many)).to.be.within(0, 20);
    expect(Math.max(...many)).to.be.within(80, 100);
  });

  it('begins, grows and ends as it is told', () => {
    const options = { initialDelayMs: 10, maxDelayMs: 100, factor: 3 };
    expect(delays(options, () => 1, 5)).to.deep.equal([10, 30, 90, 100, 100]);
    expect(delays({ initialDelayMs: 0 }, () => 1, 3)).to.deep.equal([0, 0, 0]);
    expect(delays({ factor: 1 }, () => 1, 3)).to.deep.equal([100, 100, 100]);
  });

  it('stays at its longest delay after years of trying', () => {
    expect(new Backoff({}, () => 1).delayMs(1_000_000)).to.equal(10_000);
  });

  it('tries for ever unless it is told otherwise', () => {
    expect(new Backoff({}).maxAttempts).to.equal(Number.POSITIVE_INFINITY);
    expect(new Backoff({ maxAttempts: 3 }).maxAttempts).to.equal(3);
  });

  for (const [name, value, range] of [
    ['initialDelayMs', -1, 'from 0 to 2147483647'],
    ['initialDelayMs', Number.NaN, 'from 0 to 2147483647'],
    ['maxDelayMs', -1, 'from 0 to 2147483647'],
    ['maxDelayMs', 1e12, 'from 0 to 2147483647'],
    ['maxDelayMs', null, 'from 0 to 2147483647'],
    ['maxDelayMs', '100', 'from 0 to 2147483647'],
    ['factor', 0.5, 'of at least 1'],
    ['maxAttempts', 0, 'of at least 1'],
    ['maxAttempts', Number.NaN, 'of at least 1'],
  ] as const) {
    it(`refuses ${JSON.stringify(value)} for ${name}`, () => {
      const error = thrown(() => new Backoff({ [name]: value }), InvalidArgumentError);
      expect(error.message).to.equal(`reconnect.${name} must be a number ${range}, got ${preview(value)}`);
    });
  }
});
