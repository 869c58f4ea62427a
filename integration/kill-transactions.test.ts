import { expect } from 'chai';
import type { Driver } from '../src/queue/driver.js';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { ENGINES } from './support/engines.js';
import { onBuild } from './support/haricot-build.js';
import { KilledWorkers, untilEmpty } from './support/killed-workers.js';
import { ProcessWatch } from './support/process-watch.js';
import { seededRandom } from './support/random.js';

const MESSAGES = 5000;
const KILLS = 50;
const PROCESSES = 3;
const CONCURRENCY = 5;
/** Never so many messages between two kills that none are left for the last. */
const PROGRESS = [20, MESSAGES / KILLS - 10] as const;

const Numbered = defineMessage<number>('numbered');

/** Those that have transactions. */
const { beanstalkd: _, ...engines } = ENGINES;

interface Effect {
  readonly message: number;
  readonly note: string;
}

describe(`${PROCESSES} worker processes, of which one is killed ${KILLS} times under ${MESSAGES} messages that are finished in transactions`, function () {
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

      for (const mode of ['transaction', 'finish'])
        it(`leave every effect exactly once, by context.${mode}`, async () => {
          using watch = new ProcessWatch();
          const seed = Number(process.env['HARICOT_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
          const driver = await engine.open();
          const queue = new Queue(driver, engine.queueName());
          await query(driver, 'CREATE TABLE effects (message INTEGER NOT NULL, note TEXT NOT NULL)');
          await queue.publishMany(
            Numbered,
            Array.from({ length: MESSAGES }, (_, number) => number),
            // Where only the end of its lease tells that the holder of a message is dead, the message comes back then.
            { ttr: '5s' },
          );
          workers = await KilledWorkers.of('kill-transaction-worker.mjs', [
            ...[build(), engine.url, queue.name, String(CONCURRENCY), mode],
          ]);
          try {
            await workers.killAtRandom({ processes: PROCESSES, kills: KILLS, progress: PROGRESS }, seededRandom(seed));
            await untilEmpty(queue);
            expect(await workers.stop()).to.deep.equal(Array(PROCESSES).fill('ended with 0'));
            const effects = await query(driver, 'SELECT message, note FROM effects ORDER BY message');
            expect(effects).to.deep.equal(
              Array.from({ length: MESSAGES }, (_, message) => ({ message, note: 'done' })),
            );
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

async function query(driver: Driver, sql: string): Promise<readonly Effect[]> {
  const result = await driver.transaction?.((transaction) => transaction.query<Effect>(sql));
  return result?.rows ?? [];
}
