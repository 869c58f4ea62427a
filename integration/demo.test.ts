import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { openBeanstalkd } from '../src/drivers/beanstalkd/driver.js';
import type { Driver } from '../src/queue/driver.js';
import { countsOf } from '../test/support/counts.js';
import { onOwnServer } from './support/fixture.js';
import { Haricot, haricot, killLeftovers } from './support/haricot.js';
import { onBuild } from './support/haricot-build.js';
import { until } from './support/until.js';

describe('haricot demo', () => {
  killLeftovers();
  const build = onBuild();
  let folder: string;
  let env: NodeJS.ProcessEnv;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-demo-test-'));
    // Its files are where we see them, and the engine of others is not its business.
    env = { TMPDIR: folder, HARICOT_URL: 'beanstalkd://127.0.0.1:1' };
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The processes that run from the build: the demo's and its worker's. */
  async function processes(): Promise<number[]> {
    const { stdout } = await promisify(execFile)('ps', ['-e', '-o', 'pid=,args=']);
    const lines = stdout.split('\n').filter((line) => line.includes(build()) && !line.includes('<defunct>'));
    return lines.map((line) => Number.parseInt(line, 10));
  }

  it('shows what the README says, on SQLite, and leaves no file and no process behind', async () => {
    const { code, stdout, stderr } = await haricot(['demo'], { build: build(), env });
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(normalised(stdout)).to.deep.equal(normalised(await transcriptInReadme()));
    expect([await readdir(folder), await processes()]).to.deep.equal([[], []]);
  });

  it('shows what it does as records with --json', async () => {
    const { code, stdout, stderr } = await haricot(['demo', '--json'], { build: build(), env });
    expect([code, stderr]).to.deep.equal([0, '']);
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const count = (has: (record: Record<string, unknown>) => boolean): number => records.filter(has).length;
    expect(count(({ published }) => published !== undefined)).to.equal(4);
    expect(count(({ signal }) => signal === 'messageFinished')).to.equal(3);
    expect(count(({ signal }) => signal === 'messageReleased')).to.equal(4);
    expect(count(({ signal }) => signal === 'messageFailed')).to.equal(1);
    expect(records.slice(-2)).to.deep.equal([
      { left: { queue: 'demo-mail', ready: 0, delayed: 0, reserved: 0, buried: 1 } },
      { buried: { jobId: '4', data: { order: 4, to: 'nobody' } } },
    ]);
  });

  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    it(`ends with its worker at ${name}, and leaves no file behind`, async () => {
      const demo = Haricot.start(['demo'], { build: build(), env });
      await demo.line(/ worker \| .* attempt 1 failed/);
      demo.signal(name);
      expect(await demo.exit()).to.equal(1);
      expect(demo.stderr).to.equal(`haricot: cannot finish the demo: it was interrupted by ${name}\n`);
      // At once, not when all was done.
      expect(demo.stdout).to.match(/ worker \| [\d:]+Z stopped: 2 finished, 0 buried\n$/);
      expect([await readdir(folder), await processes()]).to.deep.equal([[], []]);
    });
  }

  it('fails when its worker is killed', async () => {
    const demo = Haricot.start(['demo'], { build: build(), env });
    await demo.line(/ worker \| .* attempt 1 failed/);
    for (const pid of await processes()) if (pid !== demo.pid) process.kill(pid, 'SIGKILL');
    expect(await demo.exit()).to.equal(1);
    expect(demo.stderr).to.equal('haricot: cannot finish the demo: the worker ended before its work was done\n');
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('uses the file that --url names, and leaves that alone', async () => {
    const url = `sqlite:${join(folder, 'mine.db')}`;
    const { code, stdout, stderr } = await haricot(['demo', '--url', url], { build: build(), env });
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.contain(` kept on ${url}:\n`);
    expect(await readdir(folder)).to.include('mine.db');
    const stats = await haricot(['stats', 'demo-mail', '--url', url, '--json'], { build: build() });
    expect(stats.stdout).to.contain('"ready":0,"delayed":0,"reserved":0,"buried":0');
  });

  it('fails on an engine that cannot be reached', async () => {
    const { code, stdout, stderr } = await haricot(['demo', '--url', 'beanstalkd://127.0.0.1:1'], {
      build: build(),
      env,
    });
    expect([code, stdout]).to.deep.equal([1, '']);
    expect(stderr).to.match(/^haricot: cannot connect to beanstalkd:\/\/127\.0\.0\.1:1: .*\n$/);
  });

  describe('on beanstalkd', () => {
    const server = onOwnServer();

    it('shows the same from the sources, with a loader', async () => {
      const { url } = server.server;
      const { code, stdout, stderr } = await haricot(['demo', '--url', url], { env });
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(normalised(stdout)).to.deep.equal(normalised(await transcriptInReadme()));
      const client = await server.connect();
      await until('its queue is gone', async () => (await client.statsTube('demo-mail')) === null);
    });

    describe('where somebody else uses its queue', () => {
      let driver: Driver;

      beforeEach(async () => {
        driver = openBeanstalkd(server.server.url, { prefix: '' });
        const options = { priority: 0, delayMs: 0, ttrMs: 60_000 };
        await driver.put([{ queue: 'demo-mail', body: Buffer.from('theirs'), options }]);
      });

      afterEach(() => driver.close());

      it('takes another one', async () => {
        const { code, stdout } = await haricot(['demo', '--url', server.server.url], { build: build(), env });
        expect(code).to.equal(0);
        expect(stdout).to.match(/haricot work demo-mail-[0-9a-f]{8} /);
        const [left] = (await driver.list('demo-mail', { state: 'ready', limit: 1 })).messages;
        expect(left?.body.toString()).to.equal('theirs');
        const [stats] = await driver.stats(['demo-mail']);
        expect(countsOf(stats ?? null)).to.deep.equal({
          ready: 1,
          delayed: 0,
          reserved: 0,
          buried: 0,
        });
      });
    });
  });
});

/** What stands in the README between its markers, in a code fence. */
async function transcriptInReadme(): Promise<string> {
  const readme = await readFile('README.md', 'utf8');
  const [, transcript] = /<!-- demo -->\s*```[a-z]*\n([\s\S]*?)```\s*<!-- \/demo -->/.exec(readme) ?? [];
  expect(transcript, 'the README has a transcript between <!-- demo --> and <!-- /demo -->').to.be.a('string');
  // With the command that was typed.
  return (transcript ?? '').replace(/^\$ .*\n/, '');
}

/**
 * Without what differs from run to run: times, the engine and its ids, and which of two orders was tried first. For each
 * order, what happens to it keeps its sequence.
 */
function normalised(transcript: string): string[] {
  const orders = new Map<string, string>();
  for (const [, order = '', id = ''] of transcript.matchAll(/order (\d+): message (\d+) published/g))
    orders.set(id, order);
  const lines = transcript
    .trim()
    .split('\n')
    .map((line) =>
      line
        .replace(/\d\d:\d\d:\d\dZ/, 'hh:mm:ssZ')
        .replace(/\d+ µs/, 'N µs')
        .replace(/is kept .*:$/, 'is kept there:')
        .replace(/demo-mail (\d+) |message (\d+) /, (text, one?: string, other?: string) => {
          const id = one ?? other ?? '';
          return text.replace(id, `of-order-${orders.get(id)}`);
        }),
    );
  const orderOf = (line: string): number => Number(/worker \| (?:order |.*of-order-)(\d+)/.exec(line)?.[1] ?? 0);
  const first = lines.findIndex((line) => orderOf(line) > 0);
  const last = lines.findLastIndex((line) => orderOf(line) > 0);
  const work = lines.slice(first, last + 1).sort((one, other) => orderOf(one) - orderOf(other));
  return [...lines.slice(0, first), ...work, ...lines.slice(last + 1)];
}
