import { expect } from 'chai';
import { escapeText, maskUrl, preview, toJsonLine, truncate } from '../../src/shared/text.js';

describe('escape', () => {
  const HIDDEN = ['\u0000', '\u001b', '\u007f', '\u0085', '\u009b', '\u00ad', '\u061c', '\u200b', '\u200e', '\u2028'];
  const MORE = [
    '\u202e',
    '\u2060',
    '\u2066',
    '\u3164',
    '\ufe0f',
    '\ufeff',
    '\uffff',
    '\ud800',
    '\u{e0041}',
    '\u{e0100}',
  ];

  for (const character of [...HIDDEN, ...MORE]) {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    it(`makes U+${code} visible`, () => {
      const escaped = escapeText(`a${character}b`);
      expect(escaped).to.match(/^a\\u(\{[0-9a-f]+\}|[0-9a-f]{4})b$/);
      expect(escaped).to.include(code);
    });
  }

  it('escapes line ends and tabs as \\n, \\r and \\t', () => {
    expect(escapeText('a\r\n\tb')).to.equal('a\\r\\n\\tb');
  });

  it('does not change visible characters', () => {
    const text = 'Grüße, 日本語 العربية हिन्दी — 😀 é';
    expect(escapeText(text)).to.equal(text);
  });
});

describe('truncate', () => {
  it('cuts between characters, and says that there was more', () => {
    expect(truncate('abc', 3)).to.equal('abc');
    expect(truncate('abcd', 3)).to.equal('ab…');
    expect(truncate('😀😀😀', 2)).to.equal('😀…');
  });
});

describe('preview', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  for (const [value, shown] of [
    ['a"b\n', '"a\\"b\\n"'],
    ['\u202e', '"\\u202e"'],
    [12, '12'],
    [Number.NaN, 'NaN'],
    [12n, '12n'],
    [true, 'true'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('x'), 'Symbol(x)'],
    [() => 1, 'a function'],
    [[], 'an empty array'],
    [[1, 2], 'an array of 2'],
    [{ password: 'secret' }, 'an object'],
    [new Map(), 'a Map'],
    [new AbortController(), 'an AbortController'],
    [Object.create(null), 'an object'],
    [revoked.proxy, 'an object'],
  ] as const) {
    it(`shows ${shown}`, () => expect(preview(value)).to.equal(shown));
  }

  it('is short for a string of any length', () => {
    expect(preview('\u202e'.repeat(1_000_000)).length).to.be.at.most(62);
  });
});

describe('maskUrl', () => {
  for (const [url, masked] of [
    ['beanstalkd://host:11300', 'beanstalkd://host:11300'],
    ['beanstalkd://user:secret@host:1/x', 'beanstalkd://user:***@host:1/x'],
    ['beanstalkd://user:s@cret@host', 'beanstalkd://user:***@host'],
    ['postgres://u:sec/ret@host/db', 'postgres://u:***@host/db'],
    ['postgres://u:sec?ret@host/db', 'postgres://u:***@host/db'],
    ['postgres://u:sec#ret@host/db', 'postgres://u:***@host/db'],
    ['nats://secret@host', 'nats://***@host'],
    ['nonsense://:secret@', 'nonsense://:***@'],
    ['postgres://h/db?user=u&password=secret&x=1', 'postgres://h/db?user=u&password=***&x=1'],
    ['http://h/p@q', 'http://h/p@q'],
    ['sqlite:./a.db', 'sqlite:./a.db'],
  ] as const) {
    it(`shows ${masked}`, () => expect(maskUrl(url)).to.equal(masked));
  }

  it('is linear', () => {
    for (const hostile of ['@', ':', '/', '?password=', '://@', '&pwd']) maskUrl(`x://${hostile.repeat(100_000)}`);
  });
});

describe('toJsonLine', () => {
  it('escapes invisible characters, so that a program reads the same value', () => {
    const record = { 'a\u200b': ['\u007f\u0085\u202e\ufeff\u{e0041}', '\n"\\', 'Grüße 👋'], at: new Date(0) };
    const line = toJsonLine(record);
    expect(line).to.equal(
      '{"a\\u200b":["\\u007f\\u0085\\u202e\\ufeff\\udb40\\udc41","\\n\\"\\\\","Grüße 👋"],"at":"1970-01-01T00:00:00.000Z"}',
    );
    expect(JSON.parse(line)).to.deep.equal({ ...record, at: '1970-01-01T00:00:00.000Z' });
  });
});
