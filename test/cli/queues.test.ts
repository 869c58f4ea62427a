import { expect } from 'chai';
import { defineQueues } from '../../src/cli/queues.js';
import { useCommand } from './harness.js';

describe('haricot queues', () => {
  const harness = useCommand(defineQueues);

  it('lists the queues by name, and how many messages each has', async () => {
    const { driver, output } = harness();
    driver.queues = async () => ['sms', 'mail-long-name'];
    await harness().run();
    expect(output.lines).to.deep.equal([
      'QUEUE           MESSAGES',
      'mail-long-name        10',
      'sms                   10',
    ]);
    expect(driver.calls.at(-1)).to.deep.equal(['close']);
  });

  it('is a record a line with --json', async () => {
    await harness().run('--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', messages: 10 }]);
  });

  it('says that there are none, or nothing with --json', async () => {
    const { driver, output } = harness();
    driver.queues = async () => [];
    await harness().run();
    expect(output.out).to.equal('no queues\n');
    await harness().run('--json');
    expect(output.out).to.equal('no queues\n');
  });
});
