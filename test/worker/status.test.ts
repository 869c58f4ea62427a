import { expect } from 'chai';
import { defineMessage } from '../../src/queue/message.js';
import { type Deferred, deferred, useWorkerHarness } from '../support/worker-harness.js';

const SendMail = defineMessage('mail.send');

describe('The status of a worker', () => {
  const harness = useWorkerHarness();
  const NOTHING = { inFlight: [], finished: 0, failed: 0, released: 0 };
  let work: Deferred<void>;
  let started: Deferred<void>;

  beforeEach(() => {
    work = deferred();
    started = deferred();
    harness().signals.connect(SendMail, () => {
      started.resolve();
      return work.promise;
    });
  });

  it('tells its state, from idle to stopped', async () => {
    const worker = harness().worker();
    expect(worker.status()).to.deep.equal({ state: 'idle', ...NOTHING });
    const run = worker.run();
    await harness().driver.untilWaiting(1);
    expect(worker.status()).to.deep.equal({ state: 'running', ...NOTHING });
    const stopped = worker.stop();
    expect(worker.status().state).to.equal('stopping');
    await Promise.all([run, stopped]);
    expect(worker.status()).to.deep.equal({ state: 'stopped', ...NOTHING });
  });

  it('tells what it is working on', async () => {
    const before = Date.now();
    harness().deliver({}, { jobId: '7', attempt: 2 });
    const worker = harness().start({ concurrency: 3 });
    await started.promise;
    await harness().driver.untilWaiting(2);
    const [message, ...others] = worker.status().inFlight;
    expect(message).to.deep.include({ queue: 'mail', jobId: '7', type: 'mail.send', attempt: 2 });
    expect(message?.startedAt.getTime()).to.be.within(before - 1, Date.now());
    expect(others).to.deep.equal([]);
    work.resolve();
    await harness().next('messageFinished');
    expect(worker.status()).to.deep.include({ inFlight: [], finished: 0 });
  });

  it('counts what it has finished, buried and released', async () => {
    harness().signals.connect(defineMessage('bad'), () => Promise.reject(new Error('no')));
    work.resolve();
    for (let n = 0; n < 3; n++) harness().deliver();
    for (const attempt of [1, 5, 2]) harness().deliver({ type: 'bad' }, { attempt });
    const worker = harness().worker({ maxMessages: 6 });
    await worker.run();
    expect(worker.status()).to.deep.equal({ state: 'stopped', inFlight: [], finished: 3, failed: 1, released: 2 });
  });
});
