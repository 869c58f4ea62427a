import { expect } from 'chai';
import { z } from 'zod';
import { logSignals } from '../../../src/cli/work/log.js';
import { DecodeError } from '../../../src/queue/errors.js';
import { defineMessage, type Message } from '../../../src/queue/message.js';
import { SignalDispatcher } from '../../../src/signals/dispatcher.js';
import { useFakeClock } from '../../support/clock.js';
import { FakeOutput } from '../../support/fake-output.js';
import { useWorkerHarness } from '../../support/worker-harness.js';
import { setVariable, terminal, useEnvironment } from '../harness.js';

const MESSAGE: Message = {
  id: 'm1',
  type: 'mail.send',
  data: { password: 'hunter2' },
  time: new Date(0),
  headers: { token: 'hunter2' },
  source: '/test',
};
const ABOUT = { queue: 'mail', jobId: '7', attempt: 2, message: MESSAGE };

function emitAll(signals: SignalDispatcher): void {
  signals.emit('messageSubmitted', { ...ABOUT, inTransaction: false });
  signals.emit('workerStarted', { queues: ['mail', 'sms'], concurrency: 5 });
  signals.emit('messageStarted', ABOUT);
  signals.emit('messageFinished', { ...ABOUT, durationMs: 12.345 });
  signals.emit('messageReleased', {
    ...ABOUT,
    delayMs: 1500,
    counted: true,
    durationMs: 1,
    error: new Error('no route'),
  });
  signals.emit('messageReleased', { ...ABOUT, delayMs: 0, counted: false, durationMs: 1, error: 'stopped' });
  signals.emit('messageFailed', {
    ...ABOUT,
    reason: 'attempts',
    error: new Error('no'),
    durationMs: 1,
    body: Buffer.from('hunter2'),
  });
  signals.emit('messageFailed', {
    ...ABOUT,
    message: undefined,
    reason: 'undecodable',
    durationMs: 1,
    error: new DecodeError('not JSON'),
    body: Buffer.from('hunter2'),
  });
  signals.emit('leaseLost', ABOUT);
  signals.emit('workerError', { error: new Error('lost', { cause: new Error('reset') }) });
  signals.emit('workerStopping', { queues: ['mail'], reason: 'maxMessages' });
  signals.emit('workerStopped', { queues: ['mail'], finished: 3, failed: 1 });
}

