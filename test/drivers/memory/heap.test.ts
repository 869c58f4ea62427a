import { expect } from 'chai';
import fc from 'fast-check';
import { Heap, type HeapItem } from '../../../src/drivers/memory/heap.js';

interface Numbered extends HeapItem {
  readonly n: number;
}

const item = (n: number): Numbered => ({ n, heapIndex: 0 });
const sorted = (items: readonly Numbered[]): number[] => items.map(({ n }) => n).sort((a, b) => a - b);

describe('Heap', () => {
  it('has nothing at first', () => {
    const heap = new Heap<Numbered>((a, b) => a.n < b.n);
    expect([heap.size, heap.top, heap.pop(), heap.first(3)]).to.deep.equal([0, undefined, undefined, []]);
  });

  it('has the first item at hand, and shows the first few in order, whatever was put in and taken out', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 20 }) }) },
      { weight: 1, arbitrary: fc.constant('pop' as const) },
      { weight: 1, arbitrary: fc.record({ remove: fc.nat() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat({ max: 70 }), (steps, count) => {
        const heap = new Heap<Numbered>((a, b) => a.n < b.n);
        const inside: Numbered[] = [];
        const takeOut = (taken: Numbered | undefined): void => {
          if (taken !== undefined) inside.splice(inside.indexOf(taken), 1);
        };
        for (const step of steps) {
          if (step === 'pop') takeOut(heap.pop());
          else if ('push' in step) {
            inside.push(item(step.push));
            heap.push(inside.at(-1) ?? item(0));
          } else {
            const taken = inside[step.remove % inside.length];
            if (taken !== undefined) heap.remove(taken);
            takeOut(taken);
          }
          expect([heap.size, heap.top?.n]).to.deep.equal([inside.length, sorted(inside)[0]]);
        }
        expect(heap.first(count).map(({ n }) => n)).to.deep.equal(sorted(inside).slice(0, count));
        const popped: Numbered[] = [];
        for (let next = heap.pop(); next; next = heap.pop()) popped.push(next);
        expect(popped.map(({ n }) => n)).to.deep.equal(sorted(inside));
      }),
      { numRuns: 500 },
    );
  });

  it('shows the first few after a place in order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 30 })), fc.nat({ max: 40 }), fc.nat({ max: 30 }), (numbers, count, place) => {
        const heap = new Heap<Numbered>((a, b) => a.n < b.n);
        for (const n of numbers) heap.push(item(n));
        const wanted = sorted(heap.items).filter((n) => n > place);
        expect(heap.first(count, ({ n }) => n > place).map(({ n }) => n)).to.deep.equal(wanted.slice(0, count));
        expect(sorted(heap.items)).to.deep.equal(sorted(numbers.map(item)));
      }),
    );
  });
});
