import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openBeanstalkd } from '../src/drivers/beanstalkd/driver.js';
import { openSqlite } from '../src/drivers/sqlite/driver.js';
import type { Capabilities, Driver } from '../src/queue/driver.js';
import { toFailure } from '../src/queue/failure.js';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { onSharedServer } from './support/fixture.js';
import { haricot, killLeftovers } from './support/haricot.js';
import { onBuild } from './support/haricot-build.js';

const PUT = { priority: 0, delayMs: 0, ttrMs: 60_000 };
const SendMail = defineMessage<{ to: string }>('mail.send');

interface Engine {
  readonly name: string;
  /** Called before each test. */
  readonly open: () => Promise<{ readonly url: string; readonly driver: Driver; readonly queue: string }>;
  readonly peekMany: boolean;
  readonly failures: Capabilities['failures'];
}

describe('The commands', () => {
  killLeftovers();
  const build = onBuild();
  const server = onSharedServer();
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-cli-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const engines: readonly Engine[] = [
    {
      name: 'sqlite',
      peekMany: true,
      failures: 'buried',
      open: async () => {
        const url = `sqlite:${join(folder, 'haricot.db')}`;
        return { url, driver: await openSqlite(url, { prefix: '' }), queue: 'mail' };
      },
    },
    {
      name: 'beanstalkd',
      peekMany: false,
      failures: 'buried',
      open: async () => {
        const { url } = server.server;
        return { url, driver: openBeanstalkd(url, { prefix: '' }), queue: server.tube() };
      },
    },
  ];

  for (const { name, open, peekMany, failures } of engines) {
    describe(`on ${name}`, () => {
      let url: string;
      let driver: Driver;
      let queue: Queue;

      beforeEach(async () => {
        const opened = await open();
        ({ url, driver } = opened);
        queue = new Queue(driver, opened.queue);
      });

      afterEach(() => driver.close());

      function run(...args: string[]): ReturnType<typeof haricot> {
        return haricot(args, { build: build(), cwd: folder, env: { HARICOT_URL: url } });
      }

      /** What the command prints. */
      async function say(...args: string[]): Promise<string> {
        const { code, stdout, stderr } = await run(...args);
        expect([code, stderr], args.join(' ')).to.deep.equal([0, '']);
        return stdout;
      }

      async function records(...args: string[]): Promise<Record<string, unknown>[]> {
        const lines = (await say(...args, '--json')).split('\n').slice(0, -1);
        return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      }

      /** The body of a message whose data is `"DEEP"`. */
      async function storedEvent(): Promise<{ readonly body: string }> {
        const other = new Queue(driver, queue.name);
        const id = await other.publish(defineMessage('mail.send'), 'DEEP');
        const [stored] = await other.peek('ready');
        await other.delete(id);
        return { body: String(stored?.body) };
      }

      /** Takes so many messages and puts them aside. */
      async function bury(count: number): Promise<void> {
        for (let n = 0; n < count; n++) {
          await (await queue.reserve({ timeout: '1m' }))?.bury(
            failures === 'none' ? {} : { failure: toFailure('no route', { reason: 'attempts', attempt: 1 }) },
          );
        }
      }

      it('set up a queue, publish, and look', async () => {
        expect(await say('setup', queue.name)).to.equal(`"${queue.name}" is set up on ${url}\n`);
        const id = (await say('publish', queue.name, 'mail.send', '{"to":"a@b.example"}')).trim();
        await say('publish', queue.name, 'mail.send', '5', '--delay', '1h');
        expect(countsOf(await queue.stats())).to.deep.equal({ ready: 1, delayed: 1, reserved: 0, buried: 0 });
        expect(await records('queues')).to.deep.include({ queue: queue.name, messages: 2, pausedUntil: null });
        const counts = { ready: 1, delayed: 1, reserved: 0, buried: 0, pausedUntil: null };
        expect(await records('stats')).to.deep.include({ queue: queue.name, ...counts });
        expect(await records('stats', queue.name)).to.deep.equal([{ queue: queue.name, ...counts }]);
        expect(await say('stats', queue.name)).to.match(/^QUEUE +READY +DELAYED +RESERVED +BURIED\n\S+ +1 +1 +0 +0\n$/);
        expect(await say('queues')).to.contain(queue.name);
        expect(await say('peek', queue.name)).to.match(
          new RegExp(`^ID +TYPE +AGE +DATA\\n${id} +mail\\.send +[0-9.]+s +{"to":"a@b\\.example"}\\n$`),
        );
        const [peeked] = await records('peek', queue.name);
        const [stored] = await queue.peek('ready');
        expect(peeked).to.deep.include({ id, state: 'ready', type: 'mail.send', data: { to: 'a@b.example' } });
        expect(peeked?.['body']).to.equal(stored?.body.toString());
        expect(await records('peek', queue.name, '--state', 'delayed')).to.have.length(1);
        expect(await say('peek', queue.name, '--state', 'buried')).to.equal(`no buried messages in "${queue.name}"\n`);
      });

      it('show buried messages, as many and as much of them as the engine can', async () => {
        await queue.publishMany(SendMail, [{ to: 'a' }, { to: 'b' }]);
        await bury(2);
        const shown = await say('peek', queue.name, '--state', 'buried');
        expect(shown.split('{"to":')).to.have.length(peekMany ? 3 : 2);
        expect(shown.includes('\n  buried: no route\n')).to.equal(failures !== 'none');
        const { code, stdout, stderr } = await run('peek', queue.name, '--limit', '2');
        if (peekMany) expect([code, stderr]).to.deep.equal([0, '']);
        else {
          expect([code, stdout]).to.deep.equal([2, '']);
          expect(stderr).to.equal(
            'haricot: --limit must be at most 1, got 2: this engine shows only the first message of a state\n',
          );
        }
      });

      it('kick buried messages, one or all', async () => {
        await queue.publishMany(
          SendMail,
          Array.from({ length: 4 }, () => ({ to: 'a' })),
        );
        await bury(4);
        expect(await say('kick', queue.name)).to.equal('1 buried message is ready now\n');
        expect(countsOf(await queue.stats())).to.include({ ready: 1, buried: 3 });
        expect(await records('kick', queue.name, '--all')).to.deep.equal([{ queue: queue.name, kicked: 3 }]);
        expect(countsOf(await queue.stats())).to.include({ ready: 4, buried: 0 });
      });

      it('leave delayed messages to their time where none is buried', async () => {
        const id = await queue.publish(SendMail, { to: 'a' }, { delay: '1d' });
        for (const args of [[], ['--limit', '5'], ['--all']]) {
          expect(await say('kick', queue.name, ...args)).to.match(/^nothing to kick in /);
        }
        expect((await run('kick', queue.name, id)).code).to.equal(2);
        expect(countsOf(await queue.stats())).to.include({ ready: 0, delayed: 1 });
      });

      it('delete one message, and fail where there is none', async () => {
        const id = await queue.publish(SendMail, { to: 'a' });
        expect(await say('delete', queue.name, id)).to.equal(`message ${id} is deleted\n`);
        expect(countsOf(await queue.stats())).to.include({ ready: 0 });
        expect(await run('delete', queue.name, id)).to.deep.equal({
          code: 1,
          stdout: '',
          stderr: `haricot: cannot delete ${id} from "${queue.name}": there is no such message, or a worker holds it now\n`,
        });
        const { code, stderr } = await run('delete', queue.name, id, '--json');
        expect([code, (JSON.parse(stderr) as { error: { code: string } }).error.code]).to.deep.equal([1, 'NOT_FOUND']);
      });

      it('flush a queue only when they are forced to', async () => {
        await queue.publishMany(
          SendMail,
          Array.from({ length: 3 }, () => ({ to: 'a' })),
        );
        await bury(1);
        expect(await run('flush', queue.name)).to.deep.equal({
          code: 2,
          stdout: '',
          stderr: `haricot: cannot flush "${queue.name}" unasked: it would remove 3 messages for good (2 ready, 0 delayed, 1 buried); add --force to do it\n`,
        });
        expect(countsOf(await queue.stats())).to.include({ ready: 2, buried: 1 });
        expect(await say('flush', queue.name, '--force')).to.equal(`removed 3 messages from "${queue.name}"\n`);
        expect(countsOf(await queue.stats())).to.include({ ready: 0, buried: 0 });
      });

      it('pause a queue and resume it', async () => {
        await queue.publish(SendMail, { to: 'a' });
        const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`;
        expect(await say('pause', queue.name, '1h')).to.match(
          new RegExp(`^"${queue.name}" is paused for 1h, until ${time}\n$`),
        );
        expect(await queue.take({ timeout: 0 })).to.equal(null);
        for (const command of ['stats', 'queues']) {
          expect(await say(command)).to.match(new RegExp(` PAUSED UNTIL\n[^]*${queue.name} .*  ${time}\n`));
        }
        const [{ pausedUntil } = {}] = await records('stats', queue.name);
        expect(Date.parse(String(pausedUntil)) - Date.now()).to.be.within(3_500_000, 3_602_000);
        expect((await run('peek', queue.name)).stderr).to.match(
          new RegExp(`^haricot: "${queue.name}" is paused until ${time}\n$`),
        );
        expect(await say('resume', queue.name)).to.match(/ is resumed; it was paused until /);
        expect(await say('resume', queue.name)).to.equal(`"${queue.name}" was not paused\n`);
        expect((await queue.take({ timeout: '1m' }))?.data).to.deep.equal({ to: 'a' });
      });

      it('fail where there is no such queue, and make none', async () => {
        await queue.publish(SendMail, { to: 'a' });
        const nosuch = `${queue.name}-nosuch`;
        for (const args of [
          ['stats', nosuch],
          ['peek', nosuch],
          ['kick', nosuch, '--all'],
          ['delete', nosuch, '999999'],
          ['flush', nosuch],
          ['flush', nosuch, '--force'],
          ['pause', nosuch, '5m'],
          ['resume', nosuch],
        ]) {
          const { code, stdout, stderr } = await run(...args);
          expect([code, stdout], args.join(' ')).to.deep.equal([1, '']);
          expect(stderr).to.match(
            new RegExp(`^haricot: there is no queue "${nosuch}"; the engine has .*${queue.name}`),
          );
        }
        expect(await driver.stats(nosuch)).to.equal(null);
      });

      it('show the other messages where one is nested too deeply', async () => {
        const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
        const refused = await haricot(['publish', queue.name, 'deep'], {
          build: build(),
          cwd: folder,
          env: { HARICOT_URL: url },
          input: nested(200_000),
        });
        expect([refused.code, refused.stdout]).to.deep.equal([1, '']);
        expect(refused.stderr)
          .to.match(/^haricot: .*\n$/)
          .and.have.length.below(500);
        const { body } = await storedEvent();
        await driver.put(queue.name, Buffer.from(body.replace('"DEEP"', nested(30_000))), PUT);
        if (peekMany) {
          await queue.publish(SendMail, { to: 'a' });
          expect(await say('peek', queue.name)).to.match(/\(nested too deeply to be shown\)\n.*{"to":"a"}\n$/);
        } else expect(await say('peek', queue.name)).to.match(/\(nested too deeply to be shown\)\n$/);
        const [record] = await records('peek', queue.name);
        expect(record).to.include({ dataError: '(nested too deeply to be shown)', type: 'mail.send' });
      });

      it('show a type of many blanks and tricks cut and escaped, at once', async () => {
        const hidden = '\u061c\u200b\ufeff\u00ad\u{e0041}\u007f\u009b\u202e';
        await queue.publish(defineMessage(`x${hidden}${' '.repeat(60_000)}y`), hidden);
        for (const args of [
          ['peek', queue.name],
          ['peek', queue.name, '--json'],
        ]) {
          expect(await say(...args)).to.match(/^[ -~\n…]+$/);
        }
        const [record] = await records('peek', queue.name);
        expect(record).to.include({ data: hidden });
      });

      it('keep installations apart by their prefix', async () => {
        const other = `${url}?prefix=other-`;
        await say('publish', queue.name, 'mail.send', '5', '--url', other);
        const { code, stderr } = await run('stats', queue.name);
        expect([code, stderr.split(';')[0]]).to.deep.equal([1, `haricot: there is no queue "${queue.name}"`]);
        expect(await records('queues', '--url', other)).to.deep.include({
          queue: queue.name,
          messages: 1,
          pausedUntil: null,
        });
        await say('flush', queue.name, '--force', '--url', other);
      });
    });
  }

  describe('without an engine that is named', () => {
    const run = (...args: string[]) => haricot(args, { build: build(), cwd: folder });

    it('refuse to look where no database is, and make none', async () => {
      for (const args of [
        ['queues'],
        ['stats'],
        ['stats', 'mail'],
        ['peek', 'mail'],
        ['kick', 'mail'],
        ['delete', 'mail', '1'],
        ['flush', 'mail', '--force'],
        ['pause', 'mail', '5s'],
        ['resume', 'mail'],
      ]) {
        expect(await run(...args), args.join(' ')).to.deep.equal({
          code: 1,
          stdout: '',
          stderr:
            'haricot: cannot find a queue database at ./haricot.db; give --url or set HARICOT_URL; publish, work and setup make a new one\n',
        });
      }
      expect(await readdir(folder)).to.deep.equal([]);
    });

    it('publish to an SQLite file in the working directory, say so the first time, and find it again', async () => {
      const note =
        'haricot: made a new queue database at ./haricot.db; give --url or set HARICOT_URL for another engine\n';
      expect(await run('publish', 'mail', 'mail.send', '5')).to.deep.equal({ code: 0, stdout: '1\n', stderr: note });
      expect(await run('publish', 'mail', 'mail.send', '5')).to.deep.equal({ code: 0, stdout: '2\n', stderr: '' });
      expect((await run('stats', 'mail', '--json')).stdout).to.contain('"ready":2');
      expect(existsSync(join(folder, 'haricot.db'))).to.equal(true);
    });

    it('make no database for a queue that can have no such name', async () => {
      for (const args of [
        ['publish', 'mail box', 't', '5'],
        ['setup', 'mail box'],
        ['peek', 'mail box'],
      ]) {
        expect((await run(...args)).code).to.equal(2);
      }
      expect(await readdir(folder)).to.deep.equal([]);
    });
  });

  it('use colours only where they are forced or a terminal is, and never with --json', async () => {
    const run = async (env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> => {
      const { code, stdout } = await haricot(args, { build: build(), cwd: folder, env });
      expect(code, args.join(' ')).to.equal(0);
      return stdout;
    };
    await run({}, 'publish', 'mail', 'mail.send', '5');
    const colour = '\u001b[';
    expect(await run({}, 'stats')).not.to.contain(colour);
    expect(await run({ FORCE_COLOR: '1' }, 'stats')).to.contain(colour);
    expect(await run({ FORCE_COLOR: '0' }, 'stats')).not.to.contain(colour);
    expect(await run({ NO_COLOR: '1' }, 'stats')).not.to.contain(colour);
    for (const args of [['stats'], ['queues'], ['peek', 'mail']]) {
      expect(await run({ FORCE_COLOR: '1' }, ...args, '--json')).not.to.contain(colour);
    }
    expect(await run({ FORCE_COLOR: '1' }, '--help')).to.contain(colour);
    expect(await run({}, '--help')).not.to.contain(colour);
  });
});
