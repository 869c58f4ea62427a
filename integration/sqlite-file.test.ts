import { renameSync } from 'node:fs';
import { expect } from 'chai';
import { defineMessage, type EngineError, openDriver, Queue, SignalDispatcher, Worker } from '../src/index.js';
import { useDatabaseFiles } from '../test/drivers/sqlite/database-files.js';
import { until } from './support/until.js';

const Mail = defineMessage<{ readonly to: string }>('mail');

describe('A worker on an SQLite file', () => {
  const files = useDatabaseFiles();

  it('says that the file was moved away, acknowledges nothing meanwhile, and goes on when it is back', async () => {
    const driver = await openDriver(`sqlite:${files().path()}`);
    const queue = new Queue(driver, 'mail');
    const signals = new SignalDispatcher();
    const errors: EngineError[] = [];
    const received: string[] = [];
    signals.connect(Mail, ({ data }) => void received.push(data.to));
    signals.connect('workerError', ({ error }) => void errors.push(error as EngineError));
    const worker = new Worker(queue, signals, { concurrency: 2 });
    const running = worker.run();
    await queue.publish(Mail, { to: 'before' });
    await until('the first is received', async () => received.length === 1);
    renameSync(files().path(), files().path('moved.db'));
    await until('the worker has noticed', async () => errors.length > 0);
    expect(errors[0]?.message).to.match(/^cannot use .*haricot\.db: it was removed while it was open; put it back/);
    expect(errors[0]).to.include({ code: 'ENGINE', retryable: false, outcome: 'nothing' });
    const refused = await queue.publish(Mail, { to: 'nowhere' }).catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'ENGINE');
    renameSync(files().path('moved.db'), files().path());
    await queue.publish(Mail, { to: 'after' });
    await until('the next is received', async () => received.length === 2);
    expect(received).to.deep.equal(['before', 'after']);
    await worker.stop();
    await running;
    await driver.close();
  });
});
