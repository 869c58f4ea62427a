import { expect } from 'chai';
import { CommanderError } from 'commander';
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
    await harness().run('mail', '3');
    await harness().run('mail', '3');
    expect(output.lines).to.deep.equal(['3 buried messages are ready now', '2 buried messages are ready now']);
  });

  it('kicks all of many in chunks, and leaves the delayed ones alone', async () => {
    fill(harness(), { buried: 2500, delayed: 9000 });
    await harness().run('mail', 'all');
    expect(kicks(harness())).to.deep.equal([1000, 1000, 500]);
    expect(harness().output.out).to.equal('2500 buried messages are ready now\n');
  });

  it('goes on to delayed messages only when nothing was buried at first', async () => {
    const held = { buried: 1500, delayed: 50 };
    // Somebody else kicks the rest between two chunks.
    fill(harness(), held, async () => {
      held.buried = 1000;
    });
    await harness().run('mail', 'all');
    expect(kicks(harness())).to.deep.equal([1000]);
    expect(held.delayed).to.equal(50);
  });

  it('stops where the engine has no more to kick', async () => {
    const held = { buried: 2500, delayed: 0 };
    fill(harness(), held, async () => {
      held.buried = 10;
    });
    await harness().run('mail', 'all');
    expect(harness().output.out).to.equal('10 buried messages are ready now\n');
    expect(kicks(harness())).to.deep.equal([1000]);
  });

  it('does not try for ever where the engine counts messages that it does not kick', async () => {
    fill(harness(), { buried: 5, delayed: 0 });
    harness().driver.kick = async () => 0;
    await harness().run('mail', 'all');
    expect(harness().output.out).to.match(/^nothing to kick in "mail"/);
  });

  it('makes delayed messages ready where none is buried, and says so', async () => {
    fill(harness(), { buried: 0, delayed: 3 });
    await harness().run('mail', '2');
    expect(harness().output.out).to.equal('2 delayed messages are ready now; none was buried\n');
  });

  it('says that there is nothing to kick', async () => {
    fill(harness(), { buried: 0, delayed: 0 });
    await harness().run('mail', 'all');
    expect(harness().output.out).to.equal('nothing to kick in "mail": no message is buried or delayed\n');
    expect(kicks(harness())).to.deep.equal([]);
  });

  it('is a record with --json', async () => {
    fill(harness(), { buried: 1, delayed: 0 });
    await harness().run('mail', '--json');
    await harness().run('mail', '--json');
    expect(harness().records).to.deep.equal([
      { queue: 'mail', kicked: 1, state: 'buried' },
      { queue: 'mail', kicked: 0 },
    ]);
  });

  it('shows on a terminal how far it is when it takes long', async () => {
    const screen = terminal();
    const long = new CommandHarness((command) => defineKick(command, screen));
    fill(long, { buried: 2500, delayed: 0 }, async () => void clock.tick(300));
    await long.run('mail', 'all');
    expect(screen.err.split('\r\u001b[2K')).to.deep.equal(['', 'kicked 2000 of 2500', 'kicked 2500 of 2500', '']);
  });

  it('refuses what is no number', async () => {
    for (const limit of ['every', '-1', '1.5', '']) {
      expect((await rejection(harness().run('mail', '--', limit), CommanderError)).message).to.contain(
        'Allowed is a whole number that is not negative, or "all".',
      );
    }
  });
});
