// The commands in docs/failed-messages.md and docs/change-engine.md, run as they stand there; what they write is compared with
// the page.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { openBeanstalkd } from '../src/drivers/beanstalkd/driver.js';
import { openSqlite } from '../src/drivers/sqlite/driver.js';
import { toFailure } from '../src/queue/failure.js';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { onOwnServer } from './support/fixture.js';
import { onBuild } from './support/haricot-build.js';
import { type Code, codeIn, commandsIn, ShellFolder } from './support/shell.js';

describe('The commands in the documentation', () => {
  const build = onBuild();
  let folder: ShellFolder;

  beforeEach(async () => {
    folder = await ShellFolder.make(build());
  });

  afterEach(() => folder.remove());

  describe('of failed messages', () => {
    let blocks: readonly Code[];

    beforeEach(async () => {
      blocks = await codeIn('failed-messages.md');
      for (const { language, code } of blocks) {
        const [, file] = /^\/\/ (\S+\.js)\n/.exec(code) ?? [];
        if (language === 'js' && file !== undefined) await folder.write(file, code);
      }
    });

    /** Runs the transcript. @param afterBurial called when all messages are buried */
    async function follow(url: string, afterBurial = async (): Promise<void> => {}): Promise<void> {
      const typed = blocks.filter(({ language }) => language === 'console').flatMap(({ code }) => commandsIn(code));
      expect(typed).to.have.length.above(15);
      for (const { command, output } of typed) {
        const ran = await folder.run(command, { HARICOT_URL: url });
        expect(normalised(ran.output), command).to.equal(normalised(output));
        if (command.includes('haricot work') && command.includes('--attempts 1')) await afterBurial();
      }
    }

    it('write what the page says, on SQLite', () => follow('sqlite:./shop.db'));

    it('run as they stand in its summary', async () => {
      const driver = await openSqlite(`sqlite:${join(folder.path, 'haricot.db')}`, { prefix: '' });
      const queue = new Queue(driver, 'orders');
      for (let id = 1; id <= 44; id++) {
        const type = id === 43 ? 'order.cancelled' : 'order.placed';
        await queue.publish(defineMessage(type), { id, qty: 0 }, { headers: { tenant: 'a' } });
        const failure = toFailure(new TypeError('no qty'), { reason: id > 40 ? 'invalid' : 'attempts', attempt: 1 });
        await (await queue.reserve({ timeout: 0 }))?.bury({ failure });
      }
      const [summary] = blocks.filter(({ language }) => language === 'sh');
      const { code, output } = await folder.run(`set -e\n${summary?.code}`);
      expect(code, output).to.equal(0);
      expect(output.split('\n').slice(-4)).to.deep.equal([
        'message 42 is ready with its new data',
        '42 buried messages are ready now',
        'message 43 is deleted',
        '',
      ]);
      expect(output).to.match(
        /^ID +TYPE +FAILED +ATTEMPTS +REASON\n41 +order\.placed .* invalid\n {2}TypeError: no qty\n42 /,
      );
      expect(output).to.contain('Header:      tenant=a').and.to.contain('  TypeError: no qty\n      at ');
      expect(countsOf(await queue.stats())).to.deep.equal({ ready: 43, delayed: 0, reserved: 0, buried: 0 });
      const edited = await queue.find('42');
      expect(edited && queue.decode(edited).data).to.deep.equal({ id: 7, qty: 1 });
      await driver.close();
    });

    describe('on beanstalkd', () => {
      const fixture = onOwnServer({ binlog: true });

      it('write what the page says', () => follow(fixture.server.url));

      it('write it also after the server has been restarted', () =>
        follow(fixture.server.url, () => fixture.server.restart()));
    });
  });

  describe('of a change of the engine', () => {
    const fixture = onOwnServer();

    it('leave nothing behind', async () => {
      const old = await openSqlite(`sqlite:${join(folder.path, 'haricot.db')}`, { prefix: '' });
      const queue = new Queue(old, 'mail');
      const SendMail = defineMessage('mail.send');
      await queue.publish(SendMail, 'buried');
      await (await queue.reserve({ timeout: 0 }))?.bury();
      await queue.publish(SendMail, 'ready');
      await queue.publish(SendMail, 'delayed', { delay: '1h' });
      await folder.write('app.js', APP);
      await folder.write(
        'slots.js',
        `export default (signals) => { signals.connect('messageReceived', () => {}); };\n`,
      );
      await folder.write('names.mjs', NAMES);
      const [script] = await codeIn('change-engine.md');
      const { code, output } = await folder.run(`set -e\n${script?.code}`, {
        NODE_OPTIONS: `--import ${pathToFileURL(join(folder.path, 'names.mjs'))}`,
        MQ_PORT: String(fixture.server.port),
      });
      expect([code, code === 0 ? '' : output]).to.deep.equal([0, '']);
      expect(output).to.contain('stopping (untilEmpty)').and.to.contain(' stopped: 1 finished, 0 buried\n');
      expect(output).to.contain('moved 2 messages from "mail" to "mail" on beanstalkd://mq:11300\n');
      expect(output).to.match(/QUEUE +READY +DELAYED +RESERVED +BURIED\nmail +0 +0 +0 +0\n$/);
      await old.close();
      const driver = openBeanstalkd(fixture.server.url, { prefix: '' });
      const moved = new Queue(driver, 'mail');
      expect(countsOf(await moved.stats())).to.deep.equal({ ready: 2, delayed: 1, reserved: 0, buried: 0 });
      const data = [await moved.take({ timeout: 0 }), await moved.take({ timeout: 0 })].map((message) => message?.data);
      expect(data).to.deep.equal(['from app.js', 'buried']);
      await driver.close();
    });
  });
});

const APP = `
import { defineMessage, openDriver, Queue } from 'haricot';
const driver = await openDriver(process.env.HARICOT_URL);
await new Queue(driver, 'mail').publish(defineMessage('mail.send'), 'from app.js');
await driver.close();
`;

/** Makes the host \`mq\` the server of the test. */
const NAMES = `
import { Socket } from 'node:net';
const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (options?.host === 'mq') Object.assign(options, { host: '127.0.0.1', port: Number(process.env.MQ_PORT) });
  return connect.apply(this, args);
};
`;

/** Without what differs from run to run: times, ids of messages, and the parts of a stack that are not of the page. */
function normalised(output: string): string {
  return output
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/g, 'YYYY-MM-DD hh:mm:ssZ')
    .replace(/\d\d:\d\d:\d\dZ/g, 'hh:mm:ssZ')
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
    .replace(/^ +at (?!.*\/slots\.js:).*\n/gm, '')
    .replace(/^( +at ).*(\/slots\.js:\d+:\d+).*$/gm, '$1$2');
}
