import { expect } from 'chai';
import { CommandFailedError, UsageError } from '../../src/cli/errors.js';
import { definePromote } from '../../src/cli/promote.js';
import { rejection } from '../support/failures.js';
import { useCommand } from './harness.js';

describe('haricot promote', () => {
  const harness = useCommand(definePromote);
  const delayed = (delay: string): Promise<string> => harness().queue().publish('mail.send', 1, { delay });

  it('makes the delayed messages ready that are named', async () => {
    const [first, second] = [await delayed('1h'), await delayed('2h')];
    await delayed('3h');
    await harness().run('mail', first, second);
    expect(harness().output.lines).to.deep.equal([`message ${first} is ready`, `message ${second} is ready`]);
    expect(await harness().queue().counts()).to.include({ ready: 2, delayed: 1 });
  });

  it('makes so many ready, those due first, or all', async () => {
    await delayed('3h');
    const soon = await delayed('1h');
    await delayed('2h');
    await harness().run('mail', '--limit', '1');
    expect((await harness().driver.find('mail', soon))?.state).to.equal('ready');
    await harness().run('mail', '--all');
    await harness().run('mail', '--all');
    expect(harness().output.lines).to.deep.equal([
      '1 delayed message is ready now',
      '2 delayed messages are ready now',
      'nothing to promote in "mail": no message is delayed',
    ]);
  });

  it('leaves buried messages alone, and fails with those that are not delayed', async () => {
    const id = await harness().queue().buried('mail.send', 1);
    await harness().run('mail', '--all');
    const { message } = await rejection(harness().run('mail', id), CommandFailedError);
    expect(message).to.equal(`cannot promote messages of "mail": ${id} is buried, not delayed`);
    expect(await harness().queue().counts()).to.include({ ready: 0, buried: 1 });
  });

  it('must be told which messages', async () => {
    expect((await rejection(harness().run('mail'), UsageError)).message).to.equal(
      'the messages to promote must be given by ids, --limit <n> or --all, got none of them',
    );
  });

  it('is a record with --json', async () => {
    const id = await delayed('1h');
    await delayed('1h');
    await harness().run('mail', id, '--json');
    await harness().run('mail', '--all', '--json');
    expect(harness().records).to.deep.equal([
      { queue: 'mail', jobId: id, promoted: true },
      { queue: 'mail', promoted: 1 },
    ]);
  });
});
