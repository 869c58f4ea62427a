import { expect } from 'chai';
import { openPostgres } from '../../src/drivers/postgres/driver.js';
import { EngineError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { Worker } from '../../src/worker/worker.js';
import { countsOf } from '../../test/support/counts.js';
import { startPostgres } from '../support/postgres-server.js';
import { until } from '../support/until.js';

const MESSAGES = 3000;
const RESTARTS = 3;
const WORKERS = 3;

const Numbered = defineMessage<number>('numbered');

describe(`${WORKERS} workers whose PostgreSQL is killed and started again ${RESTARTS} times`, () => {
  it('lose nothing that was acknowledged, tell typed errors alone, and go on by themselves', async () => {
    const server = await startPostgres();
    // One that was named cannot be killed.
    if (!server.isOwn) throw new Error('This test needs a PostgreSQL of its own: unset HARICOT_POSTGRES_URL.');
    const published = new Set<number>();
    const handled = new Set<number>();
    const errors: unknown[] = [];
    let recovered = 0;
    const drivers = await Promise.all(
      Array.from({ length: WORKERS + 1 }, () => openPostgres(server.url, { prefix: '' })),
    );
    const [publisher, ...others] = drivers.map((driver) => new Queue(driver, 'numbers', { defaults: { ttr: '2s' } }));
    if (publisher === undefined) throw new Error('there must be a publisher');
    const workers = others.map((queue) => {
      const signals = new SignalDispatcher();
      signals.connect(Numbered, ({ data }) => {
        handled.add(data);
      });
      signals.connect('workerError', ({ error }) => errors.push(error));
      signals.connect('workerRecovered', () => recovered++);
      return new Worker(queue, signals, { concurrency: 10, attempts: 1000 });
    });
    try {
      const running = workers.map((worker) => worker.run());
      const restarts = (async () => {
        for (let n = 1; n <= RESTARTS; n++) {
          await until('messages flow', async () => handled.size > (n * MESSAGES) / (RESTARTS + 2));
          await server.kill();
          await server.restart();
        }
      })();
      for (let number = 0; number < MESSAGES; number++) {
        try {
          await publisher.publish(Numbered, number);
          published.add(number);
        } catch (error) {
          errors.push(error);
        }
      }
      await restarts;
      await until('the queue is empty', async () => {
        const { ready, delayed, reserved } = countsOf(await publisher.stats());
        return ready + delayed + reserved === 0;
      });
      await Promise.all(workers.map((worker) => worker.stop()));
      await Promise.all(running);
      expect([...published].filter((number) => !handled.has(number))).to.deep.equal([]);
      expect(published.size).to.be.greaterThan(MESSAGES / 2);
      expect(errors).not.to.deep.equal([]);
      for (const error of errors) expect(error).to.be.instanceOf(EngineError).and.include({ retryable: true });
      expect(recovered).to.be.greaterThan(0);
      expect(countsOf(await publisher.stats())).to.include({ buried: 0 });
    } finally {
      await Promise.all(drivers.map((driver) => driver.close()));
      await server.stop();
    }
  });
});
