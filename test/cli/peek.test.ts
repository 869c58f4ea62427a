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
import { storedMessage } from '../support/recording-driver.js';
import { encoded } from '../support/worker-harness.js';
import { CommandHarness, count, terminal, useCommand, useEnvironment } from './harness.js';

const FAILURE = { ...toFailure('no\nroute', { reason: 'attempts', attempt: 1, at: new Date(9) }), name: 'Error' };

function stored(
  jobId: string,
  message: Partial<Message> | string | Buffer,
  more: Partial<StoredMessage> = {},
): StoredMessage {
  const body = typeof message === 'string' || Buffer.isBuffer(message) ? message : encoded(message);
  return storedMessage({ jobId, state: 'ready', body: Buffer.from(body), createdAt: undefined, ...more });
}

describe('haricot peek', () => {
  useEnvironment({ FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });
  const clock = useFakeClock();
  const harness = useCommand(definePeek);

  function holding(...messages: StoredMessage[]): CommandHarness {
    count(harness().driver, { ready: messages.length });
    harness().driver.list = async () => ({ messages });
    return harness();
  }

  it('shows the next ready messages, ten at most', async () => {
    await clock.tickAsync(90_000);
    const { output, calls } = holding(
      stored('7', { time: new Date(10), data: { to: 'a@b.example' } }),
      stored('12', { time: new Date(80_000), type: 'sms', data: 'hello' }),
    );
    await harness().run('mail');
    expect(calls).to.deep.equal([
      ['stats', ['mail']],
      ['list', 'mail', { state: 'ready', limit: 10, after: undefined }],
      ['close'],
    ]);
    expect(output.lines).to.deep.equal([
      'ID  TYPE          AGE  DATA',
      '7   mail.send  1m 30s  {"to":"a@b.example"}',
      '12  sms           10s  "hello"',
    ]);
  });

  it('shows other states, and fewer or all, when asked to', async () => {
    const { output } = holding();
    await harness().run('mail', '--state', 'buried', '--limit', '2');
    await harness().run('mail', '--state', 'reserved', '--all');
    expect(
      harness()
        .callsOf('list')
        .map(([, , options]) => options),
    ).to.deep.equal([
      { state: 'buried', limit: 2, after: undefined },
      { state: 'reserved', limit: 500, after: undefined },
    ]);
    expect(output.lines).to.deep.equal(['no buried messages in "mail"', 'no reserved messages in "mail"']);
  });

  it('shows the whole of one message, whatever its state', async () => {
    const id = await harness()
      .queue()
      .publish('mail.send', { to: 'a' }, { delay: '1h', headers: { tenant: 'b' } });
    await harness().run('mail', id);
    expect(harness().output.lines.filter((line) => !/^(Message id|Published)/.test(line))).to.deep.equal([
      `Id:          ${id}`,
      'Queue:       mail',
      'State:       delayed until 1970-01-01 01:00:00Z',
      'Type:        mail.send',
      'Source:      /haricot/mail',
      'Priority:    1024',
      'TTR:         1m',
      'Attempts:    0',
      'Header:      tenant=b',
      'Data:',
      '  {',
      '    "to": "a"',
      '  }',
    ]);
    await harness().run('mail', id, '--json');
    expect(JSON.parse(harness().output.lines.at(-1) ?? '')).to.deep.include({ jobId: id, state: 'delayed' });
    const { code, message } = await rejection(harness().run('mail', '77'), CommandFailedError);
    expect([code, message]).to.deep.equal(['NOT_FOUND', 'cannot show message 77 of "mail": it is not there']);
  });

  it('refuses options of a list together with an id', async () => {
    for (const args of [['--state', 'ready'], ['--limit', '2'], ['--all']]) {
      const { message } = await rejection(harness().run('mail', '7', ...args), UsageError);
      expect(message).to.match(new RegExp(`^cannot use ${args[0]} together with an id: `));
    }
    expect(harness().calls).to.deep.equal([]);
  });

  it('shows why a message was buried or has failed before, where the engine keeps that', async () => {
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
    await harness().run('mail');
    expect(output.lines.at(-2)).to.equal('  failed: no route');
  });

  it('shows what cannot be read as a message', async () => {
    const { output } = holding(stored('7', 'plain \u001b[31mtext'), stored('8', Buffer.from([0xff, 0xfe, 0x00])));
    await harness().run('mail');
    expect(output.lines.slice(1)).to.deep.equal([
      '7   (unreadable)    -  plain \\u001b[31mtext',
      '8   (unreadable)    -  (3 bytes)',
    ]);
  });

  it('reads what other programs have written, where it is told how', async () => {
    const { output } = holding(stored('7', '{"qty":1}'));
    await harness().run('mail', '--codec', 'json', '--type', 'order.placed');
    await harness().run('mail', '--codec', 'raw', '--type', 'bytes');
    expect(output.lines.filter((line) => line.startsWith('7'))).to.deep.equal([
      '7   order.placed    -  {"qty":1}',
      '7   bytes    -  (9 bytes)',
    ]);
    expect((await rejection(harness().run('mail', '--codec', 'json'), InvalidOptionError)).message).to.match(
      /^--type must be given where --codec is json, got none: the bodies do not tell it$/,
    );
  });

  it('says how many bytes data has that is no text', async () => {
    const { output } = holding(stored('7', { data: new Uint8Array(5) }), stored('8', { data: undefined }));
    await harness().run('mail');
    expect(output.lines.slice(1)).to.deep.equal(['7   mail.send    -  (5 bytes)', '8   mail.send    -']);
  });

  it('shows bytes whole as base64, and text as it is', async () => {
    harness().driver.find = async (_, id) =>
      id === '7' ? stored('7', { data: new Uint8Array([255]) }) : stored('8', 'a\nb');
    await harness().run('mail', '7');
    expect(harness().output.lines.slice(-3)).to.deep.equal(['Data:', '  (1 byte), as base64:', '  /w==']);
    await harness().run('mail', '8');
    expect(harness().output.lines.slice(-3)).to.deep.equal(['Body:', '  a', '  b']);
  });

  it('shortens data: for a terminal to its width, else to 60 characters', async () => {
    const message = stored('7', { data: 'x'.repeat(500) });
    await holding(message).run('mail');
    expect(harness().output.lines[1]).to.equal(`7   mail.send    -  "${'x'.repeat(58)}…`);
    const screen = terminal(100);
    const wide = new CommandHarness(definePeek, screen);
    count(wide.driver, {});
    wide.driver.list = async () => ({ messages: [message] });
    await wide.run('mail');
    expect(screen.lines[1])
      .to.have.length(100)
      .and.to.match(/^7 {3}mail\.send {4}- {2}"x+…$/);
  });

  describe('where the engine shows only the first message of a state, or none', () => {
    beforeEach(() => {
      const list = { ready: 'first', delayed: 'first', reserved: 'none' } as const;
      harness().driver.capabilities = { ...harness().driver.capabilities, list };
    });

    it('shows one by default, and refuses more', async () => {
      holding();
      await harness().run('mail');
      await harness().run('mail', '--limit', '0');
      await harness().run('mail', '--state', 'buried');
      expect(
        harness()
          .callsOf('list')
          .map(([, , options]) => options),
      ).to.deep.equal([
        { state: 'ready', limit: 1, after: undefined },
        { state: 'buried', limit: 10, after: undefined },
      ]);
      for (const [args, message] of [
        [
          ['--limit', '2'],
          '--limit must be at most 1 for ready messages, got 2: this engine shows only the first of them',
        ],
        [
          ['--all', '--state', 'delayed'],
          '--all must be at most 1 for delayed messages, got all: this engine shows only the first of them',
        ],
        [
          ['--state', 'reserved'],
          '--state must be a state whose messages this engine can show, got "reserved"; haricot peek <queue> <id> shows one by its id',
        ],
      ] as const) {
        expect((await rejection(harness().run('mail', ...args), InvalidOptionError)).message).to.equal(message);
      }
    });
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
    const more = { state: 'buried', createdAt: new Date(6000), dueAt: undefined, failure: FAILURE } as const;
    holding(stored('7', message, more));
    await harness().run('mail', '--state', 'buried', '--json');
    const { id: messageId, time: _, ...told } = message;
    expect(harness().records).to.deep.equal([
      {
        ...{ queue: 'mail', state: 'buried', jobId: '7', priority: 1024, ttrMs: 60_000, attempts: 1 },
        createdAt: '1970-01-01T00:00:06.000Z',
        failure: { ...FAILURE, at: FAILURE.at.toISOString() },
        ...told,
        ...{ messageId, type: 'mail.send', time: '1970-01-01T00:00:05.000Z', body },
      },
    ]);
  });

  it('has no data with --json that is no JSON, no time that nobody knows, and bytes as base64', async () => {
    holding(stored('7', { data: new Uint8Array(2) }), stored('8', 'text'), stored('9', Buffer.from([0xff])));
    await harness().run('mail', '--json');
    const [bytes, ...unreadable] = harness().records;
    expect(bytes).to.have.keys(
      ...['queue', 'state', 'jobId', 'type', 'messageId', 'source', 'headers', 'body'],
      ...['priority', 'ttrMs', 'attempts'],
    );
    const about = { queue: 'mail', state: 'ready', priority: 1024, ttrMs: 60_000, attempts: 1 };
    expect(unreadable).to.deep.equal([
      { ...about, jobId: '8', body: 'text' },
      { ...about, jobId: '9', bodyBase64: '/w==' },
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

    it('says so with --json and for the whole of one, and gives the body as it is', async () => {
      holding(stored('7', event), stored('8', { data: 5 }));
      await harness().run('mail', '--json');
      const [first, second] = harness().records;
      expect(first).to.include({ jobId: '7', dataError: '(nested too deeply to be shown)', body: event });
      expect(second).to.include({ jobId: '8', data: 5 });
      harness().driver.find = async () => stored('7', event);
      await harness().run('mail', '7');
      expect(harness().output.lines.at(-1)).to.equal('  (nested too deeply to be shown)');
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
    count(driver, { pausedUntil: new Date('2026-01-01T00:01:30Z') });
    await harness().run('mail');
    expect(output.err).to.equal('haricot: "mail" is paused until 2026-01-01 00:01:30Z\n');
    count(driver, null);
    expect((await rejection(harness().run('nosuch'), CommandFailedError)).code).to.equal('NO_QUEUE');
  });

  it('refuses a state there is not, and a limit that is none', async () => {
    expect((await rejection(harness().run('mail', '--state', 'lost'), CommanderError)).message).to.contain(
      'Allowed choices are ready, delayed, reserved, buried.',
    );
    expect((await rejection(harness().run('mail', '--limit', '-1'), CommanderError)).message).to.contain(
      'a whole number of at least 0',
    );
  });
});
