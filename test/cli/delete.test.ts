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
    expect([code, message]).to.deep.equal([
      'NOT_FOUND',
      'cannot delete 7 from "mail": there is no such message, or a worker holds it now',
    ]);
    expect([harness().output.out, harness().calls]).to.deep.equal(['', [['stats', 'mail'], ['close']]]);
  });

  it('removes several messages, and fails with those that are not there', async () => {
    const { driver, output } = harness();
    driver.delete = async (_, id) => id === '8';
    const { message } = await rejection(harness().run('mail', '7', '8', '9'), CommandFailedError);
    expect(message).to.equal('cannot delete 7, 9 from "mail": there is no such message, or a worker holds it now');
    expect(output.out).to.equal('message 8 is deleted\n');
  });

  it('fails where there is no such queue', async () => {
    const { driver } = harness();
    driver.delete = async () => false;
    driver.stats = async () => null;
    expect((await rejection(harness().run('nosuch', '7'), CommandFailedError)).code).to.equal('NO_QUEUE');
  });
});
