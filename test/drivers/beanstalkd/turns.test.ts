import { expect } from 'chai';
import { Turns } from '../../../src/drivers/beanstalkd/turns.js';

describe('The turns of tubes', () => {
  function order(turns: Turns): string {
    return turns.tries.map((watched) => watched.join('+')).join(' ');
  }

  it('are always those of the one tube where there is one', () => {
    for (const name of ['fair', 'strict'] as const) {
      const turns = new Turns(['a'], name);
      turns.served('a');
      expect([turns.all, turns.tries]).to.deep.equal([['a'], [['a']]]);
    }
  });

  it('are always the same in strict order', () => {
    const turns = new Turns(['b', 'a', 'c'], 'strict');
    for (const served of ['a', 'c', 'b']) {
      expect(order(turns)).to.equal('b a c');
      turns.served(served);
    }
    expect(turns.all).to.deep.equal(['b', 'a', 'c']);
  });

  it('go on behind the tube that was served in fair order', () => {
    const turns = new Turns(['a', 'b', 'c'], 'fair');
    expect(order(turns)).to.equal('a b c');
    turns.served('a');
    expect(order(turns)).to.equal('b c a');
    // Where b was empty it is its turn again only after all the others.
    turns.served('c');
    expect(order(turns)).to.equal('a b c');
    turns.served('c');
    expect(order(turns)).to.equal('a b c');
  });
});
