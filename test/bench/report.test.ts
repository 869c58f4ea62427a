import { expect } from 'chai';
import type { Measured } from '../../bench/harness/measure.js';
import { aheadOfPeers, atLeastOfFloor, FLOOR, find, OURS, print, Samples } from '../../bench/harness/report.js';

const WORK = 'put';

describe('The report of a benchmark', () => {
  function samples(speeds: Readonly<Record<string, readonly number[]>>): Samples {
    const all = new Samples([WORK], Object.keys(speeds));
    for (const [name, rates] of Object.entries(speeds)) {
      for (const rate of rates) all.add(WORK, name, figure(rate));
    }
    return all;
  }

  function figure(perSecond: number): Measured {
    return { count: perSecond, ms: 1000, cpuUs: perSecond * 10 };
  }

  const rowsOf = (all: Samples): ReturnType<Samples['rows']> => all.rows(() => ['jobs/s', 1]);

  it('compares with the floor of the same round, and takes the median', () => {
    // The machine was three times as slow in the second round, and something else ran beside us in the third.
    const all = samples({ [FLOOR]: [300, 100, 300], [OURS]: [240, 80, 150] });
    const row = find(rowsOf(all), WORK, OURS);
    expect(row?.value).to.deep.equal({ median: 150, min: 80, max: 240 });
    expect(row?.ratio).to.deep.equal({ median: 0.8, min: 0.5, max: 0.8 });
    expect(row?.cpuUs).to.equal(10);
    expect(atLeastOfFloor(rowsOf(all), WORK, 0.8)).to.include({ met: true, measured: '0.80 (0.50–0.80)' });
    expect(atLeastOfFloor(rowsOf(all), WORK, 0.81)).to.include({ met: false });
  });

  it('says of a contender that returns wrong bytes that it did, and ranks it nowhere', () => {
    const all = samples({ [FLOOR]: [300], [OURS]: [200], quick: [900], slow: [100] });
    all.disqualify(WORK, 'quick', 'returned wrong bytes');
    expect(find(rowsOf(all), WORK, 'quick')).to.deep.equal({
      work: WORK,
      contender: 'quick',
      unit: 'jobs/s',
      note: 'returned wrong bytes',
    });
    const goal = aheadOfPeers(all, WORK, ['quick', 'slow']);
    expect(goal).to.include({ met: true, measured: '2.00 × slow' });
    expect(print({ title: 'a title', rows: rowsOf(all), goals: [goal] })).to.match(/quick +returned wrong bytes\n/);
  });

  it('names the peer that comes closest, round by round, and says when one is ahead', () => {
    const all = samples({
      [FLOOR]: [300, 300, 300],
      [OURS]: [200, 200, 200],
      near: [190, 210, 220],
      far: [20, 20, 20],
    });
    expect(aheadOfPeers(all, WORK, ['far', 'near'])).to.include({ met: false, measured: '0.95 × near' });
  });

  it('compares with no floor where there is none', () => {
    const all = samples({ one: [200, 200, 200], many: [100, 120, 150] });
    expect(rowsOf(all).map(({ contender, ratio }) => [contender, ratio])).to.deep.equal([
      ['one', undefined],
      ['many', undefined],
    ]);
    expect(all.compare(WORK, 'many', 'one')?.median).to.equal(0.6);
  });

  it('claims nothing that was not measured', () => {
    const all = samples({ [FLOOR]: [300], [OURS]: [] });
    expect(find(rowsOf(all), WORK, OURS)).to.include({ note: 'not measured' });
    expect(atLeastOfFloor(rowsOf(all), WORK, 0.1)).to.include({ met: false, measured: 'not measured' });
  });
});
