import { expect } from 'chai';
import { note, print } from '../../../src/cli/output/output.js';
import { FakeOutput } from '../../support/fake-output.js';

describe('print', () => {
  it('writes one line: the text, or the record as JSON', () => {
    const output = new FakeOutput();
    print(output, false, 'a text', { a: 1 });
    print(output, true, 'a text', { a: 'line\nbreak' });
    expect(output.out).to.equal('a text\n{"a":"line\\nbreak"}\n');
    expect(output.err).to.equal('');
  });

  it('escapes what does not show, as JSON does in a record', () => {
    const output = new FakeOutput();
    const hidden = String.fromCodePoint(0x1b, 0x7f, 0x9b, 0xad, 0x61c, 0x200b, 0x202e, 0x2028, 0xfeff, 0xe0041);
    print(output, false, hidden, {});
    print(output, true, '', { [hidden]: [hidden] });
    expect(output.out).to.match(/^[ -~\n]+$/);
    expect(output.lines[0]).to.contain('\\u001b\\u007f').and.contain('\\u{e0041}');
    expect(JSON.parse(output.lines[1] ?? '')).to.deep.equal({ [hidden]: [hidden] });
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
