import { expect } from 'chai';
import { CommanderError } from 'commander';
import { CommandFailedError, UsageError } from '../../src/cli/errors.js';
import { definePeek } from '../../src/cli/peek.js';
import type { StoredMessage } from '../../src/queue/driver.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { toFailure } from '../../src/queue/failure.js';
import type { Message } from '../../src/queue/message.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { encoded } from '../support/worker-harness.js';
import { CommandHarness, terminal, useCommand, useEnvironment } from './harness.js';

const FAILURE = toFailure('no\nroute', { reason: 'attempts', attempt: 1 });

function stored(
  id: string,
  message: Partial<Message> | string | Buffer,
  more: Partial<StoredMessage> = {},
): StoredMessage {
  const body = typeof message === 'string' || Buffer.isBuffer(message) ? message : encoded(message);
  return { id, state: 'ready', body: Buffer.from(body), ...more };
}

describe('haricot peek', () => {
  useEnvironment({ FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });
  const clock = useFakeClock();
  const harness = useCommand(definePeek);

  function holding(...messages: StoredMessage[]): CommandHarness {
    const { driver } = harness();
    driver.peek = async (...args) => {
      driver.calls.push(['peek', ...args]);
      return messages;
    };
    return harness();
  }

  it('shows the next ready messages, ten at most', async () => {
    await clock.tickAsync(90_000);
    const { output, calls } = holding(
      stored('7', { time: new Date(10), data: { to: 'a@b.example' } }),
      stored('12', { time: new Date(80_000), type: 'sms', data: 'hello' }),
    );
    await harness().run('mail');
    expect(calls).to.deep.equal([['stats', 'mail'], ['peek', 'mail', 'ready', 10], ['close']]);
    expect(output.lines).to.deep.equal([
      'ID  TYPE          AGE  DATA',
      '7   mail.send  1m 30s  {"to":"a@b.example"}',
      '12  sms           10s  "hello"',
    ]);
  });

  it('shows others, and fewer, when asked to', async () => {
    const { calls, output } = holding();
    await harness().run('mail', '--state', 'buried', '--limit', '2');
    expect(calls[1]).to.deep.equal(['peek', 'mail', 'buried', 2]);
    expect(output.out).to.equal('no buried messages in "mail"\n');
  });

  it('shows why a message was buried, where the engine keeps that', async () => {
    const { output } = holding(
      stored('7', { data: 5 }, { state: 'buried', failure: FAILURE }),
      stored('8', { data: 6 }, { state: 'buried' }),
    );
    await harness().run('mail', '--state', 'buried');
    expect(output.lines.slice(1)).to.deep.equal([
      '7   mail.send    -  5',
      '  buried: no route',
      '8   mail.send    -  6',
    ]);
  });

  it('shows what cannot be read as a message', async () => {
    const { output } = holding(stored('7', 'plain \u001b[31mtext'), stored('8', Buffer.from([0xff, 0xfe, 0x00])));
    await harness().run('mail');
    expect(output.lines.slice(1)).to.deep.equal([
      '7   (unreadable)    -  plain \\u001b[31mtext',
      '8   (unreadable)    -  (3 bytes)',
    ]);
  });

  it('says how many bytes data has that is no text', async () => {
    const { output } = holding(stored('7', { data: new Uint8Array(5) }), stored('8', { data: undefined }));
    await harness().run('mail');
    expect(output.lines.slice(1)).to.deep.equal(['7   mail.send    -  (5 bytes)', '8   mail.send    -']);
  });

  it('shortens data: for a terminal to its width, else to 60 characters', async () => {
    const message = stored('7', { data: 'x'.repeat(500) });
    await holding(message).run('mail');
    expect(harness().output.lines[1]).to.equal(`7   mail.send    -  "${'x'.repeat(58)}…`);
    const wide = new CommandHarness((command) => definePeek(command, screen));
    const screen = terminal(100);
    wide.driver.peek = async () => [message];
    await wide.run('mail');
    expect(screen.lines[1])
      .to.have.length(100)
      .and.to.match(/^7 {3}mail\.send {4}- {2}"x+…$/);
  });

  it('shows one message by default where the engine shows only the first', async () => {
    const { driver, calls } = holding();
    driver.capabilities = { ...driver.capabilities, peekMany: false };
    await harness().run('mail');
    await harness().run('mail', '--limit', '0');
    expect(calls.filter(([call]) => call === 'peek')).to.deep.equal([
      ['peek', 'mail', 'ready', 1],
      ['peek', 'mail', 'ready', 0],
    ]);
    expect((await rejection(harness().run('mail', '--limit', '2'), InvalidOptionError)).message).to.equal(
      '--limit must be at most 1, got 2: this engine shows only the first message of a state',
    );
  });

  it('is everything with --json: what was read, and the body to the byte', async () => {
    const message = {
      id: 'm1',
      source: '/shop',
      headers: { tenant: 'a' },
      time: new Date(5000),
      data: { to: 'a\u001bb' },
    };
    const body = Buffer.from(encoded(message)).toString();
    holding(stored('7', message, { state: 'buried', failure: FAILURE }));
    await harness().run('mail', '--state', 'buried', '--json');
    const { time: _, ...told } = message;
    const about = {
      queue: 'mail',
      state: 'buried',
      id: '7',
      failure: { ...FAILURE, at: FAILURE.at.toISOString() },
      messageId: 'm1',
      type: 'mail.send',
    };
    const { id: __, ...rest } = told;
    expect(harness().records).to.deep.equal([{ ...about, ...rest, time: '1970-01-01T00:00:05.000Z', body }]);
  });

  it('has no data with --json that is no JSON, no time that nobody knows, and bytes as base64', async () => {
    holding(stored('7', { data: new Uint8Array(2) }), stored('8', 'text'), stored('9', Buffer.from([0xff])));
    await harness().run('mail', '--json');
    const [bytes, ...unreadable] = harness().records;
    expect(bytes).to.have.keys(['queue', 'state', 'id', 'type', 'messageId', 'source', 'headers', 'body']);
    expect(unreadable).to.deep.equal([
      { queue: 'mail', state: 'ready', id: '8', body: 'text' },
      { queue: 'mail', state: 'ready', id: '9', bodyBase64: '/w==' },
    ]);
  });

  describe('where a message is nested too deeply', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const event = Buffer.from(encoded({ data: 'DEEP' }))
      .toString()
      .replace('"DEEP"', deep);

    it('says so, and shows the others as ever', async () => {
      holding(stored('7', event), stored('8', { data: 5 }));
      await harness().run('mail');
      expect(harness().output.lines[1]).to.match(/^7 +mail\.send +- +\(nested too deeply to be shown\)$/);
      expect(harness().output.lines[2]).to.match(/^8 .* 5$/);
    });

    it('says so with --json, and gives the body as it is', async () => {
      holding(stored('7', event), stored('8', { data: 5 }));
      await harness().run('mail', '--json');
      const [first, second] = harness().records as Record<string, unknown>[];
      expect(first).to.include({ id: '7', dataError: '(nested too deeply to be shown)', body: event });
      expect(second).to.include({ id: '8', data: 5 });
    });
  });

  it('takes no longer for a type of many blanks', async () => {
    holding(stored('7', { type: `x${' '.repeat(60_000)}y` }), stored('8', ' '.repeat(100_000)));
    const began = process.hrtime.bigint();
    await harness().run('mail');
    expect(Number(process.hrtime.bigint() - began) / 1e9).to.be.below(2);
    expect(
      harness()
        .output.lines.map(({ length }) => length)
        .every((length) => length < 200),
    ).to.equal(true);
  });

  it('shows whatever a message has in it without its tricks', async () => {
    const hidden = '\u007f\u0085\u009b\u00ad\u061c\u200b\u202e\ufeff\u{e0041}';
    holding(
      stored('7', { type: `t${hidden}`, data: hidden }, { state: 'buried', failure: { ...FAILURE, message: hidden } }),
      stored('8', hidden),
    );
    await harness().run('mail', '--state', 'buried');
    await harness().run('mail', '--state', 'buried', '--json');
    expect(harness().output.out).to.match(/^[ -~\n…]+$/);
    const record = JSON.parse(harness().output.lines.at(-2) ?? '') as Record<string, unknown>;
    expect(record).to.include({ type: `t${hidden}`, data: hidden });
    expect(record).to.have.nested.property('failure.message', hidden);
  });

  it('says until when the queue is paused, and fails where there is none', async () => {
    const { driver, output } = holding();
    const counts = { ready: 0, delayed: 0, reserved: 0, buried: 0 };
    driver.stats = async () => ({ ...counts, pausedUntil: new Date('2026-01-01T00:01:30Z') });
    await harness().run('mail');
    expect(output.err).to.equal('haricot: "mail" is paused until 2026-01-01 00:01:30Z\n');
    driver.stats = async () => null;
    expect((await rejection(harness().run('nosuch'), CommandFailedError)).code).to.equal('NO_QUEUE');
  });

  it('refuses a number as an argument, and shows how to say it', async () => {
    expect((await rejection(harness().run('mail', '8'), UsageError)).message).to.equal(
      'peek takes no count as an argument, got "8": haricot peek <queue> --limit 8',
    );
  });

  it('refuses a state there is not, and a limit that is none', async () => {
    expect((await rejection(harness().run('mail', '--state', 'lost'), CommanderError)).message).to.contain(
      'Allowed choices are ready, delayed, buried.',
    );
    expect((await rejection(harness().run('mail', '--limit', '-1'), CommanderError)).message).to.contain(
      'Allowed is a whole number that is not negative.',
    );
  });
});
