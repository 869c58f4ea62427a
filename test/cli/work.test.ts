import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommandFailedError } from '../../src/cli/errors.js';
import { defineWork } from '../../src/cli/work.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { rejection } from '../support/failures.js';
import { type CommandHarness, useCommand } from './harness.js';

interface Told {
  log: unknown[];
}

describe('haricot work', () => {
  const harness = useCommand(defineWork);
  let folder: string;
  let files = 0;
  let exitCode: typeof process.exitCode;
  const told = globalThis as unknown as { told: Told['log'] };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-work-'));
    told.told = harness().calls;
    exitCode = process.exitCode;
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
    process.exitCode = exitCode;
  });

  /** Runs a worker with a slots module whose default export does this. */
  async function work(body: string, ...args: string[]): Promise<void> {
    const file = join(folder, `slots${++files}.mjs`);
    await writeFile(file, `const tell = (...what) => globalThis.told.push(what);\nexport default ${body}`);
    await harness().run('mail', '--slots', file, ...args);
  }

  /** The calls of the engine and what the slots told, without those that look. */
  function sequence({ calls }: CommandHarness): unknown[] {
    return calls.map(([what]) => what).filter((what) => !['stats', 'list'].includes(String(what)));
  }

  const CONNECT = `signals.connect('messageReceived', ({ data }) => tell('handled', data));`;

  it('works until no message is left with --until-empty', async () => {
    for (const data of [1, 2, 3]) await harness().queue().publish('mail.send', data);
    await work(`(signals) => { ${CONNECT} };`, '--until-empty', '--limit-exit-code', '7');
    expect(harness().calls.filter(([what]) => what === 'handled')).to.deep.equal(
      [1, 2, 3].map((data) => ['handled', data]),
    );
    expect(harness().output.out).to.contain('stopping (untilEmpty)').and.to.contain(' stopped: 3 finished, 0 buried\n');
    // That is no limit.
    expect(process.exitCode).to.equal(exitCode);
  });

  it('returns --limit-exit-code after a limit', async () => {
    await harness().queue().publish('mail.send', 1);
    await work(`(signals) => { ${CONNECT} };`, '--max-messages', '1', '--limit-exit-code', '7');
    expect(process.exitCode).to.equal(7);
  });

  it('calls what the module has returned when the worker has stopped, before the engine is closed', async () => {
    await harness().queue().publish('mail.send', 1);
    await work(`(signals) => { ${CONNECT} return async () => tell('ended'); };`, '--until-empty');
    expect(sequence(harness())).to.deep.equal(['consume', 'handled', 'ended', 'close']);
    expect(harness().output.lines.at(-1)).to.match(/ stopped: 1 finished, 0 buried$/);
  });

  it('calls it also after a signal', async () => {
    const stop = `queueMicrotask(() => process.emit('SIGHUP'));`;
    await harness().queue().publish('mail.send', 1);
    await work(`(signals) => { signals.connect('messageReceived', () => { ${stop} }); return () => tell('ended'); };`);
    expect(sequence(harness())).to.deep.equal(['consume', 'ended', 'close']);
    expect(harness().output.out).to.contain('stopping (stop)');
  });

  it('calls it also where the worker cannot run, and says why that was', async () => {
    const consume = new InvalidOptionError('no consumers');
    harness().driver.consume = () => Promise.reject(consume);
    const end = `() => { tell('ended'); throw new Error('ended too late'); }`;
    const error = await rejection(work(`(signals) => { ${CONNECT} return ${end}; };`), InvalidOptionError);
    expect(error).to.equal(consume);
    expect(sequence(harness())).to.deep.equal(['consume', 'ended', 'close']);
  });

  it('waits for it no longer than --grace, and fails then', async () => {
    const end = '() => new Promise(() => {})';
    const { code, message } = await rejection(
      work(`(signals) => { ${CONNECT} return ${end}; };`, '--until-empty', '--grace', '10ms'),
      CommandFailedError,
    );
    expect(code).to.equal('SLOTS_FAILED');
    expect(message).to.match(/ has not ended after 0\.1s \(--grace\)$/);
    expect(harness().calls.at(-1)).to.deep.equal(['close']);
  });

  it('gives slots queues to publish to, and the engine', async () => {
    await harness().queue().publish('mail.send', 1);
    await work(
      `(signals, app) => {
        const sms = app.queue('sms');
        signals.connect('messageReceived', async ({ data }) => {
          await sms.publish({ type: 'sms.send' }, data);
          tell('engine', (await app.driver.queues()).sort());
        });
      };`,
      '--until-empty',
    );
    expect(await harness().queue('sms').counts()).to.include({ ready: 1 });
    expect(harness().calls).to.deep.include(['engine', ['mail', 'sms']]);
  });

  it('reads the messages of other programs with --codec and --type, or as the module says', async () => {
    const slots = `signals.connect('messageReceived', ({ type, data }) => tell('handled', type, data));`;
    await harness().queue().put('{"qty":1}');
    await work(`(signals) => { ${slots} };`, '--codec', 'json', '--type', 'order.placed', '--until-empty');
    await harness().queue().put('{"qty":2}');
    const codec = `{ dataOnly: true, encode: JSON.stringify, decode: (body, { type }) => ({ type, data: JSON.parse(body) }) }`;
    const queues = `export const queues = { mail: { codec: ${codec}, type: 'order.changed' } };`;
    await work(`(signals) => { ${slots} };\n${queues}`, '--until-empty');
    expect(harness().calls.filter(([what]) => what === 'handled')).to.deep.equal([
      ['handled', 'order.placed', { qty: 1 }],
      ['handled', 'order.changed', { qty: 2 }],
    ]);
  });

  it('refuses a codec without a type, and a module that returns something odd, before it works', async () => {
    expect(
      (await rejection(work(`(signals) => { ${CONNECT} };`, '--codec', 'json'), InvalidOptionError)).message,
    ).to.match(/^the option type of queue "mail" must be given/);
    const odd = await rejection(work(`(signals) => { ${CONNECT} return 5; };`), InvalidOptionError);
    expect(odd.message).to.match(/ must be nothing, or a function that is called at the end, got 5$/);
    expect(sequence(harness())).to.deep.equal(['close', 'close']);
  });
});