describe('The log of a worker', () => {
  useEnvironment({ FORCE_COLOR: undefined, NO_COLOR: undefined, TERM: 'xterm' });
  const clock = useFakeClock();
  let signals: SignalDispatcher;
  let output: FakeOutput;

  beforeEach(async () => {
    signals = new SignalDispatcher();
    output = new FakeOutput();
    // 1970-01-01 02:03:04.005
    await clock.tickAsync(7_384_005);
  });

  it('is a line for each thing that happened', () => {
    logSignals(signals, output, { json: false, verbose: false, graceMs: 10_000 });
    emitAll(signals);
    expect(output.lines).to.deep.equal([
      '02:03:04Z working on mail, sms, 5 at once',
      '02:03:04Z mail 7 mail.send attempt 2 failed: no route; next try after 1.5 s',
      '02:03:04Z mail 7 mail.send attempt 2 failed: stopped; next try at once, not counted as an attempt',
      '02:03:04Z mail 7 mail.send attempt 2 BURIED (attempts): no',
      '02:03:04Z mail 7 (unreadable) attempt 2 BURIED (undecodable): not JSON',
      '02:03:04Z mail 7 mail.send attempt 2 lost its lease; it will be delivered again',
      '02:03:04Z error: lost (reset)',
      '02:03:04Z stopping (maxMessages): running slots have 10s to finish',
      '02:03:04Z stopped: 3 finished, 1 buried',
    ]);
    expect(output.err).to.equal('');
  });

  it('has a line for each message that is started or finished too, if that is wanted', () => {
    logSignals(signals, output, { json: false, verbose: true, graceMs: 10_000 });
    signals.emit('messageStarted', ABOUT);
    signals.emit('messageFinished', { ...ABOUT, durationMs: 12.345 });
    expect(output.lines).to.deep.equal([
      '02:03:04Z mail 7 mail.send attempt 2 started',
      '02:03:04Z mail 7 mail.send attempt 2 finished in 12.3 ms',
    ]);
  });

  it('tells of an engine that is gone and comes back, without a line for each try', () => {
    logSignals(signals, output, { json: false, verbose: false, graceMs: 10_000 });
    for (let n = 0; n < 30; n++) signals.emit('workerError', { error: new Error('lost') });
    signals.emit('workerRecovered', { queues: ['mail'], downMs: 83_000 });
    signals.emit('workerError', { error: new Error('lost') });
    signals.emit('workerStopped', { queues: ['mail'], finished: 0, failed: 0 });
    expect(output.lines).to.deep.equal([
      '02:03:04Z error: lost',
      '02:03:04Z error: lost (29 more times)',
      '02:03:04Z the engine answers again, after 1m 23s',
      '02:03:04Z error: lost',
      '02:03:04Z stopped: 0 finished, 0 buried',
    ]);
  });

  it('tells with --json how often an error came again', () => {
    logSignals(signals, output, { json: true, verbose: false, graceMs: 10_000 });
    for (let n = 0; n < 3; n++) signals.emit('workerError', { error: new Error('lost') });
    signals.emit('workerRecovered', { queues: ['mail'], downMs: 1000 });
    const time = '1970-01-01T02:03:04.005Z';
    expect(output.lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal([
      { time, signal: 'workerError', error: 'lost' },
      { time, signal: 'workerError', error: 'lost', repeats: 2 },
      { time, signal: 'workerRecovered', queues: ['mail'], downMs: 1000 },
    ]);
  });

  it('says how long slots may go on when a signal stops it, and what a second one does', () => {
    logSignals(signals, output, { json: false, verbose: false, graceMs: 30_000 });
    signals.emit('workerStopping', { queues: ['mail'], reason: 'stop' });
    expect(output.lines).to.deep.equal([
      '02:03:04Z stopping (stop): running slots have 30s to finish; a second Ctrl+C stops them at once',
    ]);
  });

  it('tells of pauses', () => {
    const until = new Date('2026-01-01T00:01:30Z');
    const logPause = logSignals(signals, output, { json: false, verbose: false, graceMs: 0 });
    const recordPause = logSignals(signals, output, { json: true, verbose: false, graceMs: 0 });
    for (const tell of [logPause, recordPause]) {
      tell('mail', until);
      tell('mail', null);
    }
    const time = '1970-01-01T02:03:04.005Z';
    expect(output.lines).to.deep.equal([
      '02:03:04Z mail is paused until 2026-01-01 00:01:30Z',
      '02:03:04Z mail is not paused any more',
      JSON.stringify({ time, paused: { queue: 'mail', until } }),
      JSON.stringify({ time, paused: { queue: 'mail', until: null } }),
    ]);
  });

  it('cuts a type that is longer than a line, in no time', () => {
    logSignals(signals, output, { json: false, verbose: true, graceMs: 0 });
    logSignals(signals, output, { json: true, verbose: true, graceMs: 0 });
    const message = { ...MESSAGE, type: `x${' '.repeat(60_000)}y` };
    const began = process.hrtime.bigint();
    signals.emit('messageFinished', { ...ABOUT, message, durationMs: 1 });
    expect(Number(process.hrtime.bigint() - began) / 1e9).to.be.below(1);
    expect(output.out.length).to.be.below(1500);
  });

  it('does not count attempts where the worker does not track them', () => {
    logSignals(signals, output, { json: false, verbose: true, graceMs: 10_000 });
    signals.emit('messageFinished', { ...ABOUT, attempt: undefined, durationMs: 1 });
    expect(output.lines).to.deep.equal(['02:03:04Z mail 7 mail.send finished in 1.0 ms']);
  });

  it('is a JSON object a line, if that is wanted', () => {
    logSignals(signals, output, { json: true, verbose: true, graceMs: 10_000 });
    emitAll(signals);
    const time = '1970-01-01T02:03:04.005Z';
    const about = { queue: 'mail', jobId: '7', attempt: 2 };
    const message = { ...about, messageId: 'm1', type: 'mail.send' };
    expect(output.lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal([
      { time, signal: 'workerStarted', queues: ['mail', 'sms'], concurrency: 5 },
      { time, signal: 'messageStarted', ...message },
      { time, signal: 'messageFinished', ...message, durationMs: 12.345 },
      { time, signal: 'messageReleased', ...message, delayMs: 1500, counted: true, durationMs: 1, error: 'no route' },
      { time, signal: 'messageReleased', ...message, delayMs: 0, counted: false, durationMs: 1, error: 'stopped' },
      { time, signal: 'messageFailed', ...message, reason: 'attempts', durationMs: 1, error: 'no' },
      { time, signal: 'messageFailed', ...about, reason: 'undecodable', durationMs: 1, error: 'not JSON' },
      { time, signal: 'leaseLost', ...message },
      { time, signal: 'workerError', error: 'lost (reset)' },
      { time, signal: 'workerStopping', queues: ['mail'], reason: 'maxMessages' },
      { time, signal: 'workerStopped', queues: ['mail'], finished: 3, failed: 1 },
    ]);
  });

  it('has colours on a terminal: what went wrong stands out', () => {
    const screen = terminal();
    logSignals(signals, screen, { json: false, verbose: true, graceMs: 10_000 });
    emitAll(signals);
    const dim = '\u001b[2m02:03:04Z\u001b[22m';
    const about = 'mail 7 mail.send attempt 2';
    expect(screen.lines.slice(0, 5)).to.deep.equal([
      `${dim} working on mail, sms, 5 at once`,
      `${dim} ${about} started`,
      `${dim} ${about} \u001b[32mfinished\u001b[39m in 12.3 ms`,
      `${dim} ${about} \u001b[33mfailed\u001b[39m: no route; next try after 1.5 s`,
      `${dim} ${about} \u001b[33mfailed\u001b[39m: stopped; next try at once, not counted as an attempt`,
    ]);
    expect(screen.lines).to.include(`${dim} ${about} \u001b[31mBURIED\u001b[39m (attempts): no`);
    expect(screen.lines).to.include(`${dim} \u001b[31merror: lost (reset)\u001b[39m`);
  });

  it('has no colours with --json, nor where NO_COLOR forbids them', () => {
    const screen = terminal();
    logSignals(signals, screen, { json: true, verbose: true, graceMs: 10_000 });
    setVariable('NO_COLOR', '1');
    logSignals(signals, screen, { json: false, verbose: true, graceMs: 10_000 });
    emitAll(signals);
    expect(screen.lines).to.have.length(22);
    expect(screen.out).not.to.contain('\u001b');
  });

  it('lets nothing of a message play tricks on the terminal', () => {
    logSignals(signals, output, { json: false, verbose: false, graceMs: 10_000 });
    const message = { ...MESSAGE, type: 'a\u001b[2Jb' };
    const error = new Error('c\u001b[2Jd');
    signals.emit('messageReleased', { ...ABOUT, message, delayMs: 0, counted: true, durationMs: 1, error });
    expect(output.lines).to.deep.equal([
      '02:03:04Z mail 7 a\\u001b[2Jb attempt 2 failed: c\\u001b[2Jd; next try at once',
    ]);
  });

  it('never has the data, the headers or the body of a message in it', () => {
    for (const json of [false, true]) logSignals(signals, output, { json, verbose: true, graceMs: 10_000 });
    emitAll(signals);
    expect(output.lines).to.have.length(22);
    expect(output.out).not.to.contain('hunter2');
  });
});

describe('The log of a worker that works', () => {
  const harness = useWorkerHarness();

  it('has no data in it either, whatever is wrong with the messages', async () => {
    const output = new FakeOutput();
    for (const json of [false, true]) logSignals(harness().signals, output, { json, verbose: true, graceMs: 10_000 });
    const Strict = defineMessage('strict', z.object({ to: z.email() }));
    harness().signals.connect(Strict, () => {});
    harness().signals.connect(defineMessage('fine'), () => {});
    harness().signals.connect(defineMessage('fails'), () => Promise.reject(new Error('no')));
    for (const type of ['fine', 'fails', 'unknown', 'strict']) harness().deliver({ type, data: { to: 'hunter2' } });
    for (const body of ['hunter2', '{"data":"hunter2"}', '["hunter2"]', '{"data":"hunter2"']) {
      harness().driver.deliver({ body: Buffer.from(body) });
    }
    await harness().worker({ maxMessages: 8 }).run();
    expect(harness().events('messageFailed')).to.have.length(6);
    expect(output.lines).to.have.length(26);
    expect(output.out).not.to.contain('hunter2');
  });
});
