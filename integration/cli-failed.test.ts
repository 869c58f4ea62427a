import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import type { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { onBeanstalkd, onEngines } from './support/commands.js';

const SendMail = defineMessage<{ to: string }>('mail.send');

describe('The commands that repair and move messages', () => {
  onEngines((commands) => {
    const { run, say, records, complain, bury } = commands;
    let queue: Queue;

    beforeEach(() => {
      ({ queue } = commands);
    });

    it('list what failed, by type and reason, and show one whole', async () => {
      const first = await queue.publish(SendMail, { to: 'a' }, { headers: { tenant: 'x' } });
      await bury(1);
      await queue.publish(defineMessage('sms'), 5);
      await bury(1, { reason: 'invalid', name: 'SchemaError', message: 'no\nto' });
      expect(await say('failed', queue.name)).to.match(
        /^ID +TYPE +FAILED +ATTEMPTS +REASON\n\d+ +mail\.send +\S+ \S+Z +1 +attempts\n {2}no route\n\d+ +sms +\S+ \S+Z +1 +invalid\n {2}SchemaError: no to\n$/,
      );
      const ids = async (...args: string[]): Promise<unknown[]> =>
        (await records('failed', queue.name, ...args)).map(({ jobId }) => jobId);
      expect(await ids('--type', 'mail.send')).to.deep.equal([first]);
      expect(await ids('--reason', 'attempts')).to.deep.equal([first]);
      expect(await ids('--limit', '1')).to.deep.equal([first]);
      expect(await ids('--all')).to.have.length(2);
      expect(await say('failed', queue.name, '--reason', 'unhandled')).to.equal(
        `no message with reason "unhandled" is buried in "${queue.name}"\n`,
      );
      const whole = await say('failed', queue.name, first);
      expect(whole).to.match(
        /\nHeader: +tenant=x\n(?:.*\n)*Reason: +attempts, at attempt 1\nError:\n {2}Error: no route\n {6}at /,
      );
      const [record] = await records('failed', queue.name, first);
      expect(record).to.have.nested.property('failure.stack').that.contains('\n    at ');
      const ready = await queue.publish(SendMail, { to: 'c' });
      expect(await complain(1, 'failed', queue.name, ready)).to.contain('it is ready, not buried');
    });

    it('retry buried messages: by id, so many, of a type or a reason, all', async () => {
      const [first = '', second = ''] = await queue.publishMany(
        SendMail,
        Array.from({ length: 6 }, () => ({ to: 'a' })),
      );
      await bury(4);
      await bury(2, { reason: 'invalid' });
      expect(await say('retry', queue.name, first)).to.equal(`message ${first} is ready\n`);
      expect(await say('retry', queue.name, '--limit', '1')).to.equal('1 buried message is ready now\n');
      expect((await queue.find(second))?.state).to.equal('ready');
      expect(await records('retry', queue.name, '--all', '--reason', 'invalid')).to.deep.equal([
        { queue: queue.name, retried: 2 },
      ]);
      expect(await say('retry', queue.name, '--all', '--type', 'sms')).to.match(
        /^nothing to retry in .* of type "sms" /,
      );
      expect(await say('retry', queue.name, '--all', '--type', 'mail.send')).to.match(/^2 buried messages /);
      expect(countsOf(await queue.stats())).to.include({ ready: 6, buried: 0 });
      expect(await complain(1, 'retry', queue.name, first)).to.equal(
        `haricot: cannot retry messages of "${queue.name}": ${first} is ready, not buried\n`,
      );
    });

    it('retry a message with other data, and keep the rest of it', async () => {
      const id = await queue.publish(SendMail, { to: 'a' }, { headers: { tenant: 'x' }, priority: 7 });
      const before = await queue.find(id);
      await bury(1);
      expect(await say('retry', queue.name, id, '--data', '{"to":"b"}')).to.equal(
        `message ${id} is ready with its new data\n`,
      );
      const [stored] = (await queue.list({ state: 'ready' })).messages;
      expect(stored?.priority).to.equal(7);
      expect(countsOf(await queue.stats())).to.include({ ready: 1, buried: 0 });
      expect(stored && queue.decode(stored)).to.deep.equal({
        ...(before && queue.decode(before)),
        data: { to: 'b' },
      });
    });

    it('leave delayed messages to their time, unless they are promoted', async () => {
      const [first = '', second = ''] = await queue.publishMany(SendMail, [{ to: 'a' }, { to: 'b' }], {
        delay: '1d',
      });
      await queue.publish(SendMail, { to: 'c' }, { delay: '2d' });
      for (const args of [['--limit', '5'], ['--all']]) {
        expect(await say('retry', queue.name, ...args)).to.match(/^nothing to retry in /);
      }
      expect(await complain(1, 'retry', queue.name, first)).to.contain('is delayed, not buried');
      expect(await complain(2, 'kick', queue.name, '--all')).to.contain('use haricot retry');
      expect(countsOf(await queue.stats())).to.include({ ready: 0, delayed: 3 });
      expect(await say('promote', queue.name, second)).to.equal(`message ${second} is ready\n`);
      expect(await say('promote', queue.name, '--limit', '1')).to.equal('1 delayed message is ready now\n');
      expect((await queue.find(first))?.state).to.equal('ready');
      expect(await records('promote', queue.name, '--all')).to.deep.equal([{ queue: queue.name, promoted: 1 }]);
      expect(await say('promote', queue.name, '--all')).to.match(/^nothing to promote in /);
    });

    it('move messages to another queue and to another engine', async () => {
      const other = `${queue.name}-other`;
      const target = `sqlite:${join(commands.folder, 'target.db')}`;
      const [first = ''] = await queue.publishMany(
        SendMail,
        Array.from({ length: 5 }, (_, n) => ({ to: String(n) })),
      );
      await queue.publish(SendMail, { to: 'late' }, { delay: '1h' });
      await bury(3);
      expect(await say('move', queue.name, first, '--to', other)).to.equal(`message ${first} is moved to "${other}"\n`);
      expect(await records('move', queue.name, '--limit', '1', '--to', other)).to.deep.equal([
        { queue: queue.name, moved: 1, duplicated: 0 },
      ]);
      expect(await records('peek', other)).to.have.length(commands.lists ? 2 : 1);
      const states = ['--all', '--state', 'ready,delayed,buried'];
      expect(await say('move', queue.name, ...states, '--to', 'there', '--to-url', target)).to.equal(
        `moved 4 messages from "${queue.name}" to "there" on ${target}\n`,
      );
      expect(countsOf(await queue.stats())).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
      const [there] = await records('stats', 'there', '--url', target);
      expect(there).to.include({ ready: 3, delayed: 1, buried: 0 });
      expect(
        await say('move', 'there', ...states, '--to', queue.name, '--url', target, '--to-url', commands.url),
      ).to.match(/^moved 4 messages from "there" to /);
      expect(countsOf(await queue.stats())).to.include({ ready: 3, delayed: 1 });
      await say('flush', other, '--force');
    });

    it('publish a message for each line, and say which line is wrong', async () => {
      const publish = (input: string, ...args: string[]): ReturnType<typeof run> =>
        commands.runWith(input, 'publish', queue.name, 'mail.send', '--lines', ...args);
      const lines = Array.from({ length: 1203 }, (_, n) => `{"to":"${n}"}\n`).join('');
      expect(await publish(lines)).to.deep.equal({ code: 0, stdout: 'published 1203 messages\n', stderr: '' });
      expect(countsOf(await queue.stats())).to.include({ ready: 1203 });
      expect((await queue.take({ timeout: 0 }))?.data).to.deep.equal({ to: '0' });
      const { code, stdout, stderr } = await publish('{"to":"a"}\n\n{"to":"b"}\n{"to":\n{"to":"c"}\n');
      expect([code, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.match(/^haricot: cannot publish line 4: the data must be JSON, .*; 2 messages are stored\n$/);
      expect(countsOf(await queue.stats())).to.include({ ready: 1204 });
      await writeFile(join(commands.folder, 'mails.jsonl'), '"from a file"\n');
      expect((await publish('', 'mails.jsonl', '--codec', 'json', '--json')).stdout).to.equal(
        `{"queue":"${queue.name}","type":"mail.send","published":1}\n`,
      );
      await say('flush', queue.name, '--force');
    });

    it('delete one message, and fail where there is none', async () => {
      const id = await queue.publish(SendMail, { to: 'a' });
      expect(await say('delete', queue.name, id)).to.equal(`message ${id} is deleted\n`);
      expect(countsOf(await queue.stats())).to.include({ ready: 0 });
      expect(await run('delete', queue.name, id)).to.deep.equal({
        code: 1,
        stdout: '',
        stderr: `haricot: cannot delete messages of "${queue.name}": ${id} is not there\n`,
      });
      const { code, stderr } = await run('delete', queue.name, id, '--json');
      expect([code, (JSON.parse(stderr) as { error: { code: string } }).error.code]).to.deep.equal([1, 'NOT_FOUND']);
    });
  });
});

describe('The commands that repair messages which other programs have buried', () => {
  onBeanstalkd((commands, server) => {
    const { run, say, records, bury } = commands;
    let queue: Queue;
    let ids: string[];

    beforeEach(async () => {
      ({ queue } = commands);
      const client = await server.connectTo(queue.name);
      ids = [];
      for (const data of [1, 2, 3]) ids.push(await client.put(JSON.stringify(data), { priority: 0 }));
      for (const _ of ids) await (await client.reserve({ timeout: 60 }))?.bury();
    });

    it('say how many there are, and show the first of them', async () => {
      await queue.publish(SendMail, { to: 'a' });
      await bury(1);
      const { code, stdout, stderr } = await run('failed', queue.name, '--all');
      expect(code).to.equal(0);
      expect(stderr).to.equal('haricot: 3 buried by other programs, the first of them shown\n');
      expect(stdout.match(/mail\.send/g)).to.have.length(1);
      expect(stdout).to.match(new RegExp(`^${ids[0]} +\\(unreadable\\) +- +1 +-$`, 'm'));
      expect(await say('failed', queue.name, ids[1] ?? '')).to.match(/\nBody:\n {2}2\n$/);
    });

    it('retry, edit, move and delete them', async () => {
      const json = ['--codec', 'json', '--type', 'number'];
      const other = `${queue.name}-other`;
      expect(await say('retry', queue.name, ids[0] ?? '')).to.contain(' is ready');
      expect(await say('retry', queue.name, ids[1] ?? '', '--data', '20', ...json)).to.contain(' with its new data');
      expect(countsOf(await queue.stats())).to.include({ ready: 2, buried: 1 });
      expect(await say('move', queue.name, '--all', '--to', other)).to.match(/^moved 1 message /);
      expect((await records('peek', other, ...json)).map(({ data }) => data)).to.deep.equal([3]);
      await say('flush', other, '--force');
    });

    it('retry all of them', async () => {
      expect(await say('retry', queue.name, '--all')).to.equal('3 buried messages are ready now\n');
      expect(countsOf(await queue.stats())).to.include({ ready: 3, buried: 0 });
    });
  });
});
