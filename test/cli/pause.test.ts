import { expect } from 'chai';
import { CommanderError } from 'commander';
import { CommandFailedError } from '../../src/cli/errors.js';
import { definePause } from '../../src/cli/pause.js';
import { defineResume } from '../../src/cli/resume.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { type CommandHarness, count, useCommand } from './harness.js';

const UNTIL = new Date('2026-01-01T00:01:30Z');

/** Lets the queue be paused from the beginning. */
function paused({ driver }: CommandHarness): void {
  count(driver, { pausedUntil: UNTIL });
}

describe('haricot pause', () => {
  const clock = useFakeClock();
  const harness = useCommand(definePause);

  it('pauses a queue for so long, and says until when', async () => {
    await harness().driver.setUp('mail');
    harness().calls.length = 0;
    await harness().run('mail', '90s');
    expect(harness().output.out).to.equal('"mail" is paused for 1m 30s, until 1970-01-01 00:01:30Z\n');
    expect(harness().calls).to.deep.equal([
      ['stats', ['mail']],
      ['pause', 'mail', 90_000],
      ['stats', ['mail']],
      ['close'],
    ]);
  });

  it('is a record with --json', async () => {
    paused(harness());
    await clock.tickAsync(0);
    await harness().run('mail', '5m', '--json');
    expect(harness().records).to.deep.equal([
      { queue: 'mail', pausedMs: 300_000, pausedUntil: '2026-01-01T00:01:30.000Z' },
    ]);
  });

  it('refuses a pause that is none, and a number without its unit', async () => {
    for (const [duration, message] of [
      ['0', 'longer than 0 (haricot resume ends a pause)'],
      ['soon', 'a duration with its unit, such as 500ms, 30s'],
      ['90', 'a duration with its unit'],
    ] as const) {
      expect((await rejection(harness().run('mail', duration), CommanderError)).message).to.contain(message);
    }
    expect(harness().calls).to.deep.equal([]);
  });

  it('fails where there is no such queue, and pauses nothing', async () => {
    const { driver, calls } = harness();
    count(driver, null);
    expect((await rejection(harness().run('nosuch', '5m'), CommandFailedError)).code).to.equal('NO_QUEUE');
    expect(calls.map(([method]) => method)).to.deep.equal(['stats', 'queues', 'close']);
  });
});

describe('haricot resume', () => {
  const harness = useCommand(defineResume);

  it('ends a pause, and says until when it would have lasted', async () => {
    paused(harness());
    await harness().run('mail');
    expect(harness().output.out).to.equal('"mail" is resumed; it was paused until 2026-01-01 00:01:30Z\n');
    expect(harness().calls).to.deep.equal([['stats', ['mail']], ['pause', 'mail', 0], ['close']]);
  });

  it('says that a queue was not paused', async () => {
    count(harness().driver, {});
    await harness().run('mail');
    expect(harness().output.out).to.equal('"mail" was not paused\n');
    expect(harness().calls).to.deep.equal([['stats', ['mail']], ['close']]);
  });

  it('is a record with --json', async () => {
    count(harness().driver, {});
    await harness().run('mail', '--json');
    paused(harness());
    await harness().run('mail', '--json');
    expect(harness().records).to.deep.equal([
      { queue: 'mail', resumed: false, wasPausedUntil: null },
      { queue: 'mail', resumed: true, wasPausedUntil: '2026-01-01T00:01:30.000Z' },
    ]);
  });

  it('fails where there is no such queue', async () => {
    count(harness().driver, null);
    expect((await rejection(harness().run('nosuch'), CommandFailedError)).code).to.equal('NO_QUEUE');
  });
});
