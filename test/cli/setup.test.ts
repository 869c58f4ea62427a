import { expect } from 'chai';
import { defineSetup } from '../../src/cli/setup.js';
import { rejection } from '../support/failures.js';
import { useCommand } from './harness.js';

describe('haricot setup', () => {
  const harness = useCommand(defineSetup);

  it('prepares the engine for a queue', async () => {
    await harness().run('mail');
    expect(harness().output.out).to.match(/^"mail" is set up on fake-cli\d+:\n$/);
    expect(harness().calls).to.deep.equal([['setUp', 'mail'], ['close']]);
  });

  it('is a record with --json', async () => {
    await harness().run('mail', '--json');
    const [record] = harness().records as { url: string }[];
    expect(record).to.deep.equal({ queue: 'mail', url: record?.url });
    expect(record?.url).to.match(/^fake-cli\d+:$/);
  });

  it('fails as the engine does', async () => {
    const failure = new Error('unreachable');
    harness().driver.setUp = () => Promise.reject(failure);
    expect(await rejection(harness().run('mail'), Error)).to.equal(failure);
    expect(harness().output.out).to.equal('');
  });
});
