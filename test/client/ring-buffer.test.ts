import { expect } from 'chai';
import fc from 'fast-check';
import sinon from 'sinon';
import { RingBuffer } from '../../src/client/ring-buffer.js';
import { collectGarbage } from '../support/garbage.js';

/** How many rings are allocated while `work` runs. */
function ringsMade(work: () => void): number {
  const fill = sinon.spy(Array.prototype, 'fill');
  try {
    work();
    return fill.callCount;
  } finally {
    sinon.restore();
  }
}

describe('RingBuffer', () => {
  it('is empty at first', () => {
    const fifo = new RingBuffer<number>();
    expect(fifo.size).to.equal(0);
    expect(fifo.peek()).to.equal(undefined);
    expect(fifo.shift()).to.equal(undefined);
    expect(fifo.size).to.equal(0);
  });

  it('gives back in order what it takes, however pushes and shifts alternate', () => {
    // Sometimes more than a thousand, so that the ring may shrink.
    const count = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 40 }), fc.nat({ max: 3000 }));
    const step = fc.record({ pushes: count, shifts: count });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const fifo = new RingBuffer<number>();
        const model: number[] = [];
        let next = 0;
        for (const { pushes, shifts } of steps) {
          for (let i = 0; i < pushes; i++) {
            fifo.push(next);
            model.push(next++);
          }
          expect(fifo.peek()).to.equal(model[0]);
          const taken = Array.from({ length: shifts }, () => fifo.shift());
          expect(taken).to.deep.equal(Array.from({ length: shifts }, () => model.shift()));
          expect(fifo.size).to.equal(model.length);
        }
        expect(Array.from({ length: fifo.size }, () => fifo.shift())).to.deep.equal(model);
      }),
      { numRuns: 500 },
    );
  });

  it('holds 100,000', () => {
    const fifo = new RingBuffer<number>();
    for (let i = 0; i < 100_000; i++) fifo.push(i);
    for (let i = 0; i < 100_000; i++) if (fifo.shift() !== i) expect.fail(`out of order at ${i}`);
    expect(fifo.size).to.equal(0);
  });

  it('gives back the memory of a burst', async () => {
    const fifo = new RingBuffer<number>();
    const burst = 1_000_000;
    await collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < burst; i++) fifo.push(i);
    // All but one, because a connection in steady use seldom has no pending command.
    for (let i = 1; i < burst; i++) fifo.shift();
    await collectGarbage();
    expect(process.memoryUsage().heapUsed - before).to.be.below(burst);
    expect(fifo.shift()).to.equal(burst - 1);
  });

  it('makes no new ring for each of many bursts of a thousand', () => {
    const fifo = new RingBuffer<number>();
    const burst = (size: number): void => {
      for (let i = 0; i < size; i++) fifo.push(i);
      while (fifo.size > 0) fifo.shift();
    };
    burst(100_000);
    const rings = ringsMade(() => {
      for (let round = 0; round < 100; round++) burst(1000);
    });
    expect(rings).to.equal(0);
  });

  it('makes no new ring for each item, however many are there when one comes and one goes', () => {
    const fifo = new RingBuffer<number>();
    const rings = ringsMade(() => {
      for (let i = 0; i < 5000; i++) {
        fifo.push(i);
        for (let step = 0; step < 10; step++) {
          fifo.push(step);
          fifo.shift();
        }
      }
      while (fifo.size > 0) {
        for (let step = 0; step < 10; step++) {
          fifo.shift();
          fifo.push(step);
        }
        fifo.shift();
      }
    });
    expect(rings).to.be.below(20);
  });
});
