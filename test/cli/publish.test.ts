import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { CommanderError } from 'commander';
import { CommandFailedError, UsageError } from '../../src/cli/errors.js';
import { definePublish } from '../../src/cli/publish.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import type { StoredMessage } from '../../src/queue/driver.js';
import { EngineError, InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import { useCommand } from './harness.js';

describe('haricot publish', () => {
  let input: Readable & { isTTY?: boolean };
  const harness = useCommand((command, output) => definePublish(command, output, input));
  const haricot = (...args: string[]): Promise<void> => harness().run(...args);

  beforeEach(() => {
    input = Readable.from([]);
  });

  /** What is in the queue. */
  async function stored(state: 'ready' | 'delayed' = 'ready'): Promise<readonly StoredMessage[]> {
    return (await harness().driver.list('mail', { state, limit: 10_000 })).messages;
  }

  async function storedData(): Promise<unknown[]> {
    return (await stored()).map(({ body }) => cloudEvents.decode(body).data);
  }

  it('publishes the argument and prints the id', async () => {
    await haricot('mail', 'mail.send', '{"to":"a@b.example"}');
    const [message] = await stored();
    expect(harness().output.out).to.equal(`${message?.jobId}\n`);
    expect(message).to.include({ priority: 1024, ttrMs: 60_000 });
    expect(cloudEvents.decode(message?.body ?? Buffer.alloc(0))).to.deep.include({
      type: 'mail.send',
      data: { to: 'a@b.example' },
      headers: {},
    });
    expect(harness().callsOf('close')).to.have.length(1);
  });

  it('publishes with every option', async () => {
    const options = ['--delay', '30s', '--priority', '0', '--ttr', '2m', '--header', 'a=b', '--header', 'X-C=d'];
    await haricot('mail', 'mail.send', '5', ...options);
    const [message] = await stored('delayed');
    expect(message).to.include({ priority: 0, ttrMs: 120_000 });
    expect(cloudEvents.decode(message?.body ?? Buffer.alloc(0)).headers).to.deep.equal({ a: 'b', 'X-C': 'd' });
  });

  it('writes nothing but the data with --codec json, and the bytes as they are with raw', async () => {
    await haricot('mail', 'order.placed', '{ "qty": 1 }', '--codec', 'json');
    input = Readable.from([Buffer.from([0xff, 0x00, 0x0a])]);
    await haricot('mail', 'bytes', '--codec', 'raw');
    expect((await stored()).map(({ body }) => body.toString('hex'))).to.deep.equal([
      Buffer.from('{"qty":1}').toString('hex'),
      'ff000a',
    ]);
    const { message } = await rejection(
      haricot('mail', 't', '5', '--codec', 'json', '--header', 'a=b'),
      InvalidOptionError,
    );
    expect(message).to.match(/^the headers of a message in queue "mail" must be none, got some/);
  });

  it('prints a record with --json', async () => {
    await haricot('mail', 'mail.send', '5', '--json');
    expect(JSON.parse(harness().output.out)).to.deep.equal({ queue: 'mail', type: 'mail.send', jobId: '1' });
  });

  it('refuses data that is not JSON, and a queue that can have no such name', async () => {
    expect((await rejection(haricot('mail', 'mail.send', 'hello'), InvalidOptionError)).message).to.match(
      /^the data must be JSON, got something else: .*; a string needs its quotes: '"text"'$/,
    );
    input = Readable.from([Buffer.from([0x22, 0xff, 0x22])]);
    expect((await rejection(haricot('mail', 'mail.send'), InvalidOptionError)).message).to.equal(
      'the data must be JSON in UTF-8, got 3 bytes that are not',
    );
    await rejection(haricot('mail box', 'mail.send', '5'), InvalidOptionError);
    await rejection(haricot('mail', '', '5'), InvalidOptionError);
    expect(harness().callsOf('put')).to.deep.equal([]);
  });

  it('publishes what is on standard input where there is no argument', async () => {
    input = Readable.from(['{ "to":\n', '"a@b.example" }\n']);
    await haricot('mail', 'mail.send');
    expect(await storedData()).to.deep.equal([{ to: 'a@b.example' }]);
  });

  it('says that data is missing instead of waiting for somebody to type it', async () => {
    Object.assign(input, { isTTY: true });
    for (const args of [[], ['--lines']]) {
      expect((await rejection(haricot('mail', 'mail.send', ...args), InvalidOptionError)).message).to.match(
        /^the data must be given as the last argument, such as .*, or on standard input, got none$/,
      );
    }
    expect(harness().calls).to.deep.equal([]);
  });

  it('says that standard input is empty', async () => {
    expect((await rejection(haricot('mail', 'mail.send'), InvalidOptionError)).message).to.equal(
      'the data must be JSON, got nothing',
    );
  });

  it('refuses wrong options, and missing arguments', async () => {
    for (const [args, message] of [
      [['mail'], /missing required argument 'type'/],
      [['mail', 't', '5', '--delay', 'soon'], /option '--delay <time>' argument 'soon' is invalid\. a duration/],
      [['mail', 't', '5', '--priority', '4294967296'], /a whole number from 0 to 4294967295/],
      [['mail', 't', '5', '--header', 'a'], /is invalid\. name=value$/],
      [['mail', 't', '5', '--codec', 'xml'], /Allowed choices are cloudevents, json, raw\./],
      [['mail', 't', '5', '6'], /too many arguments/],
      [['mail', 't', '5', '--dealy', '5s'], /unknown option '--dealy'/],
    ] as const) {
      expect((await rejection(haricot(...args), CommanderError)).message).to.match(message);
    }
    expect(harness().calls).to.deep.equal([]);
  });

  it('closes the engine when publishing has failed', async () => {
    const failure = new Error('full');
    harness().driver.put = () => Promise.reject(failure);
    expect(await rejection(haricot('mail', 'mail.send', '5'), Error)).to.equal(failure);
    expect(harness().calls.at(-1)).to.deep.equal(['close']);
    expect(harness().output.out).to.equal('');
  });

  describe('--lines', () => {
    it('publishes a message for each line that is not empty, wherever the parts of the input end', async () => {
      const text = '{"to":"é"}\n\n[1,\t2]\r\n \t\n"last"';
      const bytes = Buffer.from(text);
      for (let at = 0; at <= bytes.length; at++) {
        input = Readable.from([bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0));
        await haricot('mail', 'mail.send', '--lines', '--header', 'a=b', '--priority', '7');
        expect(await storedData(), String(at)).to.deep.equal([{ to: 'é' }, [1, 2], 'last']);
        await harness().driver.flush('mail', ['ready']);
      }
      expect(harness().output.lines[0]).to.equal('published 3 messages');
    });

    it('publishes many in few calls, with every option', async () => {
      input = Readable.from(Array.from({ length: 1200 }, (_, n) => `${n}\n`));
      await haricot('mail', 'mail.send', '--lines', '--header', 'a=b', '--priority', '7');
      expect(await storedData()).to.deep.equal(Array.from({ length: 1200 }, (_, n) => n));
      const [message] = await stored();
      expect(message?.priority).to.equal(7);
      expect(cloudEvents.decode(message?.body ?? Buffer.alloc(0)).headers).to.deep.equal({ a: 'b' });
      expect(
        harness()
          .callsOf('put')
          .map(([, items]) => (items as unknown[]).length),
      ).to.deep.equal([500, 500, 200]);
    });

    it('reads a file, writes with other codecs, and prints a record with --json', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'haricot-lines-'));
      const file = join(folder, 'lines');
      await writeFile(file, 'a\nb\n');
      await haricot('mail', 'text', file, '--lines', '--codec', 'raw', '--json');
      expect((await stored()).map(({ body }) => body.toString())).to.deep.equal(['a', 'b']);
      expect(harness().records).to.deep.equal([{ queue: 'mail', type: 'text', published: 2 }]);
      await rm(folder, { recursive: true });
      for (const missing of [file, tmpdir(), '{"to":"a"}']) {
        expect((await rejection(haricot('mail', 'text', missing, '--lines'), UsageError)).message).to.match(
          /^the argument after <type> must be the name of a file where --lines is given, got "/,
        );
      }
    });

    it('publishes nothing where there is nothing', async () => {
      await haricot('mail', 'mail.send', '--lines');
      expect(harness().output.out).to.equal('published 0 messages\n');
      expect(harness().callsOf('put')).to.deep.equal([]);
    });

    it('says which line is wrong and how many are stored: all before it', async () => {
      input = Readable.from(['1\n\n2\n{\n3\n']);
      const { code, message } = await rejection(haricot('mail', 'mail.send', '--lines'), CommandFailedError);
      expect(code).to.equal('INVALID_LINE');
      expect(message).to.match(
        /^cannot publish line 4: the data must be JSON, got something else: .*; 2 messages are stored$/,
      );
      expect(await storedData()).to.deep.equal([1, 2]);
    });

    it('says so of a line that is JSON and cannot be a message', async () => {
      input = Readable.from(['1\n2\n"\\ud800"\n3\n']);
      const { message } = await rejection(haricot('mail', 'mail.send', '--lines'), CommandFailedError);
      expect(message).to.match(/^cannot publish line 3: .*surrogate.*; 2 messages are stored$/);
      expect(await storedData()).to.deep.equal([1, 2]);
    });

    it('says how many are stored where the input cannot be read to its end', async () => {
      const broken = async function* (): AsyncGenerator<string> {
        yield '1\n2\n3';
        throw new Error('pipe broken');
      };
      input = Readable.from(broken());
      const { message } = await rejection(haricot('mail', 'mail.send', '--lines'), CommandFailedError);
      expect(message).to.equal('cannot publish line 3: pipe broken; 2 messages are stored');
    });

    it('is wrong usage where the first line is wrong: nothing is stored', async () => {
      input = Readable.from(['{\n1\n']);
      expect((await rejection(haricot('mail', 'mail.send', '--lines'), UsageError)).message).to.match(
        /^cannot publish line 1: .*; no message is stored$/,
      );
      input = Readable.from(['1\n']);
      const args = ['--lines', '--codec', 'json', '--header', 'a=b'];
      expect((await rejection(haricot('mail', 't', ...args), UsageError)).message).to.match(
        /^cannot publish line 1: the headers/,
      );
      expect(await stored()).to.deep.equal([]);
    });

    for (const [what, options, told] of [
      ['nothing', { outcome: 'nothing' }, 'cannot publish lines 501 to 503: full; 500 messages are stored'],
      [
        'a part',
        { outcome: 'partial', storedIds: ['1', undefined, '3'] },
        'cannot publish line 502: full; 502 messages are stored',
      ],
      [
        'parts',
        { outcome: 'partial', storedIds: [undefined, '2', undefined] },
        'cannot publish 2 lines from 501 to 503: full; 501 messages are stored',
      ],
      [
        'nobody knows what',
        { outcome: 'unknown' },
        'cannot publish lines 501 to 503: full; 500 messages are stored, and possibly lines 501 to 503',
      ],
      [
        'nobody knows what of a part',
        { outcome: 'unknown', storedIds: ['1', undefined, undefined], unknownAt: [1] },
        'cannot publish lines 502 to 503: full; 501 messages are stored, and possibly line 502',
      ],
    ] as const) {
      it(`says what is stored where the engine has stored ${what} of a call`, async () => {
        const { put } = harness().driver;
        harness().driver.put = async (items, more) => {
          if (items.length === 500) return put.call(harness().driver, items, more);
          throw new EngineError('full', options);
        };
        input = Readable.from(Array.from({ length: 503 }, (_, n) => `${n}\n`));
        expect((await rejection(haricot('mail', 'mail.send', '--lines'), CommandFailedError)).message).to.equal(told);
      });
    }
  });
});
