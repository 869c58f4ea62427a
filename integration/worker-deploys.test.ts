import { expect } from 'chai';
import { openMemory } from '../src/drivers/memory/driver.js';
import type { Driver } from '../src/queue/driver.js';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { SignalDispatcher } from '../src/signals/dispatcher.js';
import { Worker } from '../src/worker/worker.js';
import { countsOf } from '../test/support/counts.js';
import { Attempt } from './fixtures/crash-slots.js';
import { ENGINES } from './support/engines.js';
import { Haricot, killLeftovers } from './support/haricot.js';
import { until } from './support/until.js';

const MESSAGES = 3;
const DEPLOYS = 3;
const READY = { ready: MESSAGES, delayed: 0, reserved: 0, buried: 0 };
const Work = defineMessage<number>('work');
const numbers = Array.from({ length: MESSAGES }, (_, number) => number);

/** Stops workers at work again and again, then lets one finish. @returns the attempts that its slots have seen */
async function deployInProcess(driver: Driver): Promise<(number | undefined)[]> {
  const queue = new Queue(driver, 'deploys');
  await queue.publishMany(Work, numbers);
  for (let deploy = 0; deploy < DEPLOYS; deploy++) {
    const signals = new SignalDispatcher();
    let begun = 0;
    signals.connect(Work, () => {
      begun++;
      return new Promise(() => {});
    });
    const worker = new Worker(queue, signals, { concurrency: MESSAGES, attempts: 1 });
    const run = worker.run();
    await until('all slots run', async () => begun === MESSAGES);
    await worker.stop({ grace: 0 });
    await run;
  }
  const signals = new SignalDispatcher();
  const attempts: (number | undefined)[] = [];
  signals.connect(Work, (_message, { attempt }) => attempts.push(attempt));
  await new Worker(queue, signals, { attempts: 1, maxMessages: MESSAGES }).run();
  return attempts;
}

describe('A deploy, which stops workers whose slots run and starts others,', () => {
  it('uses up no attempt on memory', async () => {
    const driver = openMemory('memory:', { prefix: '' });
    expect(await deployInProcess(driver)).to.deep.equal([1, 1, 1]);
    await driver.close();
  });

  for (const [name, onEngine] of Object.entries(ENGINES)) {
    describe(`on ${name}`, () => {
      killLeftovers();
      const engine = onEngine();

      it('uses up no attempt where a release can be uncounted, and one each time elsewhere', async () => {
        const driver = await engine.open();
        const queue = new Queue(driver, engine.queueName());
        await queue.publishMany(Attempt, numbers);
        const isUncounted = queue.driver.capabilities.uncountedRelease;
        // Where a stop counts, there are more attempts than deploys: otherwise the messages would be buried.
        const attempts = isUncounted ? 1 : DEPLOYS + 1;
        for (let deploy = 1; deploy <= DEPLOYS; deploy++) {
          const args = [...['--slots', 'integration/fixtures/crash-slots.ts'], ...['--grace', '0s']];
          const worker = Haricot.start([
            ...['--url', engine.url, 'work', queue.name, '--concurrency', String(MESSAGES)],
            ...[...args, '--attempts', String(attempts)],
          ]);
          const line = `attempt ${isUncounted ? 1 : deploy}`;
          await worker.until(`all slots have told ${line}`, () => {
            return worker.lines.filter((each) => each === line).length === MESSAGES;
          });
          worker.signal('SIGTERM');
          expect(await worker.exit(), String(worker)).to.equal(0);
          expect(countsOf(await queue.stats())).to.deep.equal(READY);
        }
      });
    });
  }
});
