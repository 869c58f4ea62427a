import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { Count, Hang, Linger } from './fixtures/slots.js';
import { ENGINES } from './support/engines.js';
import { Haricot, killLeftovers } from './support/haricot.js';
import { until } from './support/until.js';

const MESSAGES = 2000;
const NOTHING = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

for (const [name, onEngine] of Object.entries(ENGINES)) {
  describe(`Worker processes on ${name}`, () => {
    killLeftovers();
    const engine = onEngine();
    let queue: Queue;

    beforeEach(async () => {
      queue = new Queue(await engine.open(), engine.queueName());
    });

    /** A worker process that is at work. */
    async function work(...options: string[]): Promise<Haricot> {
      const args = ['--url', engine.url, 'work', queue.name, '--slots', 'integration/fixtures/slots.ts', ...options];
      const worker = Haricot.start(args);
      await worker.line(/ working on /);
      return worker;
    }

    function handled(...workers: Haricot[]): number[] {
      return workers
        .flatMap(({ lines }) => lines)
        .flatMap((line) => /^handled (\d+)$/.exec(line)?.[1] ?? [])
        .map(Number);
    }

    async function untilHandled(count: number, ...workers: Haricot[]): Promise<void> {
      await until(`${count} messages are handled`, async () => handled(...workers).length >= count);
    }

    /** Waits until the queue is empty and nothing is held, then ends the workers. */
    async function finish(...workers: Haricot[]): Promise<void> {
      await until('the queue is empty', async () =>
        Object.values(countsOf(await queue.stats())).every((count) => count === 0),
      );
      for (const worker of workers) worker.signal('SIGTERM');
      for (const worker of workers) expect(await worker.exit(), String(worker)).to.equal(0);
    }

    describe('on one queue of 2,000 messages, two of them with concurrency 5', () => {
      const numbers = Array.from({ length: MESSAGES }, (_, n) => n);
      let workers: [Haricot, Haricot];

      beforeEach(async () => {
        // Who stops waits for nothing but what runs: otherwise its grace would make it seem to hang.
        const options = ['--concurrency', '5', '--grace', '10m'];
        workers = await Promise.all([work(...options), work(...options)]);
        // Where only the end of its lease tells that its holder is dead, a message comes back then.
        await queue.publishMany(Count, numbers, { ttr: '2s' });
      });

      it('handle every message exactly once when nothing fails', async () => {
        await untilHandled(MESSAGES, ...workers);
        await finish(...workers);
        expect(handled(...workers).sort((a, b) => a - b)).to.deep.equal(numbers);
        for (const worker of workers) expect(handled(worker).length).to.be.above(0);
        expect(workers.map(({ stderr }) => stderr)).to.deep.equal(['', '']);
      });

      it('lose none and handle none twice when one is sent SIGTERM, which ends it with exit code 0', async () => {
        const [one, other] = workers;
        await untilHandled(MESSAGES / 4, ...workers);
        one.signal('SIGTERM');
        expect(await one.exit(), String(one)).to.equal(0);
        expect(one.lines.at(-1)).to.equal(
          `${one.lines.at(-1)?.slice(0, 9)} stopped: ${handled(one).length} finished, 0 buried`,
        );
        await untilHandled(MESSAGES - handled(one).length, other);
        await finish(other);
        expect(handled(...workers).sort((a, b) => a - b)).to.deep.equal(numbers);
      });

      it('lose none when one is killed: each is handled at least once, and only what it held twice', async () => {
        const [one, other] = workers;
        await untilHandled(MESSAGES / 4, ...workers);
        one.signal('SIGKILL');
        expect(await one.exit()).to.equal('SIGKILL');
        await finish(other);
        const all = handled(...workers);
        expect([...new Set(all)].sort((a, b) => a - b)).to.deep.equal(numbers);
        expect(all.length - MESSAGES).to.be.within(0, 5);
      });
    });

    it('let what runs finish at the first signal, and take nothing more', async () => {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
        const worker = await work();
        const ids = await queue.publishMany(Linger, [null, null]);
        await worker.line(/^begun /);
        worker.signal(signal);
        expect(await worker.exit(), String(worker)).to.equal(0);
        expect(worker.lines.map((line) => line.replace(/^[\d:]{8}Z /, ''))).to.deep.equal([
          `working on ${queue.name}, 1 at once`,
          `begun ${ids[0]}`,
          'stopping (stop): running slots have 10s to finish; a second Ctrl+C stops them at once',
          `ended ${ids[0]}`,
          'stopped: 1 finished, 0 buried',
        ]);
        expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 1 });
        await queue.flush();
      }
    });

    it('stop at once at the second signal: the slot is told, its message is released', async () => {
      const worker = await work('--grace', '1h');
      const id = await queue.publish(Hang, null);
      await worker.line(/^hanging /);
      worker.signal('SIGTERM');
      await worker.line(/ stopping /);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, reserved: 1 });
      // What comes within a second is one request.
      await sleep(1100);
      worker.signal('SIGTERM');
      expect(await worker.exit(), String(worker)).to.equal(0);
      expect(worker.lines).to.include(`aborted ${id}`);
      expect(worker.lines.at(-1)).to.match(/ stopped: 0 finished, 0 buried$/);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 1 });
    });

    it('take several signals that come together for one', async () => {
      const worker = await work();
      const id = await queue.publish(Linger, null);
      await worker.line(/^begun /);
      for (const signal of ['SIGTERM', 'SIGTERM', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const) worker.signal(signal);
      expect(await worker.exit(), String(worker)).to.equal(0);
      expect(worker.lines).to.include(`ended ${id}`);
    });

    it('stop when the grace is over, though a slot does not heed that', async () => {
      const worker = await work('--grace', '200ms');
      await queue.publish(Hang, null);
      await worker.line(/^hanging /);
      worker.signal('SIGTERM');
      expect(await worker.exit(), String(worker)).to.equal(0);
      expect(countsOf(await queue.stats())).to.deep.equal({ ...NOTHING, ready: 1 });
    });
  });
}
