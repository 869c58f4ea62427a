import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { onEngine, onNewEngine, onQueue } from '../../src/cli/engine.js';
import { CommandFailedError } from '../../src/cli/errors.js';
import { registerDriver } from '../../src/drivers/open.js';
import { checkedDriver } from '../../src/queue/checked-driver.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection, thrown } from '../support/failures.js';
import { FakeOutput } from '../support/fake-output.js';
import { type FakeEngine, fakeEngine, setVariable, useEnvironment } from './harness.js';

describe('The engine of a command', () => {
  useEnvironment({ HARICOT_URL: undefined });
  let driver: FakeEngine;
  let calls: unknown[][];
  let opened: string[];

  beforeEach(() => {
    calls = [];
    driver = fakeEngine(calls);
    opened = [];
    registerDriver('fake-engine', async (url) => {
      opened.push(url);
      return driver;
    });
  });

  it('is the one that --url names, or else HARICOT_URL', async () => {
    setVariable('HARICOT_URL', 'fake-engine:environment');
    await onEngine({ url: 'fake-engine:option' }, async () => {});
    await onEngine({}, async () => {});
    expect(opened).to.deep.equal(['fake-engine:option', 'fake-engine:environment']);
  });

  it('must be one there is', async () => {
    const { message } = await rejection(
      onEngine({ url: 'amqp:x' }, async () => {}),
      InvalidOptionError,
    );
    expect(message).to.match(/^the scheme of an engine's URL must be one of .*, got "amqp:x"$/);
  });

  it('is closed when the command is done, and when it has failed', async () => {
    expect(await onEngine({ url: 'fake-engine:' }, async (given) => given === checkedDriver(driver))).to.equal(true);
    expect(calls).to.deep.equal([['close']]);
    const failure = new Error('no');
    const failed = onEngine({ url: 'fake-engine:' }, () => Promise.reject(failure));
    expect(await rejection(failed, Error)).to.equal(failure);
    expect(calls).to.deep.equal([['close'], ['close']]);
  });

  it('is not asked for a queue that can have no such name', async () => {
    await rejection(
      onQueue({ url: 'fake-engine:' }, 'mail box', async () => {}),
      InvalidOptionError,
    );
    expect(opened).to.deep.equal([]);
  });

  it('must be one that other processes see', async () => {
    driver.capabilities = { ...driver.capabilities, shared: false };
    const { message } = await rejection(
      onEngine({ url: 'fake-engine:' }, async () => expect.fail('used')),
      InvalidOptionError,
    );
    expect(message).to.equal(
      'cannot use "fake-engine:": it keeps messages within one process, and this one ends with the command; name another engine',
    );
    expect(calls).to.deep.equal([['close']]);
  });

  describe('that is an SQLite file', () => {
    let folder: string;
    let before: string;
    let output: FakeOutput;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'haricot-engine-'));
      before = process.cwd();
      process.chdir(folder);
      output = new FakeOutput();
    });

    afterEach(async () => {
      process.chdir(before);
      await rm(folder, { recursive: true });
    });

    it('must be there for commands that look or act', async () => {
      for (const [url, path] of [
        [undefined, './haricot.db'],
        ['sqlite:jobs/a%20b.db?prefix=x-', './jobs/a b.db'],
        ['sqlite:///nowhere/haricot.db', '/nowhere/haricot.db'],
      ]) {
        const { code, message } = thrown(
          () => onEngine(url === undefined ? {} : { url }, async () => {}),
          CommandFailedError,
        );
        expect(code).to.equal('NO_DATABASE');
        expect(message).to.equal(
          `cannot find a queue database at ${path}; give --url or set HARICOT_URL; publish, work and setup make a new one`,
        );
      }
      expect(existsSync('haricot.db')).to.equal(false);
    });

    it('is used where it is there', async () => {
      await writeFile('haricot.db', '');
      expect(await onEngine({}, (sqlite) => sqlite.stats(['mail']))).to.deep.equal([null]);
    });

    it('is made by commands that put something in it, which say so where nobody has named it', async () => {
      await onNewEngine({}, output, (sqlite) => sqlite.setUp('mail'));
      expect(existsSync('haricot.db')).to.equal(true);
      expect(output.err).to.equal(
        'haricot: made a new queue database at ./haricot.db; give --url or set HARICOT_URL for another engine\n',
      );
      output.err = '';
      await onNewEngine({}, output, (sqlite) => sqlite.setUp('mail'));
      await onNewEngine({ url: 'sqlite:./other.db' }, output, (sqlite) => sqlite.setUp('mail'));
      expect(existsSync('other.db')).to.equal(true);
      await rm('haricot.db');
      await onNewEngine({ json: true }, output, async () => {});
      expect([output.out, output.err]).to.deep.equal(['', '']);
    });
  });
});
