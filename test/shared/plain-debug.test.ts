import { expect } from 'chai';
import sinon from 'sinon';
import { plainDebug } from '../../src/shared/plain-debug.js';

describe('the debug output without the package', () => {
  let before: string | undefined;

  beforeEach(() => {
    before = process.env['DEBUG'];
  });

  afterEach(() => {
    sinon.restore();
    if (before === undefined) delete process.env['DEBUG'];
    else process.env['DEBUG'] = before;
  });

  for (const [DEBUG, enabled] of [
    ['', false],
    ['*', true],
    ['haricot:*', true],
    ['haricot:one', true],
    ['other, haricot:one', true],
    ['other haricot:*ne', true],
    ['h*t:*n*', true],
    ['haricot', false],
    ['haricot:one*one', false],
    ['haricot:x*', false],
    ['*x', false],
    ['haricot:*,-haricot:one', false],
    ['-haricot:two,haricot:*', true],
  ] as const) {
    it(`is ${enabled ? 'on' : 'off'} for haricot:one with DEBUG=${JSON.stringify(DEBUG)}`, () => {
      process.env['DEBUG'] = DEBUG;
      expect(plainDebug('haricot:one').enabled).to.equal(enabled);
    });
  }

  it('writes a line with the time, the namespace and the values', () => {
    process.env['DEBUG'] = 'haricot:*';
    const write = sinon.stub(process.stderr, 'write');
    plainDebug('haricot:one')('%s and %d and %o', 'text', 1, { a: { b: [1] } });
    const [[line]] = write.args as [[string]];
    sinon.restore();
    expect(line).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z haricot:one text and 1 and \{ a: \{ b: \[ 1 \] \} \}\n$/);
  });
});
