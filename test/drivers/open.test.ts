import { expect } from 'chai';
import { openDriver, registerDriver } from '../../src/drivers/open.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection, thrown } from '../support/failures.js';
import { FakeDriver } from '../support/fake-driver.js';

describe('openDriver', () => {
  it('connects to nothing yet', async () => {
    const driver = await openDriver('beanstalkd://127.0.0.1:1');
    expect(driver.capabilities).to.deep.equal({ peekMany: false, buryReason: false });
    await driver.close();
  });

  it('does not mind how the scheme is written', async () => {
    await (await openDriver('BEANSTALKD://127.0.0.1:1')).close();
  });

  it('refuses what is no URL of an engine, and names those it knows', async () => {
    for (const url of ['', 'mail', '127.0.0.1:11300', 'amqp://127.0.0.1', '://', undefined as unknown as string]) {
      expect((await rejection(openDriver(url), InvalidOptionError)).message).to.match(
        new RegExp(
          `^no engine for ${JSON.stringify(url)?.replaceAll(/[.*]/g, '\\$&')}: its scheme must be one of beanstalkd:`,
        ),
      );
    }
  });

  // By code: what a dynamic import loads may be another copy of the class under a test runner.
  it('refuses an address that the engine does not know', async () => {
    for (const address of ['', 'a:b', 'a:0', 'a/b', 'a?ttl=5']) {
      const error = await rejection(openDriver(`beanstalkd://${address}`), Error);
      expect(error, address).to.include({ code: 'INVALID_ARGUMENT' });
    }
  });

  it('refuses a prefix with which no queue would have a name', async () => {
    for (const prefix of ['-a', 'a b', 'ä', 'x'.repeat(200)]) {
      const error = await rejection(openDriver(`beanstalkd://127.0.0.1:1?prefix=${encodeURIComponent(prefix)}`), Error);
      expect(error).to.include({ code: 'INVALID_OPTION' });
      expect(error.message).to.match(/^a prefix is less than 200 of /);
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
    expect((await rejection(openDriver('other:'), InvalidOptionError)).message).to.match(/beanstalkd:, fake:$/);
  });

  it('refuses what can be no scheme', () => {
    for (const scheme of ['', 'My', '1a', 'a:', 'a b', '+a']) {
      expect(thrown(() => registerDriver(scheme, async () => new FakeDriver()), InvalidOptionError).message).to.equal(
        `a scheme is lower-case letters, digits, + . -, got ${JSON.stringify(scheme)}`,
      );
    }
  });
});
