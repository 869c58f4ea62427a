import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import type { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { onEngines } from './support/commands.js';
import { haricot, killLeftovers } from './support/haricot.js';
import { onBuild } from './support/haricot-build.js';

const PUT = { priority: 0, delayMs: 0, ttrMs: 60_000 };
const SendMail = defineMessage<{ to: string }>('mail.send');

describe('The commands', () => {
  onEngines((commands) => {
    const { run, say, records, complain, bury } = commands;
    let queue: Queue;

    beforeEach(() => {
      ({ queue } = commands);
    });

    /** The body of a message whose data is `"DEEP"`. */
    async function storedEvent(): Promise<{ readonly body: string }> {
      const id = await queue.publish(defineMessage('mail.send'), 'DEEP');
      const [stored] = (await queue.list({ state: 'ready' })).messages;
      await queue.delete(id);
      return { body: String(stored?.body) };
    }

    it('set up a queue, publish, and look', async () => {
      expect(await say('setup', queue.name)).to.equal(`"${queue.name}" is set up on ${commands.url}\n`);
      const id = (await say('publish', queue.name, 'mail.send', '{"to":"a@b.example"}')).trim();
      await say('publish', queue.name, 'mail.send', '5', '--delay', '1h');
      expect(countsOf(await queue.stats())).to.deep.equal({ ready: 1, delayed: 1, reserved: 0, buried: 0 });
      expect(await records('queues')).to.deep.include({ queue: queue.name, messages: 2, pausedUntil: null });
      const counts = { ready: 1, delayed: 1, reserved: 0, buried: 0, pausedUntil: null };
      for (const args of [['stats'], ['stats', queue.name]]) {
        const row = (await records(...args)).find((record) => record['queue'] === queue.name);
        expect(row).to.deep.include(counts);
      }
      expect(await say('stats', queue.name)).to.match(
        /^QUEUE +READY +DELAYED +RESERVED +BURIED(?: +OLDEST)?\n\S+ +1 +1 +0 +0(?: +[0-9.]+s)?\n$/,
      );
      expect(await say('queues')).to.contain(queue.name);
      expect(await say('peek', queue.name)).to.match(
        new RegExp(`^ID +TYPE +AGE +DATA\\n${id} +mail\\.send +[0-9.]+s +{"to":"a@b\\.example"}\\n$`),
      );
      const [peeked] = await records('peek', queue.name);
      const [stored] = (await queue.list({ state: 'ready' })).messages;
      expect(peeked).to.deep.include({ jobId: id, state: 'ready', type: 'mail.send', data: { to: 'a@b.example' } });
      expect(peeked?.['body']).to.equal(stored?.body.toString());
      expect(await records('peek', queue.name, '--state', 'delayed')).to.have.length(1);
      expect(await say('peek', queue.name, '--state', 'buried')).to.equal(`no buried messages in "${queue.name}"\n`);
    });

    it('show every buried message and why it failed, and of others as many as the engine can', async () => {
      await queue.publishMany(SendMail, [{ to: 'a' }, { to: 'b' }]);
      await bury(2);
      const shown = await say('peek', queue.name, '--state', 'buried');
      expect(shown.split('{"to":')).to.have.length(3);
      expect(shown.split('\n  buried: no route\n')).to.have.length(3);
      const { code, stdout, stderr } = await run('peek', queue.name, '--limit', '2');
      if (commands.lists) expect([code, stderr]).to.deep.equal([0, '']);
      else {
        expect([code, stdout]).to.deep.equal([2, '']);
        expect(stderr).to.equal(
          'haricot: --limit must be at most 1 for ready messages, got 2: this engine shows only the first of them\n',
        );
      }
    });

    it('show the whole of one message, whatever its state', async () => {
      const delayed = await queue.publish(SendMail, { to: 'a' }, { delay: '1h', headers: { tenant: 'x' } });
      const held = await queue.publish(SendMail, { to: 'b' });
      await queue.reserve({ timeout: '1m' });
      expect(await say('peek', queue.name, delayed)).to.match(
        new RegExp(`^Id: +${delayed}\nQueue: +${queue.name}\nState: +delayed until [^]*\nHeader: +tenant=x\nData:\n`),
      );
      const [record] = await records('peek', queue.name, held);
      expect(record).to.deep.include({ jobId: held, state: 'reserved', data: { to: 'b' } });
      expect(await complain(1, 'peek', queue.name, '999999')).to.equal(
        `haricot: cannot show message 999999 of "${queue.name}": it is not there\n`,
      );
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
        stderr: `haricot: cannot flush "${queue.name}" without --force: it would remove 3 messages for good (2 ready, 0 delayed, 1 buried)\n`,
      });
      expect(countsOf(await queue.stats())).to.include({ ready: 2, buried: 1 });
      expect(await say('flush', queue.name, '--state', 'buried', '--force')).to.match(/^removed 1 message from /);
      expect(countsOf(await queue.stats())).to.include({ ready: 2, buried: 0 });
      expect(await say('flush', queue.name, '--force')).to.equal(`removed 2 messages from "${queue.name}"\n`);
      expect(countsOf(await queue.stats())).to.include({ ready: 0, buried: 0 });
    });

    it('count again and again until a signal ends that', async () => {
      await queue.publish(SendMail, { to: 'a' });
      const watching = commands.start('stats', queue.name, '--watch', '--json');
      await watching.until('the first look', () => watching.lines.length > 0);
      await queue.publish(SendMail, { to: 'b' });
      await watching.line(/"ready":2,/);
      watching.signal('SIGINT');
      expect([await watching.exit(), watching.stderr]).to.deep.equal([0, '']);
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
        ['peek', nosuch, '1'],
        ['failed', nosuch],
        ['failed', nosuch, '1'],
        ['retry', nosuch, '--all'],
        ['retry', nosuch, '--all', '--type', 'a'],
        ['retry', nosuch, '999999'],
        ['promote', nosuch, '--all'],
        ['move', nosuch, '--all', '--to', queue.name],
        ['move', nosuch, '999999', '--to', queue.name],
        ['delete', nosuch, '999999'],
        ['flush', nosuch],
        ['flush', nosuch, '--force'],
        ['pause', nosuch, '5m'],
        ['resume', nosuch],
      ]) {
        const { code, stdout, stderr } = await run(...args);
        expect([code, stdout], args.join(' ')).to.deep.equal([1, '']);
        expect(stderr).to.match(new RegExp(`^haricot: there is no queue "${nosuch}"; the engine has .*${queue.name}`));
      }
      expect(await commands.driver.stats([nosuch])).to.deep.equal([null]);
    });

    it('show the other messages where one is nested too deeply', async () => {
      const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
      const refused = await commands.runWith(nested(200_000), 'publish', queue.name, 'deep');
      expect([refused.code, refused.stdout]).to.deep.equal([1, '']);
      expect(refused.stderr)
        .to.match(/^haricot: .*\n$/)
        .and.have.length.below(500);
      const { body } = await storedEvent();
      await commands.driver.put([
        { queue: queue.name, body: Buffer.from(body.replace('"DEEP"', nested(30_000))), options: PUT },
      ]);
      if (commands.lists) {
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
      const other = `${commands.url}?prefix=other-`;
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
});

describe('The commands, in a folder of files,', () => {
  killLeftovers();
  const build = onBuild();
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-cli-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  describe('without an engine that is named', () => {
    const run = (...args: string[]) => haricot(args, { build: build(), cwd: folder });

    it('refuse to look where no database is, and make none', async () => {
      for (const args of [
        ['queues'],
        ['stats'],
        ['stats', 'mail'],
        ['peek', 'mail'],
        ['failed', 'mail'],
        ['retry', 'mail', '--all'],
        ['promote', 'mail', '--all'],
        ['move', 'mail', '--all', '--to', 'other'],
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
