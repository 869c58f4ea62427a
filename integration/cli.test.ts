import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { Count, Fail, Hang } from './fixtures/slots.js';
import { onOwnServer } from './support/fixture.js';
import { Haricot, haricot, killLeftovers } from './support/haricot.js';
import { freePort } from './support/network.js';
import { onSharedQueues } from './support/queues.js';

const SLOTS = 'integration/fixtures/slots.ts';
/** An address where nobody asks: wrong usage is found before anything is connected. */
const NOWHERE = 'beanstalkd://127.0.0.1:1';

describe('haricot publish', () => {
  killLeftovers();
  const queues = onSharedQueues();
  let url: string;
  let queue: Queue;

  beforeEach(() => {
    ({ url } = queues.fixture.server);
    queue = queues.queue();
  });

  it('publishes the argument and prints the id of the message', async () => {
    const { code, stdout, stderr } = await haricot(['publish', queue.name, 'mail.send', '{"to":"a@b"}', '--url', url]);
    expect([code, stderr]).to.deep.equal([0, '']);
    const [message] = (await queue.list({ state: 'ready' })).messages;
    expect(stdout).to.equal(`${message?.jobId}\n`);
    expect(message && queue.decode(message)).to.deep.include({ type: 'mail.send', data: { to: 'a@b' }, headers: {} });
  });

  it('publishes standard input where there is no argument, to the engine that HARICOT_URL names', async () => {
    const input = `{ "text":\n "${'é'.repeat(1000)}" }\n`;
    const { code } = await haricot(['publish', queue.name, 'mail.send'], { input, env: { HARICOT_URL: url } });
    expect(code).to.equal(0);
    expect((await queue.take({ timeout: 0 }))?.data).to.deep.equal({ text: 'é'.repeat(1000) });
  });

  it('publishes with every option, and prints a record with --json', async () => {
    const options = ['--delay', '1m', '--priority', '7', '--ttr', '90s', '--header', 'tenant=a', '--header', 'X-B=c=d'];
    const { code, stdout } = await haricot([
      '--json',
      '--url',
      url,
      'publish',
      queue.name,
      'mail.send',
      '5',
      ...options,
    ]);
    expect(code).to.equal(0);
    const record = JSON.parse(stdout) as { jobId: string };
    expect(record).to.deep.equal({ queue: queue.name, type: 'mail.send', jobId: record.jobId });
    const client = await queues.fixture.connect();
    expect(await client.statsJob(record.jobId)).to.include({ state: 'delayed', pri: 7, delay: 60, ttr: 90 });
    const [message] = (await queue.list({ state: 'delayed' })).messages;
    expect(message && queue.decode(message).headers).to.deep.equal({ tenant: 'a', 'X-B': 'c=d' });
  });

  it('fails with exit code 1 when the engine cannot be reached', async () => {
    const port = await freePort();
    const { code, stdout, stderr } = await haricot([
      'publish',
      'mail',
      't',
      '5',
      '--url',
      `beanstalkd://127.0.0.1:${port}`,
    ]);
    expect([code, stdout]).to.deep.equal([1, '']);
    expect(stderr).to.match(new RegExp(`^haricot: cannot connect to beanstalkd://127\\.0\\.0\\.1:${port}: .*\\n$`));
  });

  for (const [what, args, message] of [
    ['an empty URL', ['publish', 'mail', 't', '5', '--url', ''], /^haricot: --url must name an engine, .*\n$/],
    [
      'an engine that is gone with the process',
      ['publish', 'mail', 't', '5', '--url', 'memory:'],
      /^haricot: cannot use "memory:": it keeps messages within one process, .*; name another engine\n$/,
    ],
    [
      'an unknown engine',
      ['publish', 'mail', 't', '5', '--url', 'amqp://a'],
      /^haricot: the scheme of an engine's URL must be one of .*, got "amqp:\/\/a"\n$/,
    ],
    [
      'a wrong address',
      ['publish', 'mail', 't', '5', '--url', 'beanstalkd://a:b'],
      /^haricot: an address must be .*, got "beanstalkd:\/\/a:b": the port must be a number from 1 to 65535, got "b"\n$/,
    ],
    [
      'a wrong queue name',
      ['publish', 'mail box', 't', '5', '--url', NOWHERE],
      /^haricot: a queue name must be 1 to 200 of /,
    ],
    [
      'data that is not JSON',
      ['publish', 'mail', 't', 'hello', '--url', NOWHERE],
      /^haricot: the data must be JSON, got something else: .*\n$/,
    ],
    ['no data', ['publish', 'mail', 't', '--url', NOWHERE], /^haricot: the data must be JSON, got nothing\n$/],
    [
      'a missing argument',
      ['publish', 'mail', '--url', NOWHERE],
      /^haricot: <type> must be given, got none \(see haricot publish --help\)\n$/,
    ],
    [
      'a wrong duration',
      ['publish', 'mail', 't', '5', '--delay', 'soon'],
      /^haricot: --delay must be a duration with its unit, such as 500ms, .*, got "soon" \(see /,
    ],
    [
      'an unknown option',
      ['publish', 'mail', 't', '5', '--fast'],
      /^haricot: unknown option "--fast" \(see haricot publish --help\)\n$/,
    ],
    ['an unknown command', ['pubish', 'mail'], /^haricot: unknown command "pubish" \(did you mean publish\?\)\n$/],
  ] as const) {
    it(`refuses ${what} with exit code 2 and says what is wrong`, async () => {
      const { code, stdout, stderr } = await haricot(args);
      expect([code, stdout], stderr).to.deep.equal([2, '']);
      expect(stderr).to.match(message);
    });
  }
});

describe('haricot work', () => {
  killLeftovers();
  const queues = onSharedQueues();
  let queue: Queue;
  let work: (...options: string[]) => ReturnType<typeof haricot>;

  beforeEach(() => {
    queue = queues.queue();
    const { url } = queues.fixture.server;
    work = (...options) => haricot(['work', queue.name, '--url', url, '--slots', SLOTS, ...options]);
  });

  function withoutTimes(stdout: string): string[] {
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^[\d:]{8}Z /, ''));
  }

  it('hands messages to the slots until --max-messages is reached, and ends with --limit-exit-code', async () => {
    await queue.publishMany(Count, [1, 2, 3]);
    const { code, stdout, stderr } = await work('--max-messages', '2', '--limit-exit-code', '7');
    expect([code, stderr]).to.deep.equal([7, '']);
    expect(withoutTimes(stdout)).to.deep.equal([
      `working on ${queue.name}, 1 at once`,
      'handled 1',
      'handled 2',
      'stopping (maxMessages): running slots have 10s to finish',
      'stopped: 2 finished, 0 buried',
    ]);
    expect(countsOf(await queue.stats())).to.include({ ready: 1, reserved: 0 });
  });

  it('ends with exit code 0 at a limit unless another is asked for', async () => {
    const { code, stdout, stderr } = await work('--time-limit', '200ms');
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(withoutTimes(stdout)).to.deep.equal([
      `working on ${queue.name}, 1 at once`,
      'stopping (timeLimit): running slots have 10s to finish',
      'stopped: 0 finished, 0 buried',
    ]);
  });

  it('stops when the process is larger than --memory-limit', async () => {
    await queue.publishMany(Count, [1, 2, 3]);
    const { code, stdout } = await work('--memory-limit', '1MB', '--limit-exit-code', '3');
    expect(code).to.equal(3);
    expect(stdout).to.contain('stopping (memoryLimit)');
    expect(countsOf(await queue.stats()).ready).to.be.above(0);
  });

  it('works on several queues', async () => {
    const other = new Queue(queue.driver, queues.name());
    await queue.publish(Count, 1);
    await other.publish(Count, 2);
    const { stdout } = await work(other.name, '--max-messages', '2');
    expect(withoutTimes(stdout)[0]).to.equal(`working on ${queue.name}, ${other.name}, 1 at once`);
    expect(stdout).to.contain('handled 1\n').and.contain('handled 2\n');
  });

  it('says what became of a message that fails, and of one that finishes with --verbose', async () => {
    const failing = await queue.publish(Fail, 'no route');
    const fine = await queue.publish(Count, 1);
    const { stdout } = await work('--max-messages', '2', '--attempts', '1', '--verbose');
    expect(withoutTimes(stdout)).to.include(`${queue.name} ${failing} fail attempt 1 BURIED (attempts): no route`);
    expect(stdout).to.match(new RegExp(`${queue.name} ${fine} count attempt 1 finished in [0-9.]+ ms\\n`));
    expect(countsOf(await queue.stats())).to.include({ ready: 0, buried: 1 });
  });

  it('writes a JSON object a line with --json, without the data of messages', async () => {
    const retried = await queue.publish(Fail, 'first');
    const fine = await queue.publish(Count, 123_456);
    const { stdout } = await work('--max-messages', '2', '--json', '--verbose', '--concurrency', '2');
    const reports = stdout.split('\n').filter((line) => line.startsWith('{'));
    expect(stdout.split('\n').filter((line) => !line.startsWith('{'))).to.deep.equal(['handled 123456', '']);
    const records = reports.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.map(({ signal }) => signal)).to.have.members([
      'workerStarted',
      'messageStarted',
      'messageStarted',
      'messageReleased',
      'messageFinished',
      'workerStopping',
      'workerStopped',
    ]);
    const about = (id: string): unknown =>
      records.find(({ jobId, signal }) => jobId === id && signal !== 'messageStarted');
    expect(about(retried)).to.include({ queue: queue.name, type: 'fail', attempt: 1, error: 'first' });
    expect(about(fine)).to.include({ signal: 'messageFinished', type: 'count', attempt: 1 });
    expect(reports.join()).not.to.contain('123456');
  });

  it('puts a message aside, passes it on or forgets it where no slot is connected, as --unhandled says', async () => {
    const Unknown = defineMessage('unknown');
    const id = await queue.publish(Unknown, 1);
    expect((await work('--max-messages', '1', '--unhandled', 'release', '--backoff', '0')).stdout).to.contain(
      `${queue.name} ${id} unknown attempt 1 failed: cannot handle the message: no slot is connected for messages of type "unknown"; next try at once`,
    );
    expect(countsOf(await queue.stats())).to.include({ ready: 1, buried: 0 });
    expect((await work('--max-messages', '1')).stdout).to.contain(
      'BURIED (unhandled): cannot handle the message: no slot is connected',
    );
    await queue.retry({ limit: 1 });
    expect((await work('--max-messages', '1', '--unhandled', 'ignore')).stdout).to.contain(
      'stopped: 1 finished, 0 buried',
    );
    expect(countsOf(await queue.stats())).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
  });

  it('gives slots as long as --slot-timeout, and tries again after --backoff', async () => {
    const id = await queue.publish(Hang, null);
    const { stdout } = await work('--max-messages', '1', '--slot-timeout', '50ms', '--backoff', '1h');
    expect(withoutTimes(stdout)).to.include(
      `${queue.name} ${id} hang attempt 1 failed: cannot finish the message: its slots took longer than 50 ms; next try after 3600.0 s`,
    );
    expect(countsOf(await queue.stats())).to.include({ delayed: 1 });
  });

  it('stops after --failure-limit messages that were buried', async () => {
    await queue.publishMany(Fail, ['a', 'b', 'c', 'd']);
    const { code, stdout } = await work('--attempts', '1', '--failure-limit', '2', '--limit-exit-code', '5');
    expect(code).to.equal(5);
    expect(stdout).to.contain('stopping (failureLimit)');
    // The next one may have been on its way already.
    expect(stdout).to.match(/ stopped: 0 finished, [23] buried\n$/);
  });

  it('empties the first queue before the next one with --order strict, and takes turns without', async () => {
    const other = new Queue(queue.driver, queues.name());
    for (const [options, order] of [
      [
        ['--order', 'strict'],
        [1, 2, 3, 11, 12, 13],
      ],
      [[], undefined],
    ] as const) {
      await other.publishMany(Count, [11, 12, 13]);
      await queue.publishMany(Count, [1, 2, 3]);
      const { stdout } = await work(other.name, '--max-messages', '6', ...options);
      const handled = [...stdout.matchAll(/^handled (\d+)$/gm)].map(([, number]) => Number(number));
      if (order) expect(handled).to.deep.equal(order);
      else expect(handled.slice(0, 3), String(handled)).not.to.deep.equal([1, 2, 3]);
    }
  });

  it('asks for no attempts with --no-track-attempts, and tells none', async () => {
    const id = await queue.publish(Count, 1);
    const { stdout } = await work('--max-messages', '1', '--no-track-attempts', '--verbose');
    expect(stdout).to.match(new RegExp(`${queue.name} ${id} count finished in [0-9.]+ ms\\n`));
  });

  it('goes on while the engine cannot be reached, and says so', async () => {
    const url = `beanstalkd://127.0.0.1:${await freePort()}`;
    const { code, stdout } = await haricot(['work', 'mail', '--url', url, '--slots', SLOTS, '--time-limit', '2s']);
    expect(code).to.equal(0);
    expect(stdout).to.contain(`error: cannot connect to ${url}`);
    expect(stdout).to.contain('stopped: 0 finished, 0 buried');
  });

  for (const [what, args, message] of [
    ['no slots', ['work', 'mail'], /^haricot: --slots must be given, got none \(see haricot work --help\)\n$/],
    [
      'no queue',
      ['work', '--slots', SLOTS],
      /^haricot: <queue> must be given, got none \(see haricot work --help\)\n$/,
    ],
    [
      'a slots module that is not there',
      ['work', 'mail', '--slots', './nowhere.js', '--url', NOWHERE],
      /^haricot: cannot load the slots module \.\/nowhere\.js: it is not there \(.*nowhere\.js\)\n$/,
    ],
    [
      'a slots module without a default export',
      ['work', 'mail', '--slots', 'integration/fixtures/no-default.ts', '--url', NOWHERE],
      /^haricot: the default export of integration\/fixtures\/no-default\.ts must be a function \(signals, app\) => void, got nothing; it exports connectSlots\n$/,
    ],
    [
      'a slots module that connects nothing',
      ['work', 'mail', '--slots', 'integration/fixtures/no-slots.ts', '--url', NOWHERE],
      /^haricot: cannot use integration\/fixtures\/no-slots\.ts: it connects no slot, and every message would be buried as unhandled\n$/,
    ],
    [
      'a slots module that fails',
      ['work', 'mail', '--slots', 'integration/fixtures/throws.ts', '--url', NOWHERE],
      /^haricot: cannot load the slots module integration\/fixtures\/throws\.ts: no database/,
    ],
    ['an empty URL', ['work', 'mail', '--slots', SLOTS, '--url', ''], /^haricot: --url must name an engine, /],
    [
      'a concurrency of 0',
      ['work', 'mail', '--slots', SLOTS, '--url', NOWHERE, '--concurrency', '0'],
      /^haricot: --concurrency must be an integer of at least 1, got 0\n$/,
    ],
    [
      'a choice that is none',
      ['work', 'mail', '--slots', SLOTS, '--url', NOWHERE, '--order', 'odd'],
      /^haricot: --order must be fair or strict, got "odd" \(see /,
    ],
    [
      'a size that is none',
      ['work', 'mail', '--slots', SLOTS, '--memory-limit', 'much'],
      /^haricot: --memory-limit must be a size with its unit, such as 256MB or 1GB, got "much" \(see /,
    ],
    [
      'a size without a unit',
      ['work', 'mail', '--slots', SLOTS, '--memory-limit', '256'],
      /^haricot: --memory-limit must be a size with its unit, .*, got "256" \(see /,
    ],
    ...['--time-limit', '--grace', '--slot-timeout', '--backoff'].map(
      (option) =>
        [
          `a bare number for ${option}`,
          ['work', 'mail', '--slots', SLOTS, option, '60'],
          / must be a duration with its unit, .*, got "60" \(see /,
        ] as const,
    ),
  ] as const) {
    it(`refuses ${what} with exit code 2 and says what is wrong`, async () => {
      const { code, stdout, stderr } = await haricot(args);
      expect([code, stdout], stderr).to.deep.equal([2, '']);
      expect(stderr).to.match(message);
    });
  }
});

describe('haricot work, when its engine goes and comes back,', () => {
  killLeftovers();
  const fixture = onOwnServer();

  it('tells each error once, and that the engine answers again', async () => {
    const { server } = fixture;
    const worker = Haricot.start(['work', fixture.tube(), '--url', server.url, '--slots', SLOTS]);
    await worker.line(/ working on /);
    await server.kill();
    await worker.line(/ error: cannot connect /);
    await server.restart();
    await worker.line(/Z the engine answers again, after [\d.]+/);
    const errors = worker.lines.filter((line) => / error: /.test(line)).map((line) => line.slice('00:00:00Z '.length));
    expect(new Set(errors).size, String(worker)).to.equal(errors.length);
    worker.signal('SIGTERM');
    expect(await worker.exit()).to.equal(0);
  });
});

describe('haricot', () => {
  killLeftovers();

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await haricot(['--version'])).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('helps with itself and with each command, global options included', async () => {
    const [all, publish, work] = await Promise.all([
      haricot(['--help']),
      haricot(['publish', '--help']),
      haricot(['help', 'work']),
    ]);
    expect([all.code, publish.code, work.code]).to.deep.equal([0, 0, 0]);
    expect(all.stdout)
      .to.match(/^Usage: haricot /)
      .and.contain('publish one message, or many')
      .and.contain('run a worker');
    expect(publish.stdout).to.match(/^Usage: haricot publish /);
    for (const option of ['--delay', '--priority', '--ttr', '--header', '--url', '--json']) {
      expect(publish.stdout).to.contain(option);
    }
    expect(work.stdout).to.match(/^Usage: haricot work /);
    const limits = ['--max-messages', '--time-limit', '--memory-limit', '--limit-exit-code', '--until-empty'];
    for (const option of [
      '--slots',
      '--concurrency',
      '--attempts',
      '--grace',
      '--verbose',
      '--codec',
      '--type',
      '--url',
      '--json',
      ...limits,
    ]) {
      expect(work.stdout).to.contain(option);
    }
  });

  it('shows its help with exit code 2 when it is told nothing', async () => {
    const { code, stdout, stderr } = await haricot([]);
    expect([code, stdout]).to.deep.equal([2, '']);
    expect(stderr).to.match(/^Usage: haricot /);
  });
});
