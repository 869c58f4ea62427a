import { expect } from 'chai';
import { Command, CommanderError } from 'commander';
import { addPublish } from '../../src/cli/publish.js';
import { registerDriver } from '../../src/drivers/open.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import { FakeDriver } from '../support/fake-driver.js';
import { FakeOutput } from '../support/fake-output.js';

describe('haricot publish', () => {
  let driver: FakeDriver;
  let output: FakeOutput;

  beforeEach(() => {
    driver = new FakeDriver();
    output = new FakeOutput();
    registerDriver('fake-publish', async () => driver);
  });

  async function haricot(...args: string[]): Promise<void> {
    const program = new Command('haricot').option('--url <url>').option('--json').exitOverride();
    addPublish(program, output);
    for (const command of [program, ...program.commands]) {
      command.exitOverride().configureOutput({ writeErr: (text) => output.stderr.write(text) });
    }
    await program.parseAsync(['--url', 'fake-publish:', 'publish', ...args], { from: 'user' });
  }

  it('publishes the argument and prints the id', async () => {
    await haricot('mail', 'mail.send', '{"to":"a@b.example"}');
    expect(output.out).to.equal('1\n');
    expect(driver.puts.map(({ queue, options }) => [queue, options])).to.deep.equal([
      ['mail', { priority: 1024, delayMs: 0, ttrMs: 60_000 }],
    ]);
    expect(cloudEvents.decode(driver.puts[0]?.body ?? Buffer.alloc(0))).to.deep.include({
      type: 'mail.send',
      data: { to: 'a@b.example' },
      headers: {},
    });
    expect(driver.calls).to.deep.equal([['close']]);
  });

  it('publishes with every option', async () => {
    const options = ['--delay', '30s', '--priority', '0', '--ttr', '2m', '--header', 'a=b', '--header', 'X-C=d'];
    await haricot('mail', 'mail.send', '5', ...options);
    expect(driver.puts[0]?.options).to.deep.equal({ priority: 0, delayMs: 30_000, ttrMs: 120_000 });
    expect(cloudEvents.decode(driver.puts[0]?.body ?? Buffer.alloc(0)).headers).to.deep.equal({ a: 'b', 'X-C': 'd' });
  });

  it('prints a record with --json', async () => {
    await haricot('mail', 'mail.send', '5', '--json');
    expect(JSON.parse(output.out)).to.deep.equal({ queue: 'mail', type: 'mail.send', id: '1' });
  });

  it('refuses data that is not JSON, and a queue that can have no such name', async () => {
    expect((await rejection(haricot('mail', 'mail.send', 'hello'), InvalidOptionError)).message).to.match(
      /^the data is not JSON: .*; a text needs its quotes: '"text"'$/,
    );
    await rejection(haricot('mail box', 'mail.send', '5'), InvalidOptionError);
    await rejection(haricot('mail', '', '5'), InvalidOptionError);
    expect(driver.puts).to.deep.equal([]);
    expect(driver.calls).to.deep.equal([['close'], ['close'], ['close']]);
  });

  it('refuses options that cannot be meant, and missing arguments', async () => {
    for (const [args, message] of [
      [['mail'], /missing required argument 'type'/],
      [['mail', 't', '5', '--delay', 'soon'], /option '--delay <time>' argument 'soon' is invalid\. Allowed are 500ms/],
      [['mail', 't', '5', '--priority', '-1'], /'--priority <n>' argument '-1' is invalid\. Allowed is a whole number/],
      [['mail', 't', '5', '--priority', '4294967296'], /Allowed is a whole number from 0 to 4294967295\./],
      [['mail', 't', '5', '--header', 'a'], /Allowed is name=value\./],
      [['mail', 't', '5', '6'], /too many arguments/],
      [['mail', 't', '5', '--dealy', '5s'], /unknown option '--dealy'/],
    ] as const) {
      await rejection(haricot(...args), CommanderError);
      expect(output.err).to.match(message);
      output.err = '';
    }
    expect(driver.puts).to.deep.equal([]);
  });

  it('closes the engine when publishing has failed', async () => {
    driver.putError = new Error('full');
    expect(await rejection(haricot('mail', 'mail.send', '5'), Error)).to.equal(driver.putError);
    expect(driver.calls).to.deep.equal([['close']]);
    expect(output.out).to.equal('');
  });
});
