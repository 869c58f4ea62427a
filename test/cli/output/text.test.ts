import { expect } from 'chai';
import {
  describeError,
  formatDate,
  formatDuration,
  formatTime,
  oneLine,
  pluralize,
} from '../../../src/cli/output/text.js';

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
    expect(['text', undefined, null, 5, {}].map(describeError)).to.deep.equal(['text', 'undefined', 'null', '5', '{}']);
  });

  it('has no credentials of a URL in it', () => {
    const error = new Error('no answer from amqp://me:hunter2@host:1/a', { cause: 'redis://:hunter2@host' });
    expect(describeError(error)).to.equal('no answer from amqp://me:***@host:1/a (redis://:***@host)');
  });

  it('cannot fail, whatever was thrown', () => {
    const hostile = new Proxy(new Error('no'), {
      get() {
        throw new Error('never');
      },
    });
    const own = new Error('itself');
    own.cause = own;
    for (const error of [hostile, own, Object.create(null), Symbol('a'), 1n])
      expect(describeError(error)).to.be.a('string');
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
    for (const text of ['', 'plain text', 'Grüße, 世界 👋', '{"a":"b"}']) expect(oneLine(text)).to.equal(text);
  });

  it('shows control characters and those that turn the direction instead of sending them', () => {
    expect(oneLine('a\u0000b\u001b[31mc\u007f\u009b2J\u202ed')).to.equal(
      'a\\u0000b\\u001b[31mc\\u007f\\u009b2J\\u202ed',
    );
  });

  it('stays on one line', () => {
    expect(oneLine('a\nb \r\n c\u2028d')).to.equal('a b c\\u2028d');
  });

  it('is cut where it is too long, and looked at no further', () => {
    expect(oneLine('hello', 5)).to.equal('hello');
    expect(oneLine('hello!', 5)).to.equal('hell…');
    expect(oneLine('👋👋👋', 2)).to.equal('👋…');
    expect(oneLine('x'.repeat(5000))).to.have.length(1000);
  });

  for (const [what, text] of [
    ['blanks', `x${' '.repeat(100_000)}y`],
    ['tabs', `x${'\t'.repeat(100_000)}y`],
    ['line ends', `x${'\r'.repeat(100_000)}y`],
    ['pairs of blanks and line ends', `x${' \n'.repeat(50_000)}y`],
    ['control characters', '\u001b'.repeat(100_000)],
    ['credentials that do not end', `${'//'.repeat(50_000)}u:p`],
    ['credentials of one character', '//a'.repeat(33_000)],
  ] as const) {
    it(`costs no more where it is 100,000 ${what}`, () => {
      // Of the processor, not of the clock: others may use it meanwhile.
      const began = process.cpuUsage();
      for (const describe of [oneLine, describeError, (one: string) => oneLine(one, Number.MAX_SAFE_INTEGER)])
        describe(text);
      expect(process.cpuUsage(began).user / 1000).to.be.below(1000);
    });
  }

  it('shows every character that does not show, or that changes how others do', () => {
    for (const code of [0x7f, 0x85, 0x9b, 0xad, 0x61c, 0x200b, 0x200e, 0x202e, 0x2028, 0x2066, 0xfeff, 0xe0041]) {
      expect(oneLine(`a${String.fromCodePoint(code)}b`), code.toString(16)).to.match(/^a\\u[0-9a-f{}]+b$/);
    }
  });
});

describe('In sentences', () => {
  it('one is singular', () => {
    expect([0, 1, 2].map((count) => pluralize(count, 'message'))).to.deep.equal([
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
      expect(formatDuration(ms), String(ms)).to.equal(text);
    }
  });
});

describe('A time', () => {
  const time = new Date('2026-01-31T02:03:04.567Z');

  it('says its zone', () => {
    expect([formatTime(time), formatDate(time)]).to.deep.equal(['02:03:04Z', '2026-01-31 02:03:04Z']);
  });
});
