import { expect } from 'chai';
import { CommanderError } from 'commander';
import { CommandFailedError, UsageError } from '../../src/cli/errors.js';
import { defineMove } from '../../src/cli/move.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import { CommandHarness, useCommand } from './harness.js';

describe('haricot move', () => {
  const harness = useCommand(defineMove);

  it('moves the messages that are named to another queue, where they are ready', async () => {
    const queue = harness().queue();
    const [first, second] = [await queue.buried('mail.send', 1), await queue.publish('mail.send', 2)];
    await queue.publish('mail.send', 3);
    await harness().run('mail', first, second, '--to', 'later');
    expect(harness().output.lines).to.deep.equal([first, second].map((id) => `message ${id} is moved to "later"`));
    expect(await queue.counts()).to.include({ ready: 1, buried: 0 });
    expect(await harness().queue('later').counts()).to.include({ ready: 2 });
  });

  it('moves all buried ones, or so many, or those of a type and a reason', async () => {
    const queue = harness().queue();
    for (const reason of ['attempts', 'invalid', 'invalid']) await queue.buried('mail.send', 1, { reason });
    await queue.buried('sms', 1);
    await queue.publish('mail.send', 1);
    await harness().run('mail', '--limit', '1', '--reason', 'invalid', '--type', 'mail.send', '--to', 'later');
    await harness().run('mail', '--all', '--to', 'later');
    await harness().run('mail', '--all', '--to', 'later');
    expect(harness().output.lines).to.deep.equal([
      'moved 1 message from "mail" to "later"',
      'moved 3 messages from "mail" to "later"',
      'nothing to move in "mail": no message is buried',
    ]);
    expect(await queue.counts()).to.include({ ready: 1, buried: 0 });
  });

  it('moves several states to another engine, with the rest of a delay', async () => {
    const other = new CommandHarness(defineMove);
    const queue = harness().queue();
    await queue.buried('mail.send', 1);
    await queue.publish('mail.send', { to: 'a' }, { headers: { tenant: 'b' }, priority: 7 });
    await queue.publish('mail.send', 3, { delay: '1h' });
    const states = ['--all', '--state', 'buried,ready,delayed'];
    await harness().run('mail', ...states, '--to', 'mail', '--to-url', `${other.url}//me:secret@host`);
    expect(harness().output.lines).to.deep.equal([
      `moved 3 messages from "mail" to "mail" on ${other.url}//me:***@host`,
    ]);
    expect(await queue.counts()).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
    expect(await other.queue().counts()).to.deep.equal({ ready: 2, delayed: 1, reserved: 0, buried: 0 });
    const [, stored] = (await other.driver.list('mail', { state: 'ready', limit: 2 })).messages;
    expect(stored?.priority).to.equal(7);
    expect(cloudEvents.decode(stored?.body ?? Buffer.alloc(0))).to.deep.include({
      data: { to: 'a' },
      headers: { tenant: 'b' },
    });
    expect(other.callsOf('close')).to.have.length(1);
  });

  it('takes a limit for all states together', async () => {
    const queue = harness().queue();
    await queue.buried('mail.send', 1);
    await queue.publish('mail.send', 2);
    await queue.publish('mail.send', 3);
    await harness().run('mail', '--limit', '2', '--state', 'ready,buried', '--to', 'later');
    expect(await queue.counts()).to.include({ ready: 0, buried: 1 });
  });

  it('says that a worker took messages meanwhile', async () => {
    const other = new CommandHarness(defineMove);
    const ids = [await harness().queue().buried('mail.send', 1), await harness().queue().buried('mail.send', 2)];
    harness().driver.delete = async () => 0;
    await harness().run('mail', '--all', '--to', 'mail', '--to-url', other.url);
    await harness().run('mail', ids[0] ?? '', '--to', 'mail', '--to-url', other.url);
    const { output } = harness();
    expect(output.err).to.equal(
      'haricot: a worker took 2 messages meanwhile: they are in both queues, with the same message ids\n' +
        'haricot: a worker took 1 message meanwhile: it is in both queues, with the same message id\n',
    );
    await harness().run('mail', '--all', '--to', 'mail', '--to-url', other.url, '--json');
    expect(harness().output.lines.at(-1)).to.equal('{"queue":"mail","moved":0,"duplicated":2}');
  });

  it('leaves what a worker holds, and says so', async () => {
    const id = await harness().queue().publish('mail.send', 1);
    await harness().queue().hold();
    const { message } = await rejection(harness().run('mail', id, '77', '--to', 'later'), CommandFailedError);
    expect(message).to.equal(`cannot move messages of "mail": ${id} is held by a worker; 77 is not there`);
  });

  it('refuses a target that is the queue itself, or no queue, and a selection that is none', async () => {
    for (const [args, message] of [
      [['--all', '--to', 'mail'], '--to must be another queue, got "mail" itself'],
      [['--all', '--to', 'mail', '--to-url', harness().url], '--to must be another queue, got "mail" itself'],
      [['--to', 'later'], 'the messages to move must be given by ids, --limit <n> or --all, got none of them'],
      [['7', '--state', 'ready', '--to', 'later'], 'cannot use --state together with ids: they name the messages'],
    ] as const) {
      expect((await rejection(harness().run('mail', ...args), UsageError)).message).to.equal(message);
    }
    await rejection(harness().run('mail', '--all', '--to', 'no queue'), InvalidOptionError);
    expect((await rejection(harness().run('mail', '--all'), CommanderError)).message).to.contain('--to <queue>');
    const wrong = await rejection(harness().run('mail', '--all', '--state', 'ready,lost', '--to', 'x'), CommanderError);
    expect(wrong.message).to.contain('one or several of ready, delayed, buried, separated by commas');
    expect(harness().calls).to.deep.equal([]);
  });

  it('refuses an engine that is gone with the process', async () => {
    await harness().queue().buried('mail.send', 1);
    const { message } = await rejection(
      harness().run('mail', '--all', '--to', 'mail', '--to-url', 'memory:'),
      InvalidOptionError,
    );
    expect(message).to.match(/^cannot use "memory:": it keeps messages within one process/);
    expect(await harness().queue().counts()).to.include({ buried: 1 });
  });

  it('is a record with --json', async () => {
    const id = await harness().queue().buried('mail.send', 1);
    await harness().queue().buried('mail.send', 1);
    await harness().run('mail', id, '--to', 'later', '--json');
    await harness().run('mail', '--all', '--to', 'later', '--json');
    expect(harness().records).to.deep.equal([
      { queue: 'mail', jobId: id, moved: true, duplicated: false },
      { queue: 'mail', moved: 1, duplicated: 0 },
    ]);
  });
});
