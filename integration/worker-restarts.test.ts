import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import type { SlotContext } from '../src/signals/signals.js';
import { countsOf } from '../test/support/counts.js';
import { onBeanstalkd } from './support/engines.js';
import { onOwnQueues, type Queues } from './support/queues.js';
import { until } from './support/until.js';
import { onWorkerBench } from './support/workers.js';

const Work = defineMessage<string>('work');
const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

describe('A worker whose beanstalkd is restarted', () => {
  let queues: Queues;
  const { bench } = onWorkerBench(() => {
    queues = onOwnQueues({ binlog: true });
    return onBeanstalkd(queues);
  });

  it('goes on: what was published before and after is handled, what it held is delivered again', async () => {
    const { queue, signals } = bench();
    const handled: string[] = [];
    let held: SlotContext | undefined;
    signals.connect(Work, async ({ data }, context) => {
      if (data === 'held' && held === undefined) {
        held = context;
        await new Promise(() => {});
      }
      handled.push(data);
    });
    await bench().start({ concurrency: 2 });
    await queue.publish(Work, 'held');
    await until('the slot runs', async () => held !== undefined);
    await queue.publish(Work, 'delayed', { delay: '1s' });
    await queues.fixture.server.restart();
    await bench().until('leaseLost');
    expect(held?.signal.aborted).to.equal(true);
    await until('the publisher is connected again', () =>
      queue.publish(Work, 'after').then(
        () => true,
        () => false,
      ),
    );
    await bench().until('messageFinished', 3);
    expect(handled.sort()).to.deep.equal(['after', 'delayed', 'held']);
    expect(bench().events('workerError').length).to.be.within(1, 10);
    expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
  });

  it('waits for it while it is down, reports that now and then, and can be stopped', async () => {
    const { queue, signals } = bench();
    signals.connect(Work, () => {});
    const { worker, run } = await bench().start({ concurrency: 5 });
    await queues.untilWaited(queue.name);
    await queues.fixture.server.kill();
    await bench().until('workerError', 3);
    expect(bench().events('workerStopping')).to.deep.equal([]);
    await worker.stop();
    await run;
    // Three rounds of five reserves each.
    expect(bench().events('workerError').length).to.be.within(3, 4);
  });

  it('tells when it is back, though no message comes', async () => {
    const { signals } = bench();
    signals.connect(Work, () => {});
    await bench().start({ concurrency: 2 });
    await queues.untilWaited(bench().queue.name);
    await queues.fixture.server.kill();
    await bench().until('workerError');
    await queues.fixture.server.restart();
    expect((await bench().until('workerRecovered')).downMs).to.be.above(0);
    await queues.untilWaited(bench().queue.name);
    expect(bench().events('workerRecovered')).to.have.length(1);
  });

  it('waits for it when it is down at the start, and then works', async () => {
    const { queue, signals } = bench();
    signals.connect(Work, () => {});
    await queue.publish(Work, 'a');
    await queues.fixture.server.kill();
    await bench().start({ concurrency: 3 });
    await bench().until('workerError');
    await queues.fixture.server.restart();
    expect((await bench().until('workerRecovered')).queues).to.deep.equal([queue.name]);
    expect((await bench().until('messageFinished')).message.data).to.equal('a');
  });
});
