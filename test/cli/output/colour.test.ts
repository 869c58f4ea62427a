import { expect } from 'chai';
import { painter } from '../../../src/cli/output/colour.js';

const TERMINAL = { isTTY: true, write: () => {} };
const PIPE = { write: () => {} };

describe('Colours', () => {
  for (const [what, sink, env, coloured] of [
    ['are used on a terminal', TERMINAL, {}, true],
    ['are not used elsewhere', PIPE, {}, false],
    ['are not used where NO_COLOR forbids them', TERMINAL, { NO_COLOR: '1' }, false],
    ['are used where NO_COLOR is empty', TERMINAL, { NO_COLOR: '' }, true],
    ['are not used on a terminal that knows none', TERMINAL, { TERM: 'dumb' }, false],
    ['are used where FORCE_COLOR asks for them', PIPE, { FORCE_COLOR: '1' }, true],
    ['are used where FORCE_COLOR is empty', PIPE, { FORCE_COLOR: '' }, true],
    ['are used where FORCE_COLOR and NO_COLOR disagree', PIPE, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    ['are not used where FORCE_COLOR is 0', TERMINAL, { FORCE_COLOR: '0' }, false],
    ['are not used where FORCE_COLOR is false', TERMINAL, { FORCE_COLOR: 'false' }, false],
  ] as const) {
    it(what, () => {
      expect(painter(sink, env)('red', 'text')).to.equal(coloured ? '\u001b[31mtext\u001b[39m' : 'text');
    });
  }

  it('follow the environment of the process', () => {
    const { FORCE_COLOR: before } = process.env;
    try {
      process.env['FORCE_COLOR'] = '1';
      expect(painter(PIPE)('bold', 'text')).to.equal('\u001b[1mtext\u001b[22m');
    } finally {
      if (before === undefined) delete process.env['FORCE_COLOR'];
      else process.env['FORCE_COLOR'] = before;
    }
  });
});
