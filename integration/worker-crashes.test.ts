import { expect } from 'chai';
import { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { Block, Exit, Harmless } from './fixtures/crash-slots.js';
import { ENGINES } from './support/engines.js';
import { Haricot, killLeftovers } from './support/haricot.js';
import { until } from './support/until.js';

const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };
const EXIT_CODE = 7;
const TTR_MS = 1000;

for (const [name, onEngine] of Object.entries(ENGINES)) {
  describe(`On ${name}, worker processes`, () => {
    killLeftovers();
    const engine = onEngine({ alone: true });
    let queue: Queue;

    beforeEach(async () => {
      queue = new Queue(await engine.open(), engine.queueName());
      await queue.setUp();
    });

    /** A worker process, from its first line on. */
    async function work(...options: string[]): Promise<Haricot> {
      const slots = ['--slots', 'integration/fixtures/crash-slots.ts'];
      const worker = Haricot.start(['--url', engine.url, 'work', queue.name, ...slots, ...options]);
      await worker.line(/ working on /);
      return worker;
    }

    async function stop(...workers: Haricot[]): Promise<void> {
      for (const worker of workers) worker.signal('SIGTERM');
      for (const worker of workers) expect(await worker.exit(), String(worker)).to.equal(0);
    }

    /** What the slots have told. */
    function told({ lines }: Haricot): string[] {
      return lines.filter((line) => /^(exiting|begun|ended|harmless)/.test(line));
    }

    it('bury a message that ends its process each time, after as many restarts as it has attempts', async () => {
      const attempts = 3;
      const id = await queue.publish(Exit, EXIT_CODE, { ttr: TTR_MS });
      await queue.publish(Harmless, null);
      const told1: string[] = [];
      for (let attempt = 1; attempt <= attempts; attempt++) {
        const worker = await work('--attempts', String(attempts));
        // Where only the end of the lease tells that its holder is dead, the message comes back then.
        expect(await worker.exit(), String(worker)).to.equal(EXIT_CODE);
        told1.push(...told(worker));
      }
      expect(told1.filter((line) => line !== 'harmless')).to.deep.equal(
        Array.from({ length: attempts }, (_, index) => `exiting in attempt ${index + 1}`),
      );
      const last = await work('--attempts', String(attempts));
      await last.line(
        new RegExp(` ${id} exit attempt ${attempts + 1} BURIED \\(attempts\\): .* delivery 4, and 3 are`),
      );
      await until(
        'nothing else is left',
        async () => countsOf(await queue.stats()).ready + countsOf(await queue.stats()).reserved === 0,
      );
      await stop(last);
      expect([...told1, ...told(last)].filter((line) => line === 'harmless')).to.deep.equal(['harmless']);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, buried: 1 });
    });

    it('give a message that was buried so a fresh budget when it is retried', async () => {
      await queue.publish(Exit, EXIT_CODE, { ttr: TTR_MS });
      for (let round = 0; round < 2; round++) {
        const worker = await work('--attempts', '1');
        expect(await worker.exit(), String(worker)).to.equal(EXIT_CODE);
        expect(told(worker)).to.deep.equal(['exiting in attempt 1']);
        const next = await work('--attempts', '1');
        await next.line(/ BURIED \(attempts\)/);
        await stop(next);
        expect(await queue.retry({ limit: 1 })).to.equal(1);
      }
    });

    it('deliver a message again whose holder blocks its event loop, and do not apply the first outcome', async () => {
      const [one, other] = await Promise.all([work('--verbose'), work('--verbose')]);
      const id = await queue.publish(Block, 4 * TTR_MS, { ttr: TTR_MS });
      await until('the loop is blocked', async () => told(one).length + told(other).length > 0);
      const [blocked, heir] = told(one).length > 0 ? [one, other] : [other, one];
      await engine.passLease(TTR_MS);
      await heir.line(/^ended attempt 2$/);
      await heir.line(new RegExp(` ${id} block attempt 2 finished `));
      expect(told(blocked)).to.deep.equal(['begun attempt 1']);
      await blocked.line(new RegExp(` ${id} block attempt 1 lost its lease`));
      expect(blocked.lines.join('\n')).not.to.match(/finished in|BURIED|failed|error/);
      await stop(blocked, heir);
      expect(told(heir)).to.deep.equal(['begun attempt 2', 'ended attempt 2']);
      expect(countsOf(await queue.stats())).to.deep.equal(NOTHING);
    });
  });
}
