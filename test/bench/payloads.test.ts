import { expect } from 'chai';
import { Payloads } from '../../bench/harness/payloads.js';

describe('The payloads of a benchmark', () => {
  for (const size of [0, 100, 4096]) {
    describe(`of ${size} bytes`, () => {
      /** 100 jobs come back, in another order; `change` is what a client did to them. */
      function verdict(change: (bodies: Buffer[]) => Buffer[]): boolean {
        const payloads = new Payloads(size);
        const bodies = Array.from({ length: 100 }, (_, index) => Buffer.from(payloads.body(index))).reverse();
        for (const body of change(bodies)) payloads.see(body);
        return payloads.verdict(100);
      }

      it('are intact in whatever order they come', () => {
        expect(verdict((bodies) => bodies)).to.equal(true);
      });

      it('are not when one is missing, or one comes twice', () => {
        expect(verdict((bodies) => bodies.slice(1))).to.equal(false);
        expect(verdict((bodies) => [...bodies, ...bodies.slice(0, 1)])).to.equal(false);
      });

      if (size > 0) {
        it("are not when a byte is another, or bodies are taken for another's", () => {
          const changed = (bodies: Buffer[]): Buffer[] => {
            bodies[7]?.set([1], size - 1);
            return bodies;
          };
          expect(verdict(changed)).to.equal(false);
          expect(verdict(([first, , ...others]) => [first, first, ...others] as Buffer[])).to.equal(false);
        });
      }

      it('are forgotten with the verdict', () => {
        const payloads = new Payloads(size);
        payloads.see(payloads.body(0));
        expect([payloads.verdict(1), payloads.verdict(1)]).to.deep.equal([true, false]);
      });
    });
  }
});
