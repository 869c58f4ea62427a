import { expect } from 'chai';
import { defineMessage } from '../src/queue/message.js';
import type { Queue } from '../src/queue/queue.js';
import type { WorkerOptions } from '../src/worker/options.js';
import { ENGINES } from './support/engines.js';
import { onWorkerBench } from './support/workers.js';

const Work = defineMessage<string>('work');
const BACKLOG = 60;
const FEW = 3;

for (const [name, onEngine] of Object.entries(ENGINES)) {
  describe(`A worker of several queues on ${name}`, () => {
    const { bench } = onWorkerBench(onEngine);
    let queues: [Queue, Queue, Queue];
    let handled: string[];

    beforeEach(() => {
      queues = [bench().queue, bench().otherQueue(), bench().otherQueue()];
      handled = [];
      bench().signals.connect(Work, ({ data }, { queue }) => {
        expect(queues.map((each) => each.name)).to.include(queue);
        handled.push(data);
      });
    });

    /** A long backlog in the first queue, older than the few messages in the others. */
    async function fill(): Promise<void> {
      const [first, second, third] = queues;
      await first.publishMany(Work, Array<string>(BACKLOG).fill('first'));
      await second.publishMany(Work, Array<string>(FEW).fill('second'));
      // None is more urgent than one in another queue.
      await third.publishMany(Work, Array<string>(FEW).fill('third'), { priority: 0 });
    }

    async function work(options: WorkerOptions, order: readonly Queue[] = queues): Promise<void> {
      const { run } = await bench().start({ ...options, maxMessages: BACKLOG + 2 * FEW }, order);
      await run;
      expect(handled).to.have.length(BACKLOG + 2 * FEW);
    }

    for (const trackAttempts of [true, false]) {
      const tracking = trackAttempts ? 'with' : 'without';

      it(`lets them take turns, ${tracking} tracking: a backlog keeps the others waiting no longer than its turn`, async () => {
        await fill();
        await work({ trackAttempts });
        expect(handled.slice(0, 3 * FEW).sort()).to.deep.equal(
          ['first', 'second', 'third'].flatMap((queue) => Array<string>(FEW).fill(queue)),
        );
      });

      it(`takes first from the queue that is named first, in strict order, ${tracking} tracking`, async () => {
        await fill();
        await work({ order: 'strict', trackAttempts }, queues.toReversed());
        expect(handled.slice(0, 2 * FEW)).to.deep.equal([
          ...Array<string>(FEW).fill('third'),
          ...Array<string>(FEW).fill('second'),
        ]);
      });
    }

    it('lets them take turns also when it works on several messages at once', async () => {
      await fill();
      await work({ concurrency: 4 });
      for (const queue of ['second', 'third']) {
        expect(handled.lastIndexOf(queue), queue).to.be.below(BACKLOG / 2);
      }
    });

    it('waits for all of them at once', async () => {
      await bench().start({ concurrency: 2, trackAttempts: false }, queues);
      for (const [index, queue] of queues.entries()) {
        await queue.publish(Work, String(index));
        await bench().until('messageFinished', index + 1);
      }
      expect(handled).to.deep.equal(['0', '1', '2']);
      expect(
        bench()
          .events('messageFinished')
          .map(({ queue }) => queue),
      ).to.deep.equal(queues.map((queue) => queue.name));
    });
  });
}
