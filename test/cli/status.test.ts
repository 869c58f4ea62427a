import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { statusOf } from '../../src/cli/status.js';
import type { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { FakeOutput } from '../support/fake-output.js';
import { terminal } from './harness.js';

const MESSAGE = { id: 'm1', type: 'mail.send', data: null, time: new Date(0), headers: {}, source: '/test' };
const ABOUT = { queue: 'mail', jobId: '7', attempt: 1, message: MESSAGE };

function finish(signals: SignalDispatcher, count: number): void {
  for (let n = 0; n < count; n++) signals.emit('messageFinished', { ...ABOUT, durationMs: 1 });
}

function fail(signals: SignalDispatcher): void {
  signals.emit('messageReleased', { ...ABOUT, delayMs: 0, error: new Error('no') });
  signals.emit('messageExpired', ABOUT);
  signals.emit('messageFailed', { ...ABOUT, reason: 'attempts', error: new Error('no'), body: Buffer.alloc(0) });
}

describe('The status of a worker', () => {
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setInterval', 'clearInterval', 'Date'] });
  });

  afterEach(() => clock.restore());

  /** The last text of the live line. */
  function shown({ err }: FakeOutput): string | undefined {
    return err.split('\r\u001b[2K').at(-1);
  }

  it('is a line on the terminal that tells every second how far it is', async () => {
    const output = terminal();
    const { signals, show } = statusOf(output, false);
    const end = show(() => []);
    finish(signals, 12);
    fail(signals);
    clock.tick(1000);
    expect(shown(output)).to.equal('12 finished (12/s), 0 in progress, 2 retried, 1 buried');
    finish(signals, 3);
    clock.tick(1000);
    expect(shown(output)).to.equal('15 finished (3/s), 0 in progress, 2 retried, 1 buried');
    end();
    expect([output.out, shown(output), clock.countTimers()]).to.deep.equal(['', '', 0]);
  });

  it('says which queues are paused', () => {
    const output = terminal();
    const until = new Date('2026-01-01T00:01:30Z');
    const pauses = [{ queue: 'mail', until }];
    const end = statusOf(output, false).show(() => pauses);
    clock.tick(1000);
    expect(shown(output)).to.match(/^mail is paused until 2026-01-01 00:01:30Z; 0 finished/);
    pauses.push({ queue: 'sms', until });
    clock.tick(1000);
    expect(shown(output)).to.match(/^2 queues are paused; 0 finished/);
    end();
  });

  it('counts messages that are with their slots', async () => {
    const output = terminal();
    const { signals, show } = statusOf(output, false);
    const end = show(() => []);
    const answers: (() => void)[] = [];
    signals.connect('messageReceived', ({ data }) => {
      if (data === 'fails') throw new Error('no');
      return new Promise<void>((resolve) => answers.push(resolve));
    });
    const calls = await Promise.all(
      [1, 2, 'fails'].map((data) => signals.prepare({ ...MESSAGE, data }, (_, given) => given)),
    );
    const context = { signal: new AbortController().signal } as never;
    const running = calls.map((call) => Promise.resolve(call?.(context)).catch(() => 'failed'));
    expect(await running[2]).to.equal('failed');
    clock.tick(1000);
    expect(shown(output)).to.match(/ 2 in progress,/);
    answers[0]?.();
    await running[0];
    clock.tick(1000);
    expect(shown(output)).to.match(/ 1 in progress,/);
    end();
  });

  it('knows when there is no slot for a message', async () => {
    const { signals } = statusOf(terminal(), false);
    expect(await signals.prepare(MESSAGE, (_, data) => data)).to.equal(null);
  });

  it('stays below what slots print, only where that goes to the same terminal', () => {
    const output = terminal();
    Object.assign(output.stdout, { isTTY: false });
    const end = statusOf(output, false).show(() => []);
    clock.tick(1000);
    const before = output.err;
    output.stdout.write('to a file\n');
    expect(output.err).to.equal(before);
    end();
  });

  it('is a line for each minute in which something has happened, where there is no terminal', () => {
    const output = new FakeOutput();
    const { signals, show } = statusOf(output, false);
    const end = show(() => []);
    finish(signals, 12);
    fail(signals);
    clock.tick(59_999);
    expect(output.out).to.equal('');
    clock.tick(1);
    clock.tick(120_000);
    finish(signals, 1);
    clock.tick(60_000);
    expect(output.lines).to.deep.equal([
      '00:01:00Z in the last minute: 12 finished, 2 retried, 1 buried',
      '00:04:00Z in the last minute: 1 finished, 0 retried, 0 buried',
    ]);
    end();
    expect([output.err, clock.countTimers()]).to.deep.equal(['', 0]);
  });

  it('is a record a minute with --json, even on a terminal', () => {
    const output = terminal();
    const { signals, show } = statusOf(output, true);
    const end = show(() => []);
    finish(signals, 2);
    clock.tick(60_000);
    end();
    expect(JSON.parse(output.out)).to.deep.equal({
      time: '1970-01-01T00:01:00.000Z',
      summary: { finished: 2, retried: 0, buried: 0 },
    });
    expect(output.err).to.equal('');
  });
});
