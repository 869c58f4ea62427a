import '../support/unheeded-rejections.js';
import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { defineFlush } from '../../src/cli/flush.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import { CommandHarness, terminal, useCommand } from './harness.js';

describe('haricot flush', () => {
  const harness = useCommand(defineFlush);

  it('removes all messages, and says how many and what stayed', async () => {
    await harness().run('mail', '--force');
    expect(harness().output.out).to.equal('removed 5 messages from "mail"; 3 messages held by workers stayed\n');
    expect(harness().calls).to.deep.equal([['stats', 'mail'], ['flush', 'mail'], ['close']]);
  });

  it('says nothing of workers that hold nothing', async () => {
    const { driver, output } = harness();
    driver.stats = async () => ({ ready: 1, delayed: 0, reserved: 0, buried: 0, pausedUntil: null });
    driver.flush = async () => 1;
    await harness().run('mail', '--force');
    expect(output.out).to.equal('removed 1 message from "mail"\n');
  });

  it('only says what it would remove without --force', async () => {
    expect((await rejection(harness().run('mail'), InvalidOptionError)).message).to.equal(
      'cannot flush "mail" unasked: it would remove 7 messages for good (1 ready, 2 delayed, 4 buried); add --force to do it',
    );
    expect(harness().calls).to.deep.equal([['stats', 'mail'], ['close']]);
    expect(harness().output.out).to.equal('');
  });

  it('is a record with --json', async () => {
    await harness().run('mail', '--force', '--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', removed: 5 }]);
  });

  describe('that takes long', () => {
    let clock: SinonFakeTimers;

    beforeEach(() => {
      clock = useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setInterval', 'clearInterval', 'performance'] });
    });

    afterEach(() => clock.restore());

    /** A flush of 1,000 messages that takes a second, while the engine is asked how many are left. */
    async function flush(screen: ReturnType<typeof terminal>, ...options: string[]): Promise<CommandHarness> {
      const slow = new CommandHarness((command) => defineFlush(command, screen));
      let left = 1000;
      let asked = 0;
      slow.driver.stats = async () => {
        // A look that fails is none.
        if (++asked === 3) throw new Error('busy');
        return { ready: left, delayed: 0, reserved: 0, buried: 0, pausedUntil: null };
      };
      slow.driver.flush = async () => {
        while (left > 0) {
          left -= 250;
          await clock.tickAsync(250);
        }
        return 1000;
      };
      await slow.run('mail', '--force', ...options);
      return slow;
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
