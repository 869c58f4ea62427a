import { expect } from 'chai';
import type { MessageCounts } from '../src/queue/driver.js';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { ENGINES, type Engine, onBeanstalkd } from './support/engines.js';
import { onBuild } from './support/haricot-build.js';
import { KilledWorkers, untilEmpty } from './support/killed-workers.js';
import { ProcessWatch } from './support/process-watch.js';
import { onOwnQueues } from './support/queues.js';
import { seededRandom } from './support/random.js';
import { violations } from './support/work-ledger.js';

const MESSAGES = 20_000;
const KILLS = 50;
const PROCESSES = 3;
const CONCURRENCY = 10;
/** How many messages are handled between one kill and the next: never so many that none are left for the last. */
const LEAST_PROGRESS = 150;
const MOST_PROGRESS = MESSAGES / KILLS - 20;
/** The publisher is ahead of the workers, but not so far that it has nothing to do while they are killed. */
const MOST_UNHANDLED = 2000;
const AT_ONCE = 250;
/** Where only the end of its lease tells that the holder of a message is dead, the message comes back then. */
const TTR = '5s';
const NOTHING: MessageCounts = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

const Numbered = defineMessage<number>('numbered');

const { beanstalkd, ...others } = ENGINES;
const engines: Readonly<Record<string, () => Engine>> = {
  ...(beanstalkd && { 'beanstalkd with a binlog': () => onBeanstalkd(onOwnQueues({ binlog: true })) }),
  ...others,
};

describe(`${PROCESSES} worker processes, of which one is killed ${KILLS} times while ${MESSAGES} messages flow`, function () {
  this.timeout('15m');
  const build = onBuild();

  for (const [name, onEngine] of Object.entries(engines)) {
    describe(`on ${name}`, () => {
      let workers: KilledWorkers | undefined;

      afterEach(async () => {
        await workers?.remove();
        workers = undefined;
      });

      const engine = onEngine();

      it('handle every message, none twice but what a killed process held, and leave nothing', async () => {
        using watch = new ProcessWatch();
        const seed = Number(process.env['HARICOT_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
        const queue = new Queue(await engine.open(), engine.queueName());
        await queue.setUp();
        workers = await KilledWorkers.of('kill-worker.mjs', [build(), engine.url, queue.name, String(CONCURRENCY)]);
        try {
          const plan = { processes: PROCESSES, kills: KILLS, progress: [LEAST_PROGRESS, MOST_PROGRESS] } as const;
          await Promise.all([publish(queue, workers), workers.killAtRandom(plan, seededRandom(seed))]);
          await untilEmpty(queue);
          expect(await workers.stop()).to.deep.equal(Array(PROCESSES).fill('ended with 0'));
          const faults = violations(MESSAGES, workers.ledgers);
          expect(faults, faults.slice(0, 20).join('\n')).to.deep.equal([]);
          expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
          // Or no process was ever killed at work.
          expect(workers.heldWhenKilled).to.be.above(KILLS);
          expect(watch.complaints).to.deep.equal([]);
        } catch (error) {
          throw new Error(`HARICOT_TEST_SEED=${seed} ${workers}: ${(error as Error).message}`, { cause: error });
        }
      });
    });
  }
});

async function publish(queue: Queue, workers: KilledWorkers): Promise<void> {
  for (let next = 0; next < MESSAGES; next += AT_ONCE) {
    await workers.untilHandled(next - MOST_UNHANDLED);
    const numbers = Array.from({ length: AT_ONCE }, (_, index) => next + index);
    await queue.publishMany(Numbered, numbers, { ttr: TTR });
  }
}
