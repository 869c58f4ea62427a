import { expect } from 'chai';
import { claimFromEach } from '../../../src/drivers/sql/turns.js';
import { row } from './fake-store.js';

describe('Claims from several queues', () => {
  const from = (there: Readonly<Record<number, number>>, inTurn: boolean, limit: number, failsAt = 0) => {
    const left = new Map(Object.entries(there).map(([queue, count]) => [Number(queue), count]));
    return claimFromEach({ queues: [...left.keys()], inTurn, limit }, async (queue, wanted) => {
      if (queue === failsAt) throw new Error('gone');
      const count = Math.min(wanted, left.get(queue) ?? 0);
      left.set(queue, (left.get(queue) ?? 0) - count);
      return Array.from({ length: count }, () => row('1', queue));
    });
  };
  const counts = async (claiming: ReturnType<typeof from>): Promise<Record<number, number>> => {
    const found: Record<number, number> = {};
    for (const { queue } of await claiming) found[queue] = (found[queue] ?? 0) + 1;
    return found;
  };

  it('take from each its share, and what one has not from the others', async () => {
    expect(await counts(from({ 1: 100, 2: 100, 3: 100 }, true, 30))).to.deep.equal({ 1: 10, 2: 10, 3: 10 });
    expect(await counts(from({ 1: 100, 2: 2, 3: 0 }, true, 30))).to.deep.equal({ 1: 28, 2: 2 });
    expect(await counts(from({ 1: 1, 2: 1 }, true, 30))).to.deep.equal({ 1: 1, 2: 1 });
  });

  it('take from the first that has any, in strict order', async () => {
    expect(await counts(from({ 1: 2, 2: 100, 3: 100 }, false, 30))).to.deep.equal({ 1: 2, 2: 28 });
  });

  it('return what was taken before the engine failed', async () => {
    expect(await counts(from({ 1: 5, 2: 5 }, true, 10, 2))).to.deep.equal({ 1: 5 });
    expect(await from({ 1: 5 }, true, 10, 1).catch(({ message }: Error) => message)).to.equal('gone');
  });
});
