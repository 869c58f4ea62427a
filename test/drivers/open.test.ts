import { inspect } from 'node:util';
import { expect } from 'chai';
import { openMemory } from '../../src/drivers/memory/driver.js';
import { openDriver, registerDriver } from '../../src/drivers/open.js';
import { checkedDriver } from '../../src/queue/checked-driver.js';
import type { Driver } from '../../src/queue/driver.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection, thrown } from '../support/failures.js';

// That it opens the engines of the package is seen where they are: under mocha, tsx loads a late import a second time.
describe('openDriver', () => {
  it('refuses what is no URL of an engine, and names those it knows', async () => {
    for (const url of ['', 'mail', '127.0.0.1:11300', 'amqp://127.0.0.1', '://']) {
      const { message } = await rejection(openDriver(url), InvalidOptionError);
      expect(message).to.match(/^the scheme of an engine's URL must be one of sqlite:, memory:, postgres:, .*, got /);
      expect(message.endsWith(`, got ${JSON.stringify(url)}`)).to.equal(true);
    }
    for (const [url, shown] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [new URL('memory:'), 'an URL'],
    ]) {
      expect((await rejection(openDriver(url as string), InvalidOptionError)).message).to.equal(
        `the URL of an engine must be a string, got ${shown}`,
      );
    }
  });

  it('shows no password of a URL that it refuses, whatever its scheme and form', async () => {
    for (const url of [
      'mysql://user:s3cret@host/db',
      'postgres://user:s3cret@host/db?size=3',
      'postgres://user:s3cret/x@host/db',
      'postgres://user:s3cret@host:99999/db',
      'postgres://user:p@s3cret@host,other:x/db',
      'amqp://user:s3cret@host',
      'amqp://user:p@s3cret@host',
      'amqp://user:s3cret/p?x#y@host',
      'amqp://:s3cret@host',
      'amqp://host/?password=s3cret',
      '//user:s3cret@host',
      'beanstalkd://user:s3cret@host',
      'beanstalkd://user:p@s3cret@host',
      'beanstalkd://user:s3cret@host:99999',
      'beanstalkd+unix://user:s3cret@path',
      'beanstalkd://host?password=s3cret',
      'memory://user:s3cret@name',
      'sqlite:./a.db?password=s3cret',
    ]) {
      expect(inspect(await rejection(openDriver(url), Error)), url).not.to.include('s3cret');
    }
  });

  it('refuses an option that the engine does not have, and names those it has', async () => {
    for (const [url, known] of [
      ['memory:?size=3', '"prefix"'],
      ['memory:a?prefix=b&size=3', '"prefix"'],
      ['beanstalkd://127.0.0.1?size=3', '"prefix"'],
      ['sqlite:./nowhere.db?size=3', '"synchronous", "busyTimeout" or "prefix"'],
    ] as const) {
      expect((await rejection(openDriver(url), InvalidOptionError)).message).to.equal(
        `an option of a ${url.split(':')[0]}: URL must be ${known}, got "size"`,
      );
    }
  });

  it('refuses a pool where the engine has no use for one, and options that there are not', async () => {
    for (const [options, why] of [
      [{ pool: {} }, 'pool is for postgres: alone, got one for memory:'],
      [{ size: 3 }, 'an option of openDriver must be pool, got "size"'],
      [3, 'the options of openDriver must be an object, got 3'],
    ] as const) {
      expect((await rejection(openDriver('memory:', options as never), InvalidOptionError)).message).to.equal(why);
    }
  });

  it('refuses a prefix that is cut, doubled, or could stand before no queue on every engine', async () => {
    for (const scheme of ['memory:', 'sqlite:./nowhere.db', 'beanstalkd://127.0.0.1']) {
      for (const prefix of ['a?b', '-a', 'a b', 'a%20b', 'a#b', 'ä', 'x'.repeat(200)]) {
        const error = await rejection(openDriver(`${scheme}?prefix=${prefix}`), InvalidOptionError);
        expect(error.message).to.match(/^a prefix must be /);
      }
      const twice = await rejection(openDriver(`${scheme}?prefix=a&prefix=b`), InvalidOptionError);
      expect(twice.message).to.equal('prefix must be given once, got 2 times');
    }
  });
});

describe('registerDriver', () => {
  it("makes openDriver know an engine of one's own, given the URL without its prefix", async () => {
    const driver = openMemory('memory:', { prefix: '' });
    const opened: unknown[] = [];
    registerDriver('fake', async (url, options) => {
      opened.push([url, options]);
      return driver;
    });
    for (const url of ['fake://a', 'FAKE:a?prefix=x-', 'fake://a?b=c&prefix=y+&d=e%20f', 'fake:', 'fake:?b=c+d']) {
      expect(await openDriver(url)).to.equal(checkedDriver(driver));
    }
    expect(opened).to.deep.equal([
      ['fake://a', { prefix: '' }],
      ['FAKE:a', { prefix: 'x-' }],
      ['fake://a?b=c&d=e+f', { prefix: 'y+' }],
      ['fake:', { prefix: '' }],
      ['fake:?b=c+d', { prefix: '' }],
    ]);
    expect((await rejection(openDriver('other:'), InvalidOptionError)).message).to.match(/beanstalkd:, .*\bfake:/);
  });

  it('refuses what is no driver', async () => {
    registerDriver('broken', async () => ({}) as Driver);
    expect((await rejection(openDriver('broken:'), InvalidOptionError)).message).to.match(/^driver must be a driver, /);
  });

  it('refuses what can be no scheme', () => {
    for (const scheme of ['', 'My', '1a', 'a:', 'a b', '+a']) {
      expect(
        thrown(() => registerDriver(scheme, async () => openMemory('memory:', { prefix: '' })), InvalidOptionError)
          .message,
      ).to.equal(`a scheme must be lower-case letters, digits, + . -, got ${JSON.stringify(scheme)}`);
    }
  });
});
