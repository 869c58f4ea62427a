import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/commands.js';
import { run } from '../../src/cli/program.js';
import { registerDriver } from '../../src/drivers/open.js';
import { FakeOutput } from '../support/fake-output.js';
import { setVariable, terminal, useEnvironment } from './harness.js';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function haricot(args: readonly string[], output = new FakeOutput()): Promise<Ran> {
  const code = await run(args, output);
  return { code, out: output.out, err: output.err };
}

describe('The command line', () => {
  useEnvironment({ HARICOT_URL: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });

  it('helps: what it is, every command, the engines, the environment, an example', async () => {
    const { code, out, err } = await haricot(['--help']);
    expect([code, err]).to.deep.equal([0, '']);
    expect(out).to.match(/^Usage: haricot <command> \[options\]\n\nDefers work: /);
    for (const { name, usage, summary, group } of COMMANDS) {
      expect(out).to.contain(`\n${group}:\n`);
      expect(out).to.contain(`\n  ${`${name} ${usage}`.trimEnd()} `);
      expect(out).to.contain(summary);
    }
    for (const text of [
      'sqlite:./haricot.db',
      'beanstalkd://',
      'HARICOT_URL',
      'NO_COLOR',
      'haricot publish mail mail.send',
    ]) {
      expect(out).to.contain(text);
    }
    expect(Math.max(...out.split('\n').map(({ length }) => length))).to.be.at.most(80);
  });

  it('helps with each command, its global options included', async () => {
    for (const { name } of COMMANDS) {
      for (const args of [
        [name, '--help'],
        ['help', name],
        ['--json', name, '-h'],
      ]) {
        const { code, out, err } = await haricot(args);
        expect([code, err], args.join(' ')).to.deep.equal([0, '']);
        expect(out).to.match(new RegExp(`^Usage: haricot ${name} `));
        expect(out).to.contain('--url <url>').and.to.contain('--json').and.not.to.contain('--version');
      }
    }
  });

  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const option of ['--version', '-V']) {
      expect(await haricot([option])).to.deep.equal({ code: 0, out: `${version}\n`, err: '' });
    }
  });

  it('shows its help on standard error, as wrong usage, when it is told nothing', async () => {
    const { code, out, err } = await haricot([]);
    expect([code, out]).to.deep.equal([2, '']);
    expect(err).to.match(/^Usage: haricot /);
    expect(await haricot(['help'])).to.deep.include({ code: 0, err: '' });
  });

  it('says what is wrong with its arguments on one line, and where to read what is right', async () => {
    for (const [args, message] of [
      [['pubish', 'mail'], 'unknown command "pubish" (did you mean publish?)'],
      [['help', 'pubish'], 'unknown command "pubish" (did you mean publish?)'],
      [['zzz'], 'unknown command "zzz" (see haricot --help)'],
      [['publish', 'mail'], '<type> must be given, got none (see haricot publish --help)'],
      [['publish', 'work'], '<type> must be given, got none (see haricot publish --help)'],
      [['queues', 'mail'], 'the arguments of queues must be none, got 1 (see haricot queues --help)'],
      [['stats', '--quickly'], 'unknown option "--quickly" (see haricot stats --help)'],
      [['peek', 'mail', '--limt', '5'], 'unknown option "--limt" (did you mean --limit?)'],
      [['work', 'mail'], '--slots must be given, got none (see haricot work --help)'],
      [['stats', '--url'], '--url must have a value, got none (see haricot stats --help)'],
      [
        ['publish', 'mail', 't', '5', '--delay', 'so\u001bon'],
        '--delay must be a duration with its unit, such as 500ms, 30s, 5m, 2h or 1d, got "so\\u001bon" (see haricot publish --help)',
      ],
      [['retry', 'mail', '--all', '--limit', '5'], 'cannot use --all together with --limit (see haricot retry --help)'],
    ] as const) {
      expect(await haricot(args), args.join(' ')).to.deep.equal({ code: 2, out: '', err: `haricot: ${message}\n` });
    }
  });

  it('says it as a record with --json, wherever that stands', async () => {
    for (const [args, message] of [
      [['--json'], 'a command must be given, got none (see haricot --help)'],
      [['--json', 'publish', 'mail'], '<type> must be given, got none (see haricot publish --help)'],
      [['publish', 'mail', '--json'], '<type> must be given, got none (see haricot publish --help)'],
      [['pubish', '--json'], 'unknown command "pubish" (did you mean publish?)'],
    ] as const) {
      const { code, out, err } = await haricot(args);
      expect([code, out]).to.deep.equal([2, '']);
      expect(JSON.parse(err)).to.deep.equal({ error: { code: 'USAGE', message } });
    }
  });

  it('says instead of kick what to use', async () => {
    for (const args of [['kick'], ['kick', 'mail', '--all'], ['kick', 'mail', '8', '--odd'], ['kick', '--help']]) {
      const { code, out, err } = await haricot(args);
      expect([code, out]).to.deep.equal([2, '']);
      expect(err).to.equal(
        'haricot: unknown command "kick"; use haricot retry for buried messages, haricot promote for delayed ones\n',
      );
    }
    expect((await haricot(['--help'])).out).not.to.contain('kick');
  });

  it('ends with 2 for other wrong usage, and with 1 where the usage was right', async () => {
    expect(await haricot(['stats', '--url', 'amqp://a'])).to.deep.include({ code: 2, out: '' });
    const failed = await haricot(['stats', '--url', 'sqlite:/nowhere/haricot.db', '--json']);
    expect([failed.code, failed.out]).to.deep.equal([1, '']);
    expect(JSON.parse(failed.err)).to.have.nested.property('error.code', 'NO_DATABASE');
  });

  it('has bold titles on a terminal, and lines that fit it', async () => {
    const { out } = await haricot(['work', '--help'], terminal(60));
    expect(out).to.contain('\u001b[1mOptions:\u001b[22m');
    const description = out.slice(out.indexOf('Takes'), out.indexOf('Examples'));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are
    const lines = description.replace(/\u001b\[\d+m/g, '').split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).to.be.within(50, 60);
    setVariable('NO_COLOR', '1');
    expect((await haricot(['work', '--help'], terminal(60))).out).not.to.contain('\u001b');
  });

  it('has no lines that are hard to read, however wide the terminal is', async () => {
    const { out } = await haricot(['work', '--help'], terminal(300));
    expect(Math.max(...out.split('\n').map(({ length }) => length))).to.be.at.most(100);
  });
});

