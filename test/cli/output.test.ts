import { expect } from 'chai';
import { describeError, print } from '../../src/cli/output.js';
import { FakeOutput } from '../support/fake-output.js';

describe('print', () => {
  it('writes one line: the text, or the record as JSON', () => {
    const output = new FakeOutput();
    print(output, false, 'a text', { a: 1 });
    print(output, true, 'a text', { a: 'line\nbreak' });
    expect(output.out).to.equal('a text\n{"a":"line\\nbreak"}\n');
    expect(output.err).to.equal('');
  });
});

describe('describeError', () => {
  it('says what went wrong', () => {
    expect(describeError(new Error('no'))).to.equal('no');
  });

  it('says why, as far as it is known', () => {
    const cause = new Error('refused', { cause: new Error('no route') });
    expect(describeError(new Error('could not connect', { cause }))).to.equal('could not connect (refused (no route))');
    expect(describeError(new Error('could not connect', { cause: 'ECONNREFUSED' }))).to.equal(
      'could not connect (ECONNREFUSED)',
    );
  });

  it('does not repeat a cause that is in the message already', () => {
    expect(describeError(new Error('could not connect: refused', { cause: new Error('refused') }))).to.equal(
      'could not connect: refused',
    );
  });

  it('takes what was thrown, whatever it is', () => {
    expect(['text', undefined, null, 5, {}].map(describeError)).to.deep.equal([
      'text',
      'undefined',
      'null',
      '5',
      '[object Object]',
    ]);
  });

  it('stays on one line', () => {
    const error = new Error('first\n  second\r\n\r\nthird', { cause: 'a\nb' });
    expect(describeError(error)).to.equal('first second third (a b)');
    expect(describeError('a\nb')).to.equal('a b');
  });
});
