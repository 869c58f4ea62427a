import { expect } from 'chai';
import { defineStats } from '../../src/cli/stats.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import { useCommand } from './harness.js';

describe('haricot stats', () => {
  const harness = useCommand(defineStats);

  it('counts the messages of a queue', async () => {
    await harness().run('mail');
    expect(harness().output.lines).to.deep.equal([
      'QUEUE  READY  DELAYED  RESERVED  BURIED',
      'mail       1        2         3       4',
    ]);
    expect(harness().calls).to.deep.equal([['stats', 'mail'], ['close']]);
  });

  it('counts those of every queue, and all together', async () => {
    const { driver, output } = harness();
    driver.queues = async () => ['sms', 'mail'];
    await harness().run();
    expect(output.lines).to.deep.equal([
      'QUEUE     READY  DELAYED  RESERVED  BURIED',
      'mail          1        2         3       4',
      'sms           1        2         3       4',
      '2 queues      2        4         6       8',
    ]);
  });

  it('sums nothing up where there is one queue', async () => {
    await harness().run();
    expect(harness().output.lines).to.have.length(2);
  });

  it('says that there are no queues', async () => {
    harness().driver.queues = async () => [];
    await harness().run();
    expect(harness().output.out).to.equal('no queues\n');
  });

  it('is a record for each queue with --json', async () => {
    const { driver } = harness();
    driver.queues = async () => ['sms', 'mail'];
    await harness().run('--json');
    const counts = { ready: 1, delayed: 2, reserved: 3, buried: 4, pausedUntil: null };
    expect(harness().records).to.deep.equal([
      { queue: 'mail', ...counts },
      { queue: 'sms', ...counts },
    ]);
  });

  it('refuses what can be no queue', async () => {
    await rejection(harness().run('mail box'), InvalidOptionError);
  });
});
