import { expect } from 'chai';
import { Budgets } from '../../../src/drivers/beanstalkd/budget.js';

describe('The attempt of a beanstalkd job', () => {
  let budgets: Budgets;

  beforeEach(() => {
    budgets = new Budgets();
  });

  it('counts every delivery of a job that was never kicked, however it ended', () => {
    for (const reserves of [1, 4]) expect(budgets.attemptOf('7', { reserves, buries: 0, kicks: 0 })).to.equal(reserves);
  });

  it('counts every delivery of a job that was kicked while it was delayed', () => {
    expect(budgets.attemptOf('7', { reserves: 2, buries: 0, kicks: 3 })).to.equal(2);
  });

  it('is 1 at the first delivery that is seen after a kick, whatever came before', () => {
    for (const reserves of [2, 6, 99])
      expect(budgets.attemptOf(String(reserves), { reserves, buries: 1, kicks: 1 })).to.equal(1);
  });

  it('counts from there on, and begins anew at each kick', () => {
    const seen = [
      [6, 1],
      [7, 1],
      [9, 1],
      [10, 2],
      [11, 2],
    ] as const;
    const attempts = seen.map(([reserves, kicks]) => budgets.attemptOf('7', { reserves, buries: kicks, kicks }));
    expect(attempts).to.deep.equal([1, 2, 4, 1, 2]);
  });

  it('is counted for each job by itself', () => {
    budgets.attemptOf('7', { reserves: 6, buries: 1, kicks: 1 });
    expect(budgets.attemptOf('8', { reserves: 7, buries: 1, kicks: 1 })).to.equal(1);
    expect(budgets.attemptOf('7', { reserves: 7, buries: 1, kicks: 1 })).to.equal(2);
  });

  it('is remembered for the 10,000 jobs that were kicked last', () => {
    for (let id = 0; id <= 10_000; id++) budgets.attemptOf(String(id), { reserves: 6, buries: 1, kicks: 1 });
    expect(budgets.attemptOf('10000', { reserves: 7, buries: 1, kicks: 1 })).to.equal(2);
    expect(budgets.attemptOf('0', { reserves: 7, buries: 1, kicks: 1 })).to.equal(1);
  });
});
