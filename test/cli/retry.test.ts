import { expect } from 'chai';
import { CommanderError } from 'commander';
import { CommandFailedError, UsageError } from '../../src/cli/errors.js';
import { defineRetry } from '../../src/cli/retry.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { EncodeError, InvalidOptionError } from '../../src/queue/errors.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { CommandHarness, count, terminal, useCommand } from './harness.js';

/** Buries so many messages. @returns their ids */
async function bury(harness: CommandHarness, amount: number, type = 'mail.send'): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < amount; n++) ids.push(await harness.queue().buried(type, n));
  return ids;
}

describe('haricot retry', () => {
  const clock = useFakeClock();
  const harness = useCommand(defineRetry);

  it('makes the messages ready that are named', async () => {
    const [first = '', , third = ''] = await bury(harness(), 3);
    await harness().run('mail', first, third);
    expect(harness().output.lines).to.deep.equal([`message ${first} is ready`, `message ${third} is ready`]);
    expect(await harness().queue().counts()).to.include({ ready: 2, buried: 1 });
  });

  it('makes so many ready, those buried first, or all', async () => {
    const [first = '', second = ''] = await bury(harness(), 5);
    await harness().run('mail', '--limit', '2');
    expect((await harness().driver.find('mail', first))?.state).to.equal('ready');
    expect((await harness().driver.find('mail', second))?.state).to.equal('ready');
    await harness().run('mail', '--all');
    await harness().run('mail', '--all');
    expect(harness().output.lines).to.deep.equal([
      '2 buried messages are ready now',
      '3 buried messages are ready now',
      'nothing to retry in "mail": no message is buried',
    ]);
  });

  it('leaves delayed messages to their time', async () => {
    await harness().queue().publish('mail.send', 1, { delay: '1d' });
    for (const args of [['--all'], ['--limit', '5']]) await harness().run('mail', ...args);
    expect(await harness().queue().counts()).to.deep.equal({ ready: 0, delayed: 1, reserved: 0, buried: 0 });
  });

  it('makes those of a type, of a reason, or of both ready', async () => {
    const queue = harness().queue();
    await bury(harness(), 2);
    await queue.buried('sms', 1);
    await queue.buried('sms', 2, { reason: 'invalid' });
    await harness().run('mail', '--all', '--type', 'sms', '--reason', 'invalid');
    await harness().run('mail', '--all', '--type', 'fax');
    await harness().run('mail', '--limit', '1', '--type', 'mail.send');
    await harness().run('mail', '--all', '--reason', 'attempts');
    expect(harness().output.lines).to.deep.equal([
      '1 buried message is ready now',
      'nothing to retry in "mail": no message of type "fax" is buried',
      '1 buried message is ready now',
      '2 buried messages are ready now',
    ]);
  });

  it('replaces the data of one message, which keeps its id, its headers and its time', async () => {
    const id = await harness()
      .queue()
      .publish('mail.send', { qty: 0 }, { headers: { tenant: 'a' } });
    const before = cloudEvents.decode((await harness().driver.find('mail', id))?.body ?? Buffer.alloc(0));
    await harness().queue().bury();
    await harness().run('mail', id, '--data', '{"qty":1}');
    expect(harness().output.out).to.equal(`message ${id} is ready with its new data\n`);
    const stored = await harness().driver.find('mail', id);
    expect(stored?.state).to.equal('ready');
    expect(cloudEvents.decode(stored?.body ?? Buffer.alloc(0))).to.deep.equal({ ...before, data: { qty: 1 } });
  });

  it('edits the data of other programs, where it is told how that is written', async () => {
    const id = await harness().queue().put('{"qty":0}');
    await harness().queue().bury();
    await harness().run('mail', id, '--data', '{"qty":1}', '--codec', 'json', '--type', 'order.placed');
    expect((await harness().driver.find('mail', id))?.body.toString()).to.equal('{"qty":1}');
  });

  it('refuses data that is no JSON, and data for more or fewer messages than one', async () => {
    for (const [args, message] of [
      [['1', '--data', '{'], /^--data must be JSON, got something else: /],
      [['1', '2', '--data', '5'], /^--data must be given with one id, got 2$/],
      [['--all', '--data', '5'], /^--data must be given with one id, got 0$/],
    ] as const) {
      expect((await rejection(harness().run('mail', ...args), UsageError)).message).to.match(message);
    }
    expect(harness().calls).to.deep.equal([]);
    const id = await harness().queue().buried('mail.send', 1);
    await rejection(harness().run('mail', id, '--data', '"\\ud800"'), EncodeError);
    expect(await harness().queue().counts()).to.include({ ready: 0, buried: 1 });
  });

  it('must be told which messages, in one way', async () => {
    for (const [args, message] of [
      [[], 'the messages to retry must be given by ids, --limit <n> or --all, got none of them'],
      [['--type', 'sms'], 'the messages to retry must be given by ids, --limit <n> or --all, got none of them'],
      [['8', '--all'], 'cannot use --all together with ids: they name the messages'],
      [['8', '--limit', '3'], 'cannot use --limit together with ids: they name the messages'],
      [['8', '--reason', 'invalid'], 'cannot use --reason together with ids: they name the messages'],
      [['8', '--type', 'sms'], 'cannot use --type together with ids: they name the messages'],
    ] as const) {
      expect((await rejection(harness().run('mail', ...args), UsageError)).message, args.join(' ')).to.equal(message);
    }
    const both = await rejection(harness().run('mail', '--all', '--limit', '3'), CommanderError);
    expect(both.message).to.contain("'--all' cannot be used with option '--limit <n>'");
    expect(harness().calls).to.deep.equal([]);
  });

  it('fails with those that are not buried, and says why, having retried the others', async () => {
    const queue = harness().queue();
    const [buried = ''] = await bury(harness(), 1);
    const ready = await queue.publish('mail.send', 1);
    const { code, message } = await rejection(harness().run('mail', ready, buried, '999', 'odd'), CommandFailedError);
    expect([code, message]).to.deep.equal([
      'NOT_FOUND',
      `cannot retry messages of "mail": ${ready} is ready, not buried; 999 is not there; odd: a job id must be a decimal number from 1 to 18446744073709551615, got "odd"`,
    ]);
    expect(harness().output.lines).to.deep.equal([`message ${buried} is ready`]);
  });

  it('names no more messages than fit a sentence', async () => {
    await harness().queue().publish('mail.send', 1);
    const ids = Array.from({ length: 8 }, (_, n) => String(100 + n));
    const { message } = await rejection(harness().run('mail', ...ids), CommandFailedError);
    expect(message).to.match(/: 100 is not there; .*; 104 is not there; and 3 more$/);
  });

  it('refuses what is no id of the engine before it does anything', async () => {
    const [id = ''] = await bury(harness(), 1);
    await rejection(harness().run('mail', 'odd', id), InvalidOptionError);
    expect(await harness().queue().counts()).to.include({ buried: 1 });
  });

  it('retries all of many in chunks, and no more than there were when it began', async () => {
    count(harness().driver, { buried: 2500 });
    let left = 9000;
    harness().driver.retry = async (_, selection) => {
      const limit = 'limit' in selection ? selection.limit : 0;
      left -= limit;
      return Math.min(limit, left);
    };
    await harness().run('mail', '--all');
    expect(
      harness()
        .callsOf('retry')
        .map(([, , selection]) => selection),
    ).to.deep.equal([1000, 1000, 500].map((limit) => ({ limit })));
    expect(harness().output.out).to.equal('2500 buried messages are ready now\n');
  });

  it('stops where others have retried them meanwhile', async () => {
    count(harness().driver, { buried: 2500 });
    harness().driver.retry = async () => 10;
    await harness().run('mail', '--all');
    expect(harness().callsOf('retry')).to.have.length(1);
    expect(harness().output.out).to.equal('10 buried messages are ready now\n');
  });

  it('fails where there is no such queue', async () => {
    await harness().queue('sms').publish('sms', 1);
    for (const args of [['--all'], ['7'], ['--all', '--type', 'sms']]) {
      const { code, message } = await rejection(harness().run('nosuch', ...args), CommandFailedError);
      expect([code, message]).to.deep.equal(['NO_QUEUE', 'there is no queue "nosuch"; the engine has sms']);
    }
  });

  it('is a record with --json', async () => {
    const [id] = await bury(harness(), 3);
    await harness().run('mail', String(id), '--json');
    await harness().run('mail', '--all', '--json');
    await harness().run('mail', '--limit', '0', '--json');
    expect(harness().records).to.deep.equal([
      { queue: 'mail', jobId: id, retried: true },
      { queue: 'mail', retried: 2 },
      { queue: 'mail', retried: 0 },
    ]);
  });

  it('shows on a terminal how far it is when it takes long', async () => {
    const screen = terminal();
    const long = new CommandHarness(defineRetry, screen);
    count(long.driver, { buried: 2500 });
    long.driver.retry = async (_, selection) => {
      clock.tick(300);
      return 'limit' in selection ? selection.limit : 0;
    };
    await long.run('mail', '--all');
    expect(screen.err.split('\r\u001b[2K')).to.deep.equal(['', 'retried 2000 of 2500', 'retried 2500 of 2500', '']);
  });

  it('refuses what is no number', async () => {
    for (const limit of ['every', '-1', '1.5', '']) {
      expect((await rejection(harness().run('mail', `--limit=${limit}`), CommanderError)).message).to.contain(
        'a whole number of at least 0',
      );
    }
  });
});
