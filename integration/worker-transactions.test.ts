import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import { countsOf } from '../test/support/counts.js';
import { ENGINES } from './support/engines.js';
import { onWorkerBench } from './support/workers.js';

const Work = defineMessage<number>('work');
const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };
const INSERT = 'INSERT INTO effects (message) VALUES ($1)';

/** Those that have transactions. */
const { beanstalkd: _, ...engines } = ENGINES;

for (const [name, onEngine] of Object.entries(engines)) {
  describe(`A message on ${name} that is finished in a transaction`, () => {
    const { bench } = onWorkerBench(onEngine);

    beforeEach(() => query('CREATE TABLE effects (message INTEGER NOT NULL)'));

    async function query(sql: string): Promise<readonly unknown[]> {
      const result = await bench().queue.driver.transaction?.((transaction) => transaction.query(sql));
      return result?.rows ?? [];
    }

    const effects = (): Promise<readonly unknown[]> => query('SELECT message FROM effects');

    it('is gone, and its effect is there', async () => {
      const { queue, signals } = bench();
      signals.connect(Work, ({ data }, context) => context.transaction((tx) => tx.query(INSERT, [data])));
      await bench().start();
      const jobId = await queue.publish(Work, 1);
      expect(await bench().until('messageFinished')).to.include({ jobId, attempt: 1 });
      expect([countsOf(await queue.stats()), await effects()]).to.deep.equal([NOTHING, [{ message: 1 }]]);
    });

    it('is gone also when its slot fails after that, which workerError tells', async () => {
      const { queue, signals } = bench();
      const error = new Error('after the commit');
      signals.connect(Work, async ({ data }, context) => {
        await context.transaction((tx) => tx.query(INSERT, [data]));
        throw error;
      });
      await bench().start();
      await queue.publish(Work, 1);
      await bench().until('messageFinished');
      expect(bench().events('workerError')).to.deep.equal([{ error }]);
      expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
    });

    it('comes back when its work fails, without its effect', async () => {
      const { queue, signals } = bench();
      signals.connect(Work, ({ data }, context) =>
        context.transaction(async (tx) => {
          await tx.query(INSERT, [data]);
          if (context.attempt === 1) throw new Error('not yet');
        }),
      );
      await bench().start({ backoff: 0 });
      await queue.publish(Work, 1);
      expect(await bench().until('messageFinished')).to.include({ attempt: 2 });
      expect(await effects()).to.deep.equal([{ message: 1 }]);
    });

    it('comes back when the transaction is rolled back after finish', async () => {
      const { queue, signals } = bench();
      const rollBack = new Error('roll back');
      signals.connect(Work, async ({ data }, context) => {
        await queue.driver
          .transaction?.(async (transaction) => {
            await transaction.query(INSERT, [data]);
            await context.finish({ transaction });
            if (context.attempt === 1) throw rollBack;
          })
          .catch((error) => expect(error).to.equal(rollBack));
      });
      await bench().start({ backoff: 0 });
      await queue.publish(Work, 1);
      const { error } = await bench().until('messageReleased');
      expect((error as Error).message).to.match(/^cannot finish the message: finish was rolled back/);
      expect(await bench().until('messageFinished')).to.include({ attempt: 2 });
      expect(await effects()).to.deep.equal([{ message: 1 }]);
    });

    it('goes to nobody else while the transaction is open, though its lease is over', async () => {
      const { queue, signals } = bench();
      const attempts: (number | undefined)[] = [];
      signals.connect(Work, async ({ data }, { attempt, finish, signal }) => {
        attempts.push(attempt);
        await queue.driver.transaction?.(async (transaction) => {
          await transaction.query(INSERT, [data]);
          await finish({ transaction });
          await sleep(2000);
        });
        expect(signal.aborted).to.equal(false);
      });
      for (let n = 0; n < 2; n++) await bench().start();
      await queue.publish(Work, 1, { ttr: '1s' });
      await bench().until('messageFinished');
      expect([attempts, bench().events('leaseLost')]).to.deep.equal([[1], []]);
      expect([countsOf(await queue.stats()), await effects()]).to.deep.equal([NOTHING, [{ message: 1 }]]);
    });
  });
}
