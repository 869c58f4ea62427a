import { expect } from 'chai';
import fc from 'fast-check';
import { isTubeName } from '../../src/protocol/arguments.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { checkQueueName } from '../../src/queue/name.js';
import { thrown } from '../support/failures.js';

function isQueueName(name: string): boolean {
  try {
    return checkQueueName(name) === name;
  } catch (error) {
    expect(error).to.be.instanceOf(InvalidOptionError);
    return false;
  }
}

describe('a queue name', () => {
  it('is allowed exactly where it is a tube name', () => {
    const legal = 'abcXYZ019-+/;.$_()';
    const nearlyLegal = fc.string({ unit: fc.constantFrom(...legal, ' ', ':', '\n', 'é', '\0'), maxLength: 8 });
    const long = fc.integer({ min: 195, max: 205 }).map((length) => 'q'.repeat(length));
    fc.assert(
      fc.property(fc.oneof(nearlyLegal, long, fc.string(), fc.string({ unit: 'binary' })), (name) => {
        expect(isQueueName(name)).to.equal(isTubeName(name));
      }),
      { numRuns: 500 },
    );
  });

  it('is allowed or refused for its first character as a tube name is', () => {
    for (let code = 0; code < 0x180; code++) {
      for (const name of [String.fromCharCode(code), `a${String.fromCharCode(code)}`]) {
        expect(isQueueName(name), JSON.stringify(name)).to.equal(isTubeName(name));
      }
    }
  });

  it('is refused with what was given and what is allowed', () => {
    expect(thrown(() => checkQueueName('-a b'), InvalidOptionError).message).to.equal(
      'a queue name must be 1 to 200 of A-Z a-z 0-9 - + / ; . $ _ ( ) and not begin with "-", got "-a b"',
    );
    for (const name of ['', 'x'.repeat(201), 'mail\n', 'mail\r\ndelete 7']) {
      thrown(() => checkQueueName(name), InvalidOptionError);
    }
  });

  it('is refused when it is no text, which JavaScript does not prevent', () => {
    for (const name of [undefined, null, 5, ['mail']]) {
      thrown(() => checkQueueName(name as unknown as string), InvalidOptionError);
    }
  });
});
