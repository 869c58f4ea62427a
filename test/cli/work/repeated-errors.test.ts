import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { RepeatedErrors } from '../../../src/cli/work/log.js';

describe('An error that comes again and again', () => {
  let clock: SinonFakeTimers;
  let told: string[];
  let errors: RepeatedErrors;

  beforeEach(() => {
    clock = useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setInterval', 'clearInterval'] });
    told = [];
    errors = new RepeatedErrors((text, repeats) => told.push(`${text} ${repeats}`));
  });

  afterEach(() => clock.restore());

  it('is told at first, and then once a minute with how often it came', () => {
    for (let second = 0; second < 150; second++) {
      errors.add('lost');
      clock.tick(1000);
    }
    expect(told).to.deep.equal(['lost 0', 'lost 59', 'lost 60']);
  });

  it('is told anew after a minute without it', () => {
    errors.add('lost');
    clock.tick(60_000);
    errors.add('lost');
    expect(told).to.deep.equal(['lost 0', 'lost 0']);
  });

  it('holds no other error back', () => {
    for (const text of ['lost', 'full', 'lost', 'full']) errors.add(text);
    expect(told).to.deep.equal(['lost 0', 'full 0']);
  });

  it('is told for the last time when somebody wants to know, and is new then', () => {
    for (let n = 0; n < 3; n++) errors.add('lost');
    errors.flush();
    errors.flush();
    errors.add('lost');
    expect(told).to.deep.equal(['lost 0', 'lost 2', 'lost 0']);
  });

  it('costs no memory where each differs from all others, and no timer when all were told', () => {
    for (let n = 0; n < 1000; n++) errors.add(`error ${n}`);
    expect(clock.countTimers()).to.equal(20);
    errors.flush();
    expect([told.length, clock.countTimers()]).to.deep.equal([1000, 0]);
  });
});