describe('The password of a URL', () => {
  const PASSWORD = 'hun%21ter2';
  useEnvironment({ HARICOT_URL: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });

  before(() => {
    registerDriver('secretive', async (url) => {
      throw new Error(`cannot reach ${url}`, { cause: new Error(`wrong password ${decodeURIComponent(PASSWORD)}`) });
    });
  });

  const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
    publish: ['mail', 't', '5'],
    work: ['mail', '--slots', 'integration/fixtures/slots.ts'],
    failed: ['mail'],
    retry: ['mail', '--all'],
    promote: ['mail', '--all'],
    move: ['mail', '--all', '--to', 'other'],
    delete: ['mail', '1'],
    flush: ['mail', '--force'],
    pause: ['mail', '5s'],
    stats: [],
    queues: [],
    demo: [],
  };

  for (const { name } of COMMANDS) {
    it(`is in no line of ${name}`, async () => {
      for (const scheme of [
        'secretive',
        'beanstalkd',
        'beanstalkds',
        'beanstalkd+unix',
        'nosuch',
        'sqlite',
        'memory',
      ]) {
        const url = `${scheme}://me:${PASSWORD}@127.0.0.1:70000/a?prefix=p-&password=${PASSWORD}`;
        for (const args of [['--url', url], [`--url=${url}`], ['--json', '--url', url], ['--url', url, '--fast']]) {
          const { code, out, err } = await haricot([name, ...(ARGUMENTS[name] ?? ['mail']), ...args]);
          expect(code, `${scheme}: ${out}`).to.be.above(0);
          expect(out + err).not.to.match(/hun(?:%21|!)ter2/);
        }
        // The demo takes no engine from there.
        if (name === 'demo') continue;
        setVariable('HARICOT_URL', url);
        const { code, out, err } = await haricot([name, ...(ARGUMENTS[name] ?? ['mail'])]);
        setVariable('HARICOT_URL', undefined);
        expect(code).to.be.above(0);
        expect(out + err).not.to.match(/hun(?:%21|!)ter2/);
      }
    });
  }

  it('is in no line of move, where it is the one of the other engine', async () => {
    await withFolder(async (folder) => {
      const url = `sqlite:${folder}/haricot.db`;
      await haricot(['publish', 'mail', 't', '5', '--url', url]);
      for (const scheme of ['secretive', 'beanstalkd', 'nosuch', 'sqlite', 'memory']) {
        const to = `${scheme}://me:${PASSWORD}@127.0.0.1:70000/a?prefix=p-&password=${PASSWORD}`;
        for (const args of [['--to-url', to], [`--to-url=${to}`], ['--json', '--to-url', to]]) {
          const move = ['move', 'mail', '--all', '--state', 'ready', '--to', 'mail', '--url', url];
          const { code, out, err } = await haricot([...move, ...args]);
          expect(code, `${scheme}: ${out}`).to.be.above(0);
          expect(out + err).not.to.match(/hun(?:%21|!)ter2/);
        }
      }
    });
  });
});

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'haricot-program-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
