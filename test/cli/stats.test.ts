import { expect } from 'chai';
import { CommandFailedError } from '../../src/cli/errors.js';
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

  it('says until when a queue is paused, where one is', async () => {
    const { driver, output } = harness();
    const pausedUntil = new Date('2026-01-01T00:01:30Z');
    driver.queues = async () => ['sms', 'mail'];
    driver.stats = async (queue) => ({
      ...{ ready: 1, delayed: 2, reserved: 3, buried: 4 },
      pausedUntil: queue === 'sms' ? pausedUntil : null,
    });
    await harness().run();
    expect(output.lines).to.deep.equal([
      'QUEUE     READY  DELAYED  RESERVED  BURIED  PAUSED UNTIL',
      'mail          1        2         3       4',
      'sms           1        2         3       4  2026-01-01 00:01:30Z',
      '2 queues      2        4         6       8',
    ]);
  });

  it('fails where there is no such queue, and names those that there are', async () => {
    const { driver } = harness();
    driver.stats = async () => null;
    for (const [names, told] of [
      [[], 'the engine has no queues'],
      [['sms', 'mail'], 'the engine has mail, sms'],
      [
        Array.from({ length: 12 }, (_, n) => `q${String(n).padStart(2, '0')}`),
        'the engine has q00, q01, q02, q03, q04, q05, q06, q07, q08, q09 and 2 more',
      ],
    ] as const) {
      driver.queues = async () => [...names];
      const { code, message } = await rejection(harness().run('nosuch'), CommandFailedError);
      expect([code, message]).to.deep.equal(['NO_QUEUE', `there is no queue "nosuch"; ${told}`]);
    }
  });

  it('leaves out a queue that goes while it is counted', async () => {
    const { driver, output } = harness();
    driver.queues = async () => ['sms', 'mail'];
    const { stats } = driver;
    driver.stats = async (queue) => (queue === 'sms' ? null : stats.call(driver, queue));
    await harness().run();
    expect(output.lines).to.have.length(2);
  });

  it('refuses what can be no queue', async () => {
    await rejection(harness().run('mail box'), InvalidOptionError);
  });
});
