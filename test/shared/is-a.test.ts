import { expect } from 'chai';
import { EngineError, HaricotError, LeaseLostError } from '../../src/queue/errors.js';
import { nameErrors } from '../../src/shared/error-names.js';
import { isA } from '../../src/shared/is-a.js';

/** The same classes in another copy of the package. */
class OtherHaricotError extends Error {}
class OtherEngineError extends OtherHaricotError {}
class OtherError extends Error {}
nameErrors({ HaricotError: OtherHaricotError, EngineError: OtherEngineError });

describe('isA', () => {
  it('knows an error by its class, and by the class of that', () => {
    const error = new EngineError('why');
    expect([isA(EngineError, error), isA(HaricotError, error), isA(Error, error)]).to.deep.equal([true, true, true]);
    expect(isA(LeaseLostError, error)).to.equal(false);
  });

  it('knows an error of another copy of the package, and of a class that somebody derived from it', () => {
    class Derived extends OtherEngineError {}
    for (const error of [new OtherEngineError('why'), new Derived('why')]) {
      expect([isA(EngineError, error), isA(HaricotError, error)]).to.deep.equal([true, true]);
      expect(isA(LeaseLostError, error)).to.equal(false);
    }
  });

  it('takes nothing else for one', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [undefined, null, 'EngineError', { name: 'EngineError' }, new OtherError('why'), proxy]) {
      expect(isA(EngineError, value)).to.equal(false);
    }
    expect(isA(OtherError, new EngineError('why'))).to.equal(false);
  });
});
