import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { CommandFailedError } from '../../src/cli/errors.js';
import { defineStats } from '../../src/cli/stats.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import { CommandHarness, count, terminal, useCommand, useEnvironment } from './harness.js';

const COUNTS = { ready: 1, delayed: 2, reserved: 3, buried: 4 };

describe('haricot stats', () => {
  const harness = useCommand(defineStats);

  beforeEach(() => {
    const { driver } = harness();
    count(driver, COUNTS);
    driver.queues = async () => ['mail'];
  });

  it('counts the messages of a queue', async () => {
    await harness().run('mail');
    expect(harness().output.lines).to.deep.equal([
      'QUEUE  READY  DELAYED  RESERVED  BURIED',
      'mail       1        2         3       4',
    ]);
    expect(harness().calls).to.deep.equal([['stats', ['mail']], ['close']]);
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
    driver.stats = async (queues) =>
      queues.map((queue) => ({ ...COUNTS, pausedUntil: queue === 'sms' ? pausedUntil : null }));
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
    count(driver, null);
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
    driver.stats = async () => [{ ...COUNTS, pausedUntil: null }, null];
    await harness().run();
    expect(output.lines).to.have.length(2);
  });

  it('refuses what can be no queue', async () => {
    await rejection(harness().run('mail box'), InvalidOptionError);
  });

  it('says for how long the oldest ready message has waited, where the engine tells', async () => {
    const { driver, output } = harness();
    driver.queues = async () => ['fax', 'mail', 'sms'];
    driver.stats = async () =>
      [90_000, null, undefined].map((oldestReadyMs) => ({ ...COUNTS, pausedUntil: null, oldestReadyMs }));
    await harness().run();
    expect(output.lines).to.deep.equal([
      'QUEUE     READY  DELAYED  RESERVED  BURIED  OLDEST',
      'fax           1        2         3       4  1m 30s',
      'mail          1        2         3       4',
      'sms           1        2         3       4',
      '3 queues      3        6         9      12',
    ]);
    output.out = '';
    await harness().run('--json');
    expect(harness().records.map(({ oldestReadyMs }) => oldestReadyMs)).to.deep.equal([90_000, null, undefined]);
  });

  describe('--watch', () => {
    useEnvironment({ FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });
    let clock: SinonFakeTimers;

    beforeEach(() => {
      clock = useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setInterval', 'clearInterval', 'Date'] });
    });

    afterEach(() => clock.restore());

    /** Watches for so many seconds, until a signal ends it. */
    async function watch(command: CommandHarness, seconds: number, ...args: string[]): Promise<void> {
      const looks = (): number => command.callsOf('stats').length;
      const watching = command.run(...args, '--watch');
      while (looks() === 0 || clock.countTimers() === 0) await new Promise((resolve) => setImmediate(resolve));
      for (let second = 1; second <= seconds; second++) {
        const before = looks();
        await clock.tickAsync(1000);
        while (looks() === before) await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setImmediate(resolve));
      }
      process.emit('SIGHUP');
      await watching;
    }

    it('counts again every second until a signal ends it, and leaves nothing behind', async () => {
      const listeners = process.listenerCount('SIGHUP');
      await watch(harness(), 2, 'mail');
      const row = 'mail       1        2         3       4';
      const titles = 'QUEUE  READY  DELAYED  RESERVED  BURIED';
      expect(harness().output.lines).to.deep.equal([0, 1, 2].flatMap((second) => [`00:00:0${second}Z`, titles, row]));
      expect(harness().calls.at(-1)).to.deep.equal(['close']);
      expect([clock.countTimers(), process.listenerCount('SIGHUP')]).to.deep.equal([0, listeners]);
    });

    it('is a record a second with --json', async () => {
      await watch(harness(), 1, '--json');
      expect(harness().records).to.deep.equal(
        [0, 1].map((second) => ({
          time: `1970-01-01T00:00:0${second}.000Z`,
          queue: 'mail',
          ...COUNTS,
          pausedUntil: null,
        })),
      );
    });

    it('takes a terminal for itself, and gives it back as it was', async () => {
      const screen = terminal();
      const command = new CommandHarness(defineStats, screen);
      count(command.driver, COUNTS);
      await watch(command, 1, 'mail');
      const frame = (second: number): string =>
        `\u001b[H\u001b[2m00:00:0${second}Z\u001b[22m\u001b[K\n\u001b[2mQUEUE  READY  DELAYED  RESERVED  BURIED\u001b[22m\u001b[K\n` +
        'mail       1        2         3       4\u001b[K\n\u001b[J';
      expect(screen.out).to.equal(`\u001b[?1049h\u001b[?25l${frame(0)}${frame(1)}\u001b[?25h\u001b[?1049l`);
    });

    it('says what is wrong with the engine meanwhile, and goes on', async () => {
      const screen = terminal();
      for (const command of [harness(), new CommandHarness(defineStats, screen)]) {
        let looks = 0;
        command.driver.stats = async () => {
          looks++;
          if (looks === 2 || looks === 3) throw new Error('lost');
          return [{ ...COUNTS, ready: looks, pausedUntil: null }];
        };
        await watch(command, 3, 'mail');
      }
      expect(harness().output.err).to.equal('haricot: lost\n');
      expect(harness().output.lines.filter((line) => line.startsWith('mail'))).to.have.length(2);
      const frames = screen.out.split('\u001b[H').slice(1);
      expect(frames.map((frame) => frame.includes('error: lost'))).to.deep.equal([false, true, true, false]);
      expect(frames.map((frame) => /mail +(\d)/.exec(frame)?.[1])).to.deep.equal(['1', '1', '1', '4']);
    });

    it('fails where there is nothing to look at', async () => {
      count(harness().driver, null);
      expect((await rejection(harness().run('nosuch', '--watch'), CommandFailedError)).code).to.equal('NO_QUEUE');
    });
  });
});
