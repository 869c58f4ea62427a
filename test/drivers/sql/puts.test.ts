import { expect } from 'chai';
import { Puts } from '../../../src/drivers/sql/puts.js';
import type { NewRow } from '../../../src/drivers/sql/store.js';
import { FakeStore } from './fake-store.js';

describe('Puts of an SQL engine', () => {
  const rows = (...bodies: string[]): NewRow[] =>
    bodies.map((body) => ({ queue: 1, priority: 1, delayMs: 0, ttrMs: 1000, body: Buffer.from(body) }));

  function puts(fails: (bodies: readonly string[]) => boolean = () => false): { puts: Puts; statements: string[][] } {
    const statements: string[][] = [];
    const { asStore } = new FakeStore({
      put: async (put) => {
        const bodies = put.map(({ body }) => body.toString());
        statements.push(bodies);
        if (fails(bodies)) throw new Error('enough');
        return bodies.map((body) => `id of ${body}`);
      },
    });
    return { puts: new Puts(asStore), statements };
  }

  it('share a statement with what else is put in one tick, and each gets its own ids', async () => {
    const { puts: all, statements } = puts();
    const stored = await Promise.all([all.add(rows('a')), all.add(rows('b', 'c'))]);
    expect(stored).to.deep.equal([['id of a'], ['id of b', 'id of c']]);
    expect(statements).to.deep.equal([['a', 'b', 'c']]);
  });

  it('are cut by rows and bytes, but never within a call', async () => {
    const { puts: all, statements } = puts();
    await Promise.all(
      [rows('a', 'b'), rows('c', 'd'), rows('e'.repeat(99)), rows('ff'), rows('g', 'h', 'i', 'j')].map((list) =>
        all.add(list),
      ),
    );
    expect(statements.map((bodies) => bodies.map((body) => body[0]).join(''))).to.deep.equal([
      'ab',
      'cd',
      'e',
      'f',
      'ghij',
    ]);
  });

  it('fail together, and those after them are stored', async () => {
    const { puts: all } = puts((bodies) => bodies.includes('b'));
    const failing = Promise.allSettled([all.add(rows('a', 'b')), all.add(rows('c'))]);
    expect((await failing).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    expect(await all.add(rows('d'))).to.deep.equal(['id of d']);
  });
});
