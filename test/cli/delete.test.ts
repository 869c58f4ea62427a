import { expect } from 'chai';
import { defineDelete } from '../../src/cli/delete.js';
import { CommandFailedError } from '../../src/cli/errors.js';
import { rejection } from '../support/failures.js';
import { useCommand } from './harness.js';

describe('haricot delete', () => {
  const harness = useCommand(defineDelete);

  it('removes the messages that are named, whatever their state', async () => {
    const queue = harness().queue();
    const buried = await queue.buried('mail.send', 1);
    const [ready, delayed] = [await queue.publish('mail.send', 1), await queue.publish('sms', 1, { delay: '1h' })];
    await queue.publish('mail.send', 2);
    await harness().run('mail', buried, ready, delayed);
    expect(harness().output.lines).to.deep.equal([buried, ready, delayed].map((id) => `message ${id} is deleted`));
    expect(await queue.counts()).to.deep.equal({ ready: 1, delayed: 0, reserved: 0, buried: 0 });
    expect(harness().calls.at(-1)).to.deep.equal(['close']);
  });

  it('is a record with --json', async () => {
    const id = await harness().queue().publish('mail.send', 1);
    await harness().run('mail', id, '--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', jobId: id, deleted: true }]);
  });

  it('fails with those that are not there, having removed the others', async () => {
    const id = await harness().queue().publish('mail.send', 1);
    const { code, message } = await rejection(harness().run('mail', '77', id, '78'), CommandFailedError);
    expect([code, message]).to.deep.equal([
      'NOT_FOUND',
      'cannot delete messages of "mail": 77 is not there; 78 is not there',
    ]);
    expect(harness().output.lines).to.deep.equal([`message ${id} is deleted`]);
  });

  it('says that a worker holds one, where the engine leaves that alone', async () => {
    const id = await harness().queue().publish('mail.send', 1);
    await harness().queue().hold();
    harness().driver.delete = async () => 0;
    const { message } = await rejection(harness().run('mail', id), CommandFailedError);
    expect(message).to.equal(`cannot delete messages of "mail": ${id} is held by a worker`);
  });

  it('fails where there is no such queue', async () => {
    expect((await rejection(harness().run('nosuch', '7'), CommandFailedError)).code).to.equal('NO_QUEUE');
  });
});
