import { expect } from 'chai';
import { defineDelete } from '../../src/cli/delete.js';
import { CommandFailedError } from '../../src/cli/errors.js';
import { rejection } from '../support/failures.js';
import { useCommand } from './harness.js';

describe('haricot delete', () => {
  const harness = useCommand(defineDelete);

  it('removes one message', async () => {
    await harness().run('mail', '7');
    expect(harness().output.out).to.equal('message 7 is deleted\n');
    expect(harness().calls).to.deep.equal([['delete', 'mail', '7'], ['close']]);
  });

  it('is a record with --json', async () => {
    await harness().run('mail', '7', '--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', id: '7', deleted: true }]);
  });

  it('fails where there is no such message', async () => {
    harness().driver.delete = async () => false;
    const { code, message } = await rejection(harness().run('mail', '7'), CommandFailedError);
    expect([code, message]).to.deep.equal(['NOT_FOUND', 'no message 7 in "mail", or a worker holds it now']);
    expect([harness().output.out, harness().calls]).to.deep.equal(['', [['close']]]);
  });
});
