import { expect } from 'chai';
import { note, print } from '../../src/cli/output.js';
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

describe('A note', () => {
  it('is on standard error, and for people only', () => {
    const output = new FakeOutput();
    note(output, false, 'by the way');
    note(output, true, 'not for programs');
    expect([output.out, output.err]).to.deep.equal(['', 'haricot: by the way\n']);
  });
});
