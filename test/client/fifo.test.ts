import { expect } from 'chai';
import fc from 'fast-check';
import { Fifo } from '../../src/client/fifo.js';

describe('Fifo', () => {
  it('is empty at first', () => {
    const fifo = new Fifo<number>();
    expect(fifo.size).to.equal(0);
    expect(fifo.peek()).to.equal(undefined);
    expect(fifo.shift()).to.equal(undefined);
    expect(fifo.size).to.equal(0);
  });

  it('gives back in order what it takes, however pushes and shifts alternate', () => {
    const step = fc.record({ pushes: fc.nat({ max: 40 }), shifts: fc.nat({ max: 40 }) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const fifo = new Fifo<number>();
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
      { numRuns: 1000 },
    );
  });

  it('holds 100,000', () => {
    const fifo = new Fifo<number>();
    for (let i = 0; i < 100_000; i++) fifo.push(i);
    for (let i = 0; i < 100_000; i++) if (fifo.shift() !== i) expect.fail(`out of order at ${i}`);
    expect(fifo.size).to.equal(0);
  });
});
