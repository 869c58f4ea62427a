import { expect } from 'chai';
import { defineQueues } from '../../src/cli/queues.js';
import { count, useCommand } from './harness.js';

describe('haricot queues', () => {
  const harness = useCommand(defineQueues);

  it('lists the queues by name, and how many messages each has', async () => {
    const { driver, output } = harness();
    count(driver, { ready: 1, delayed: 2, reserved: 3, buried: 4 });
    driver.queues = async () => ['sms', 'mail-long-name'];
    await harness().run();
    expect(output.lines).to.deep.equal([
      'QUEUE           MESSAGES',
      'mail-long-name        10',
      'sms                   10',
    ]);
    expect(harness().calls.at(-1)).to.deep.equal(['close']);
  });

  it('is a record a line with --json', async () => {
    await harness().queue().publish('mail.send', 1);
    await harness().run('--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', messages: 1, pausedUntil: null }]);
  });

  it('says until when a queue is paused', async () => {
    const { driver, output } = harness();
    const pausedUntil = new Date('2026-01-01T00:01:30Z');
    count(driver, { ready: 1, pausedUntil });
    driver.queues = async () => ['mail'];
    await harness().run();
    expect(output.lines).to.deep.equal(['QUEUE  MESSAGES  PAUSED UNTIL', 'mail          1  2026-01-01 00:01:30Z']);
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
