import { expect } from 'chai';
import { CommandFailedError, UsageError } from '../../src/cli/errors.js';
import { defineFailed } from '../../src/cli/failed.js';
import type { StoredMessage } from '../../src/queue/driver.js';
import { rejection } from '../support/failures.js';
import { storedMessage } from '../support/recording-driver.js';
import { encoded } from '../support/worker-harness.js';
import { CommandHarness, count, terminal, useCommand, useEnvironment } from './harness.js';

const AT = new Date('2026-01-02T03:04:05.678Z');

describe('haricot failed', () => {
  useEnvironment({ FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });
  const harness = useCommand(defineFailed);

  it('lists buried messages with type, time, attempts, reason and error, those buried first first', async () => {
    const queue = harness().queue();
    const first = await queue.buried('mail.send', 1, { at: AT });
    const second = await queue.buried('sms', 2, { at: AT, reason: 'invalid', name: 'SchemaError', message: 'no\nto' });
    await queue.publish('mail.send', 3);
    await harness().run('mail');
    expect(harness().output.lines).to.deep.equal([
      'ID  TYPE       FAILED                ATTEMPTS  REASON',
      `${first}   mail.send  2026-01-02 03:04:05Z         1  attempts`,
      '  no route',
      `${second}   sms        2026-01-02 03:04:05Z         1  invalid`,
      '  SchemaError: no to',
    ]);
    expect(harness().output.err).to.equal('');
  });

  it('lists those of a type, of a reason, or of both', async () => {
    const queue = harness().queue();
    await queue.buried('mail.send', 1);
    await queue.buried('sms', 2);
    await queue.buried('sms', 3, { reason: 'invalid' });
    const listed = async (...args: string[]): Promise<unknown[]> => {
      harness().output.out = '';
      await harness().run('mail', ...args, '--json');
      return harness().records.map(({ data }) => data);
    };
    expect(await listed('--type', 'sms')).to.deep.equal([2, 3]);
    expect(await listed('--reason', 'attempts')).to.deep.equal([1, 2]);
    expect(await listed('--type', 'sms', '--reason', 'invalid')).to.deep.equal([3]);
    harness().output.out = '';
    await harness().run('mail', '--type', 'fax', '--reason', 'invalid');
    expect(harness().output.out).to.equal('no message of type "fax" with reason "invalid" is buried in "mail"\n');
  });

  it('lists ten, or so many, or all of many, and says that there are more', async () => {
    for (let n = 0; n < 12; n++) await harness().queue().buried('mail.send', n);
    const { output } = harness();
    await harness().run('mail');
    expect([output.lines.length, output.err]).to.deep.equal([
      21,
      'haricot: there are more, 12 in all: see --limit and --all\n',
    ]);
    output.err = '';
    await harness().run('mail', '--limit', '2', '--type', 'mail.send');
    expect([output.lines.length, output.err]).to.deep.equal([26, 'haricot: there are more: see --limit and --all\n']);
    output.err = '';
    await harness().run('mail', '--all');
    expect([output.lines.length, output.err]).to.deep.equal([51, '']);
    await harness().run('mail', '--limit', '0');
    expect([output.lines.at(-1), output.err]).to.deep.equal(['nothing to show: --limit is 0', '']);
  });

  it('asks for all of very many page by page', async () => {
    const pages = [600, 500, 100].map((amount) => Array.from({ length: amount }, () => storedMessage()));
    count(harness().driver, { buried: 1200 });
    harness().driver.list = async (_, { after = '0' }) => ({
      messages: pages[Number(after)] ?? [],
      next: after === '2' ? undefined : String(Number(after) + 1),
    });
    await harness().run('mail', '--all');
    expect(harness().output.lines).to.have.length(1201);
    expect(
      harness()
        .callsOf('list')
        .map(([, , options]) => options),
    ).to.deep.equal([
      { state: 'buried', limit: 500, after: undefined },
      { state: 'buried', limit: 500, after: '1' },
      { state: 'buried', limit: 500, after: '2' },
    ]);
  });

  it('is everything with --json, the stack too', async () => {
    const id = await harness().queue().buried('mail.send', { to: 'a' }, { at: AT, stack: 'Error: no route\n    at x' });
    await harness().run('mail', '--json');
    const [record] = harness().records;
    expect(record).to.deep.include({ jobId: id, queue: 'mail', state: 'buried', type: 'mail.send', attempts: 1 });
    expect(record).to.deep.include({ data: { to: 'a' } });
    expect(record?.['failure']).to.deep.equal({
      reason: 'attempts',
      name: 'Error',
      message: 'no route',
      stack: 'Error: no route\n    at x',
      causes: [],
      attempt: 1,
      at: AT.toISOString(),
    });
  });

  it('shows one message whole: data, headers, the error with its stack and its causes', async () => {
    const time = new Date('2026-01-01T00:00:00Z');
    const message = { id: 'm1', time, headers: { tenant: 'a' }, source: '/shop', data: { to: 'a', list: [1] } };
    const stack = 'TypeError: no\nroute\n    at send (mail.js:1:2)\n    at next (worker.js:3:4)';
    holding({
      jobId: '42',
      body: Buffer.from(encoded(message)),
      attempts: 5,
      createdAt: time,
      failure: {
        ...{ reason: 'attempts', name: 'TypeError', message: 'no\nroute', attempt: 5, at: AT },
        stack,
        causes: [{ name: 'Error', message: 'reset' }],
      },
    });
    await harness().run('mail', '42');
    expect(harness().output.lines).to.deep.equal([
      'Id:          42',
      'Queue:       mail',
      'State:       buried',
      'Type:        mail.send',
      'Message id:  m1',
      'Source:      /shop',
      'Published:   2026-01-01 00:00:00Z',
      'Priority:    1024',
      'TTR:         1m',
      'Attempts:    5',
      'Header:      tenant=a',
      'Data:',
      '  {',
      '    "to": "a",',
      '    "list": [',
      '      1',
      '    ]',
      '  }',
      'Failed:      2026-01-02 03:04:05Z',
      'Reason:      attempts, at attempt 5',
      'Error:',
      '  TypeError: no',
      '  route',
      '      at send (mail.js:1:2)',
      '      at next (worker.js:3:4)',
      'Caused by:',
      '  Error: reset',
    ]);
    await harness().run('mail', '42', '--json');
    expect(JSON.parse(harness().output.lines.at(-1) ?? '')).to.deep.include({ jobId: '42', messageId: 'm1' });
  });

  it('shows of a message whatever can be read, and an error without a stack', async () => {
    const failure = { reason: 'undecodable', name: 'DecodeError', message: 'no JSON', stack: '', causes: [] };
    holding({ body: Buffer.from('plain\u001b[2J'), failure: { ...failure, attempt: undefined, at: new Date(0) } });
    await harness().run('mail', '7');
    expect(harness().output.lines.slice(3)).to.deep.equal([
      'Type:        (unreadable)',
      'Priority:    1024',
      'TTR:         1m',
      'Attempts:    1',
      'Unreadable:  the body must be JSON, got 9 bytes that are not',
      'Body:',
      '  plain\\u001b[2J',
      'Reason:      undecodable',
      'Error:',
      '  DecodeError: no JSON',
    ]);
  });

  it('lets nothing of a message play tricks on the terminal', async () => {
    const hidden = '\u007f\u0085\u009b\u00ad\u061c\u200b\u202e\ufeff\u{e0041}';
    const failure = {
      reason: hidden,
      name: hidden,
      message: hidden,
      stack: `${hidden}\n at ${hidden}`,
      attempt: 1,
      at: AT,
    };
    const message = { type: `t${hidden}`, data: hidden, id: hidden, source: '/x', headers: { [hidden]: hidden } };
    holding({
      body: Buffer.from(encoded(message)),
      failure: { ...failure, causes: [{ name: hidden, message: hidden }] },
    });
    for (const args of [['mail'], ['mail', '7'], ['mail', '--json'], ['mail', '7', '--json']])
      await harness().run(...args);
    expect(harness().output.out).to.match(/^[ -~\n…]+$/);
  });

  it('reads what other programs have written, where it is told how', async () => {
    const queue = harness().queue();
    await queue.put('{"qty":1}');
    await queue.bury();
    await harness().run('mail', '--codec', 'json', '--type', 'order.placed', '--json');
    expect(harness().records[0]).to.deep.include({ type: 'order.placed', data: { qty: 1 } });
  });

  it('refuses a message that is not buried, or not there', async () => {
    const id = await harness().queue().publish('mail.send', 1);
    for (const [given, message] of [
      [
        id,
        `cannot show the failure of message ${id} of "mail": it is ready, not buried; haricot peek mail ${id} shows it`,
      ],
      ['77', 'cannot show message 77 of "mail": it is not there'],
    ] as const) {
      const error = await rejection(harness().run('mail', given), CommandFailedError);
      expect([error.code, error.message]).to.deep.equal(['NOT_FOUND', message]);
    }
    expect((await rejection(harness().run('nosuch', '7'), CommandFailedError)).code).to.equal('NO_QUEUE');
    expect((await rejection(harness().run('nosuch'), CommandFailedError)).code).to.equal('NO_QUEUE');
  });

  it('refuses options of the list together with an id', async () => {
    for (const args of [['--all'], ['--limit', '1'], ['--reason', 'invalid'], ['--type', 'sms']]) {
      expect((await rejection(harness().run('mail', '7', ...args), UsageError)).message).to.equal(
        `cannot use ${args[0]} together with an id: it shows one message`,
      );
    }
  });

  describe('where the engine knows only what its driver has buried', () => {
    beforeEach(() => {
      harness().driver.capabilities = { ...harness().driver.capabilities, failures: 'buried' };
    });

    it('says how many others there are, and that the first of them is shown', async () => {
      holding({ jobId: '1', failure: undefined }, FAILED);
      count(harness().driver, { buried: 5 });
      await harness().run('mail');
      expect(harness().output.lines).to.have.length(4);
      expect(harness().output.err).to.equal('haricot: 4 buried by other programs, the first of them shown\n');
    });

    it('says how many there are where none is shown, and nothing where there are none', async () => {
      holding(FAILED);
      count(harness().driver, { buried: 3 });
      await harness().run('mail');
      expect(harness().output.err).to.equal('haricot: 2 buried by other programs\n');
      count(harness().driver, { buried: 1 });
      await harness().run('mail');
      expect(harness().output.err).to.equal('haricot: 2 buried by other programs\n');
    });

    it('says nothing of them where a part is listed, or with --json', async () => {
      holding(FAILED);
      count(harness().driver, { buried: 3 });
      await harness().run('mail', '--json');
      await harness().run('mail', '--reason', 'attempts');
      expect(harness().output.err).to.equal('');
    });
  });

  it('fits a terminal, and stands out there', async () => {
    const screen = terminal(60);
    const wide = new CommandHarness(defineFailed, screen);
    await wide.queue().buried('x'.repeat(500), 1, { reason: 'y'.repeat(500), at: AT });
    await wide.run('mail');
    expect(screen.lines[1]).to.have.length(60);
    expect(screen.lines[0]).to.contain('\u001b[2mID');
    expect(screen.lines[2]).to.equal('\u001b[31m  no route\u001b[39m');
  });

  const FAILED: Partial<StoredMessage> = {
    jobId: '2',
    body: Buffer.from(encoded({})),
    failure: { reason: 'attempts', name: 'Error', message: 'no', stack: '', causes: [], attempt: 1, at: AT },
  };

  /** Lets the engine have these messages, all buried. */
  function holding(...messages: Partial<StoredMessage>[]): void {
    const stored = messages.map(storedMessage);
    count(harness().driver, { buried: stored.length });
    harness().driver.list = async () => ({ messages: stored });
    harness().driver.find = async (_, id) => stored.find(({ jobId }) => jobId === id) ?? null;
  }
});
