import { expect } from 'chai';
import { CommanderError } from 'commander';
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
    expect(calls).to.deep.equal([['peek', 'mail', 'ready', 10], ['close']]);
    expect(output.lines).to.deep.equal([
      'ID  TYPE          AGE  DATA',
      '7   mail.send  1m 30s  {"to":"a@b.example"}',
      '12  sms           10s  "hello"',
    ]);
  });

  it('shows others, and fewer, when asked to', async () => {
    const { calls, output } = holding();
    await harness().run('mail', '--state', 'buried', '--limit', '2');
    expect(calls[0]).to.deep.equal(['peek', 'mail', 'buried', 2]);
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
      'this engine shows only the first message of a state: --limit is at most 1, got 2',
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

  it('refuses a state there is not, and a limit that is none', async () => {
    expect((await rejection(harness().run('mail', '--state', 'lost'), CommanderError)).message).to.contain(
      'Allowed choices are ready, delayed, buried.',
    );
    expect((await rejection(harness().run('mail', '--limit', '-1'), CommanderError)).message).to.contain(
      'Allowed is a whole number that is not negative.',
    );
  });
});
