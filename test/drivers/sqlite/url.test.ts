import { resolve } from 'node:path';
import { expect } from 'chai';
import { parseUrl } from '../../../src/drivers/sqlite/url.js';
import { InvalidOptionError } from '../../../src/queue/errors.js';
import { thrown } from '../../support/failures.js';

describe('the URL of an SQLite file', () => {
  it('names a file by a relative or absolute path', () => {
    for (const [url, path] of [
      ['sqlite:haricot.db', resolve('haricot.db')],
      ['sqlite:./data/haricot.db', resolve('data/haricot.db')],
      ['sqlite:../haricot.db', resolve('../haricot.db')],
      ['sqlite:/var/lib/haricot.db', resolve('/var/lib/haricot.db')],
      ['sqlite:///var/lib/haricot.db', resolve('/var/lib/haricot.db')],
      ['SQLite:file.db', resolve('file.db')],
      ['sqlite:file:x.db', resolve('file:x.db')],
    ] as const) {
      expect(parseUrl(url).path, url).to.equal(path);
    }
  });

  it('has percent signs before what cannot be written as it is', () => {
    expect(parseUrl('sqlite:./what%3F%20100%25.db?synchronous=full').path).to.equal(resolve('what? 100%.db'));
    expect(thrown(() => parseUrl('sqlite:./100%.db'), InvalidOptionError).message).to.equal(
      'a percent sign in a path must be written %25, got "sqlite:./100%.db"',
    );
  });

  it('is safe against the end of the process, and waits 5 s for the lock, unless it says otherwise', () => {
    expect(parseUrl('sqlite:x.db')).to.include({ synchronous: 'normal', busyTimeoutMs: 5000 });
    expect(parseUrl('sqlite:x.db?synchronous=full&busyTimeout=1.5s')).to.include({
      synchronous: 'full',
      busyTimeoutMs: 1500,
    });
    expect(parseUrl('sqlite:x.db?synchronous=normal&busyTimeout=0')).to.include({
      synchronous: 'normal',
      busyTimeoutMs: 0,
    });
  });

  it('is refused when it names no file', () => {
    const forms = 'sqlite:./haricot.db, sqlite:/var/lib/haricot.db or sqlite:///var/lib/haricot.db';
    for (const [url, what] of [
      ['sqlite:', '"sqlite:", which does not name a file'],
      ['sqlite:?synchronous=full', '"sqlite:?synchronous=full", which does not name a file'],
      ['sqlite://', '"sqlite://", which does not name a file'],
      ['sqlite:./data/', '"sqlite:./data/", which does not name a file'],
      ['sqlite:a%00b', '"sqlite:a%00b", which does not name a file'],
      ['sqlite://haricot.db', '"sqlite://haricot.db", which names a host'],
      ['sqlite://localhost/haricot.db', '"sqlite://localhost/haricot.db", which names a host'],
      ['sqlite::memory:', '":memory:", which is no file'],
    ] as const) {
      expect(thrown(() => parseUrl(url), InvalidOptionError).message, url).to.equal(
        `a URL of SQLite must be ${forms}, got ${what}`,
      );
    }
  });

  it('is refused with an option or value that there is not', () => {
    for (const [query, message] of [
      ['wal=1', 'an option of a sqlite: URL must be synchronous, busyTimeout or prefix, got "wal"'],
      ['synchronous=off', 'synchronous must be "normal" or "full", got "off"'],
      ['synchronous=', 'synchronous must be "normal" or "full", got ""'],
    ] as const) {
      expect(thrown(() => parseUrl(`sqlite:x.db?${query}`), InvalidOptionError).message).to.equal(message);
    }
    for (const value of ['', 'soon', '-1', '30d']) {
      const error = thrown(() => parseUrl(`sqlite:x.db?busyTimeout=${value}`), InvalidOptionError);
      expect(error.message)
        .to.match(/^busyTimeout must be /)
        .and.include(`got "${value}"`);
    }
  });
});
