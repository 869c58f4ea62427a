import { expect } from 'chai';
import { counted, describeError, printable, shorten, spoken } from '../../src/cli/text.js';

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

  it('plays no tricks on the terminal', () => {
    expect(describeError(new Error('\u001b[2Jgone', { cause: 'a\u0007' }))).to.equal('\\u001b[2Jgone (a\\u0007)');
  });
});

describe('Text of others', () => {
  it('is printed as it is, whatever its language', () => {
    for (const text of ['', 'plain text', 'Grüße, 世界 👋', '{"a":"b"}']) expect(printable(text)).to.equal(text);
  });

  it('shows control characters and those that turn the direction instead of sending them', () => {
    expect(printable('a\u0000b\u001b[31mc\u007f\u009b2J\u202ed')).to.equal(
      'a\\u0000b\\u001b[31mc\\u007f\\u009b2J\\u202ed',
    );
  });

  it('stays on one line', () => {
    expect(printable('a\nb \r\n c\u2028d')).to.equal('a b c\\u2028d');
  });

  it('is cut where it is too long, between characters', () => {
    expect(shorten('hello', 5)).to.equal('hello');
    expect(shorten('hello!', 5)).to.equal('hell…');
    expect(shorten('👋👋👋', 3)).to.equal('👋👋👋');
    expect(shorten('👋👋👋', 2)).to.equal('👋…');
    expect(shorten('👋👋', 2)).to.equal('👋👋');
  });
});

describe('In sentences', () => {
  it('one is singular', () => {
    expect([0, 1, 2].map((count) => counted(count, 'message'))).to.deep.equal([
      '0 messages',
      '1 message',
      '2 messages',
    ]);
  });

  it('a duration has its two largest units', () => {
    for (const [ms, text] of [
      [0, '0s'],
      [1, '0.1s'],
      [340, '0.3s'],
      [999, '1s'],
      [1000, '1s'],
      [59_900, '1m'],
      [90_000, '1m 30s'],
      [3_600_000, '1h'],
      [7_325_000, '2h 2m'],
      [90_061_000, '1d 1h'],
    ] as const) {
      expect(spoken(ms), String(ms)).to.equal(text);
    }
  });
});
