import { expect } from 'chai';
import { type Alarm, Alarms } from '../../src/worker/alarms.js';
import { useFakeClock } from '../support/clock.js';

describe('Alarms', () => {
  const clock = useFakeClock();
  let alarms: Alarms;
  let rung: string[];

  beforeEach(() => {
    alarms = new Alarms();
    rung = [];
  });

  function alarm(name: string, inMs: number, then: () => void = () => {}): Alarm {
    const ring = (): void => {
      rung.push(name);
      then();
    };
    return { at: performance.now() + inMs, ring };
  }

  it('ring when it is time, whatever order they were set in, and once', async () => {
    for (const [name, inMs] of [
      ['c', 300],
      ['a', 100],
      ['b', 200],
    ] as const)
      alarms.set(alarm(name, inMs));
    await clock.tickAsync(99);
    expect(rung).to.deep.equal([]);
    await clock.tickAsync(1);
    expect(rung).to.deep.equal(['a']);
    await clock.tickAsync(1000);
    expect(rung).to.deep.equal(['a', 'b', 'c']);
    expect(clock.pending).to.equal(0);
  });

  it('ring all that are due, at once where their time is over', async () => {
    for (const [name, inMs] of [
      ['a', 100],
      ['past', -5],
      ['b', 100],
    ] as const)
      alarms.set(alarm(name, inMs));
    await clock.tickAsync(1);
    expect(rung).to.deep.equal(['past']);
    await clock.tickAsync(99);
    expect(rung.slice(1).sort()).to.deep.equal(['a', 'b']);
  });

  it('do not ring when they are taken back, and the others still do', async () => {
    const [a, b, c] = [alarm('a', 100), alarm('b', 100), alarm('c', 200)];
    for (const each of [a, b, c]) alarms.set(each);
    expect(alarms.cancel(a)).to.equal(true);
    expect(alarms.cancel(a)).to.equal(false);
    await clock.tickAsync(200);
    expect(rung).to.deep.equal(['b', 'c']);
    expect(alarms.cancel(b)).to.equal(false);
  });

  it('do not ring when one that rings before them takes them back', async () => {
    const second = alarm('second', 100);
    alarms.set(alarm('first', 100, () => alarms.cancel(second)));
    alarms.set(second);
    await clock.tickAsync(1000);
    expect(rung).to.deep.equal(['first']);
  });

  it('can be set anew as they ring', async () => {
    alarms.set(alarm('a', 100, () => alarms.set(alarm('b', 100))));
    await clock.tickAsync(199);
    expect(rung).to.deep.equal(['a']);
    await clock.tickAsync(1);
    expect(rung).to.deep.equal(['a', 'b']);
  });

  it('have one timer between them, and none once all that were taken back would have rung', async () => {
    for (let n = 0; n < 1000; n++) {
      const each = alarm('', 100 + n);
      alarms.set(each);
      alarms.cancel(each);
    }
    expect(clock.pending).to.equal(1);
    await clock.tickAsync(100);
    expect([clock.pending, rung]).to.deep.equal([0, []]);
  });

  it('are all taken back by stop', async () => {
    alarms.set(alarm('a', 100));
    alarms.stop();
    expect(clock.pending).to.equal(0);
    alarms.set(alarm('b', 200));
    await clock.tickAsync(1000);
    expect(rung).to.deep.equal(['b']);
  });
});
