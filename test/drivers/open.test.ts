import { expect } from 'chai';
import { openDriver, registerDriver } from '../../src/drivers/open.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection, thrown } from '../support/failures.js';
import { FakeDriver } from '../support/fake-driver.js';

// That it opens the engines of the package is seen where they are: under mocha, tsx loads a late import a second time.
describe('openDriver', () => {
  it('refuses what is no URL of an engine, and names those it knows', async () => {
    for (const url of ['', 'mail', '127.0.0.1:11300', 'amqp://127.0.0.1', '://', undefined as unknown as string]) {
      expect((await rejection(openDriver(url), InvalidOptionError)).message).to.match(
        new RegExp(
          `^no engine for ${JSON.stringify(url)?.replaceAll(/[.*]/g, '\\$&')}: its scheme must be one of sqlite:, memory:, beanstalkd:`,
        ),
      );
    }
  });
});

describe('registerDriver', () => {
  it("makes openDriver know an engine of one's own, given the URL without its prefix", async () => {
    const driver = new FakeDriver();
    const opened: unknown[] = [];
    registerDriver('fake', async (url, options) => {
      opened.push([url, options]);
      return driver;
    });
    for (const url of ['fake://a', 'FAKE:a?prefix=x-', 'fake://a?b=c&prefix=y-&d=e%20f', 'fake:']) {
      expect(await openDriver(url)).to.equal(driver);
    }
    expect(opened).to.deep.equal([
      ['fake://a', { prefix: '' }],
      ['FAKE:a', { prefix: 'x-' }],
      ['fake://a?b=c&d=e+f', { prefix: 'y-' }],
      ['fake:', { prefix: '' }],
    ]);
    expect((await rejection(openDriver('other:'), InvalidOptionError)).message).to.match(/beanstalkd:, .*\bfake:/);
  });

  it('refuses what can be no scheme', () => {
    for (const scheme of ['', 'My', '1a', 'a:', 'a b', '+a']) {
      expect(thrown(() => registerDriver(scheme, async () => new FakeDriver()), InvalidOptionError).message).to.equal(
        `a scheme is lower-case letters, digits, + . -, got ${JSON.stringify(scheme)}`,
      );
    }
  });
});
