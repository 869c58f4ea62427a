import { Readable } from 'node:stream';
import { expect } from 'chai';
import { CommanderError } from 'commander';
import { definePublish } from '../../src/cli/publish.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import type { FakeDriver } from '../support/fake-driver.js';
import type { FakeOutput } from '../support/fake-output.js';
import { useCommand } from './harness.js';

describe('haricot publish', () => {
  let input: Readable & { isTTY?: boolean };
  const harness = useCommand((command, output) => definePublish(command, output, input));
  let driver: FakeDriver;
  let output: FakeOutput;
  let haricot: (...args: string[]) => Promise<void>;

  beforeEach(() => {
    ({ driver, output } = harness());
    haricot = (...args) => harness().run(...args);
    input = Readable.from([]);
  });

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
      /^the data must be JSON, got something else: .*; a string needs its quotes: '"text"'$/,
    );
    await rejection(haricot('mail box', 'mail.send', '5'), InvalidOptionError);
    await rejection(haricot('mail', '', '5'), InvalidOptionError);
    expect(driver.puts).to.deep.equal([]);
  });

  it('publishes what is on standard input where there is no argument', async () => {
    input = Readable.from(['{ "to":\n', '"a@b.example" }\n']);
    await haricot('mail', 'mail.send');
    expect(cloudEvents.decode(driver.puts[0]?.body ?? Buffer.alloc(0)).data).to.deep.equal({ to: 'a@b.example' });
  });

  it('says that data is missing instead of waiting for somebody to type it', async () => {
    Object.assign(input, { isTTY: true });
    expect((await rejection(haricot('mail', 'mail.send'), InvalidOptionError)).message).to.match(
      /^the data must be given as the last argument, such as .*, or on standard input, got none$/,
    );
    expect(driver.calls).to.deep.equal([]);
  });

  it('says that standard input is empty', async () => {
    expect((await rejection(haricot('mail', 'mail.send'), InvalidOptionError)).message).to.equal(
      'the data must be JSON, got nothing',
    );
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
      expect((await rejection(haricot(...args), CommanderError)).message).to.match(message);
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
