import { expect } from 'chai';
import { CommanderError } from 'commander';
import { CommandFailedError, UsageError } from '../../src/cli/errors.js';
import { defineKick } from '../../src/cli/kick.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { CommandHarness, terminal, useCommand } from './harness.js';

/** Lets the fake engine hold so many messages, and kick as the contract says. */
function fill({ driver }: CommandHarness, held: { buried: number; delayed: number }, onKick = async () => {}): void {
  driver.stats = async () => ({ ready: 0, reserved: 0, ...held, pausedUntil: null });
  driver.kick = async (queue, limit) => {
    driver.calls.push(['kick', queue, limit]);
    await onKick();
    const state = held.buried > 0 ? 'buried' : 'delayed';
    const kicked = Math.min(held[state], limit as number);
    held[state] -= kicked;
    return kicked;
  };
}

describe('haricot kick', () => {
  const clock = useFakeClock();
  const harness = useCommand(defineKick);
  const kicks = ({ calls }: CommandHarness): unknown[] =>
    calls.filter(([call]) => call === 'kick').map((call) => call[2]);

  it('kicks one buried message', async () => {
    fill(harness(), { buried: 3, delayed: 0 });
    await harness().run('mail');
    expect(harness().output.out).to.equal('1 buried message is ready now\n');
    expect(harness().calls).to.deep.equal([['kick', 'mail', 1], ['close']]);
  });

  it('kicks as many as are asked for, or as there are', async () => {
    const { output } = harness();
    fill(harness(), { buried: 5, delayed: 0 });
    await harness().run('mail', '--limit', '3');
    await harness().run('mail', '--limit', '3');
    expect(output.lines).to.deep.equal(['3 buried messages are ready now', '2 buried messages are ready now']);
  });

  it('kicks all of many in chunks, and leaves the delayed ones alone', async () => {
    fill(harness(), { buried: 2500, delayed: 9000 });
    await harness().run('mail', '--all');
    expect(kicks(harness())).to.deep.equal([1000, 1000, 500]);
    expect(harness().output.out).to.equal('2500 buried messages are ready now\n');
  });

  it('leaves delayed messages alone where somebody else kicks the buried ones meanwhile', async () => {
    const held = { buried: 1500, delayed: 50 };
    fill(harness(), held, async () => {
      held.buried = 1000;
    });
    await harness().run('mail', '--all');
    expect(kicks(harness())).to.deep.equal([1000]);
    expect(held.delayed).to.equal(50);
  });

  it('asks for no more than are buried', async () => {
    const held = { buried: 2500, delayed: 50 };
    fill(harness(), held, async () => {
      if (held.buried === 2500) held.buried = 1100;
    });
    await harness().run('mail', '--all');
    expect(kicks(harness())).to.deep.equal([1000, 100]);
    expect(held.delayed).to.equal(50);
  });

  it('stops where the engine has no more to kick', async () => {
    const held = { buried: 2500, delayed: 0 };
    fill(harness(), held, async () => {
      held.buried = 10;
    });
    await harness().run('mail', '--all');
    expect(harness().output.out).to.equal('10 buried messages are ready now\n');
    expect(kicks(harness())).to.deep.equal([1000]);
  });

  it('does not try for ever where the engine counts messages that it does not kick', async () => {
    fill(harness(), { buried: 5, delayed: 0 });
    harness().driver.kick = async () => 0;
    await harness().run('mail', '--all');
    expect(harness().output.out).to.match(/^nothing to kick in "mail"/);
  });

  it('leaves delayed messages to their time where none is buried', async () => {
    for (const args of [[], ['--limit', '2'], ['--all']]) {
      fill(harness(), { buried: 0, delayed: 3 });
      await harness().run('mail', ...args);
      expect(kicks(harness()), args.join(' ')).to.deep.equal([]);
    }
  });

  it('refuses a number or an id as an argument, and shows how to say it', async () => {
    for (const [extra, usage] of [
      ['8', '--limit 8, or --all'],
      ['all', '--limit <n>, or --all'],
    ] as const) {
      const { code, message } = await rejection(harness().run('mail', extra), UsageError);
      expect([code, message]).to.deep.equal([
        'USAGE',
        `kick takes no ids and no count as an argument, got "${extra}": haricot kick <queue> ${usage}`,
      ]);
    }
    expect(harness().calls).to.deep.equal([]);
  });

  it('takes a limit or all of them, not both', async () => {
    const { message } = await rejection(harness().run('mail', '--all', '--limit', '3'), CommanderError);
    expect(message).to.contain("'--all' cannot be used with option '--limit <n>'");
  });

  it('fails where there is no such queue', async () => {
    harness().driver.stats = async () => null;
    const { code, message } = await rejection(harness().run('nosuch', '--all'), CommandFailedError);
    expect([code, message]).to.deep.equal(['NO_QUEUE', 'there is no queue "nosuch"; the engine has mail']);
  });

  it('says that there is nothing to kick', async () => {
    fill(harness(), { buried: 0, delayed: 0 });
    await harness().run('mail', '--all');
    expect(harness().output.out).to.equal('nothing to kick in "mail": no message is buried\n');
    expect(kicks(harness())).to.deep.equal([]);
  });

  it('is a record with --json', async () => {
    fill(harness(), { buried: 1, delayed: 0 });
    await harness().run('mail', '--json');
    await harness().run('mail', '--json');
    expect(harness().records).to.deep.equal([
      { queue: 'mail', kicked: 1 },
      { queue: 'mail', kicked: 0 },
    ]);
  });

  it('shows on a terminal how far it is when it takes long', async () => {
    const screen = terminal();
    const long = new CommandHarness((command) => defineKick(command, screen));
    fill(long, { buried: 2500, delayed: 0 }, async () => void clock.tick(300));
    await long.run('mail', '--all');
    expect(screen.err.split('\r\u001b[2K')).to.deep.equal(['', 'kicked 2000 of 2500', 'kicked 2500 of 2500', '']);
  });

  it('refuses what is no number', async () => {
    for (const limit of ['every', '-1', '1.5', '']) {
      expect((await rejection(harness().run('mail', `--limit=${limit}`), CommanderError)).message).to.contain(
        'Allowed is a whole number that is not negative.',
      );
    }
  });
});
