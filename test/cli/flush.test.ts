import { expect } from 'chai';
import { CommanderError } from 'commander';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { UsageError } from '../../src/cli/errors.js';
import { defineFlush } from '../../src/cli/flush.js';
import { rejection } from '../support/failures.js';
import { CommandHarness, terminal, useCommand } from './harness.js';

describe('haricot flush', () => {
  const harness = useCommand(defineFlush);

  /** One held, one buried, one delayed and two ready. */
  async function fill(): Promise<void> {
    const queue = harness().queue();
    await queue.publish('mail.send', 1);
    await queue.hold();
    await queue.buried('mail.send', 2);
    await queue.publish('mail.send', 3, { delay: '1h' });
    for (const data of [4, 5]) await queue.publish('mail.send', data);
  }

  it('removes all messages, and says how many and what stayed', async () => {
    await fill();
    await harness().run('mail', '--force');
    expect(harness().output.out).to.equal('removed 4 messages from "mail"; 1 message held by workers stayed\n');
    expect(await harness().queue().counts()).to.deep.equal({ ready: 0, delayed: 0, reserved: 1, buried: 0 });
  });

  it('removes those in some states', async () => {
    await fill();
    await harness().run('mail', '--state', 'buried', '--force');
    expect(await harness().queue().counts()).to.include({ ready: 2, delayed: 1, buried: 0 });
    await harness().run('mail', '--state', 'delayed,ready', '--force');
    expect(await harness().queue().counts()).to.include({ ready: 0, delayed: 0 });
    const { message } = await rejection(harness().run('mail', '--state', 'reserved', '--force'), CommanderError);
    expect(message).to.contain('one or several of ready, delayed, buried, separated by commas');
  });

  it('says nothing of workers that hold nothing', async () => {
    await harness().queue().publish('mail.send', 1);
    await harness().run('mail', '--force');
    expect(harness().output.out).to.equal('removed 1 message from "mail"\n');
  });

  it('only says what it would remove without --force', async () => {
    await fill();
    for (const [args, message] of [
      [[], 'it would remove 4 messages for good (2 ready, 1 delayed, 1 buried)'],
      [['--state', 'buried'], 'it would remove 1 message for good (1 buried)'],
    ] as const) {
      expect((await rejection(harness().run('mail', ...args), UsageError)).message).to.equal(
        `cannot flush "mail" without --force: ${message}`,
      );
    }
    expect(harness().callsOf('flush')).to.deep.equal([]);
    expect(harness().output.out).to.equal('');
  });

  it('refuses ids, and shows how to remove single messages', async () => {
    expect((await rejection(harness().run('mail', '7', '--force'), UsageError)).message).to.equal(
      'the arguments of flush must be one queue, got "7" as well; haricot delete <queue> <id...> removes single messages',
    );
  });

  it('is a record with --json', async () => {
    await fill();
    await harness().run('mail', '--force', '--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', removed: 4 }]);
  });

  describe('that takes long', () => {
    let clock: SinonFakeTimers;

    beforeEach(() => {
      clock = useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setInterval', 'clearInterval', 'performance'] });
    });

    afterEach(() => clock.restore());

    /** A flush of 1,000 messages that takes a second, while the engine is asked how many are left. */
    async function flush(screen: ReturnType<typeof terminal>, ...options: string[]): Promise<void> {
      const slow = new CommandHarness(defineFlush, screen);
      let left = 1000;
      let asked = 0;
      slow.driver.stats = async () => {
        // A look that fails is none.
        if (++asked === 3) throw new Error('busy');
        return [{ ready: left, delayed: 0, reserved: 0, buried: 0, pausedUntil: null }];
      };
      slow.driver.flush = async () => {
        while (left > 0) {
          left -= 250;
          await clock.tickAsync(250);
        }
        return 1000;
      };
      await slow.run('mail', '--force', ...options);
    }

    it('shows on a terminal how far it is', async () => {
      const screen = terminal();
      await flush(screen);
      expect(screen.err.split('\r\u001b[2K')).to.deep.equal(['', 'removed 750 of 1000', 'removed 1000 of 1000', '']);
      expect(screen.out).to.equal('removed 1000 messages from "mail"\n');
      expect(clock.countTimers()).to.equal(0);
    });

    it('shows nothing with --json', async () => {
      const screen = terminal();
      await flush(screen, '--json');
      expect([screen.out, screen.err]).to.deep.equal(['{"queue":"mail","removed":1000}\n', '']);
    });
  });
});
