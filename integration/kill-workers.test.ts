import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { MessageCounts } from '../src/queue/driver.js';
import { defineMessage } from '../src/queue/message.js';
import { Queue } from '../src/queue/queue.js';
import { countsOf } from '../test/support/counts.js';
import { ENGINES, type Engine, onBeanstalkd } from './support/engines.js';
import { onBuild } from './support/haricot-build.js';
import { ProcessWatch } from './support/process-watch.js';
import { onOwnQueues } from './support/queues.js';
import { seededRandom } from './support/random.js';
import { until } from './support/until.js';
import { violations, WorkLedger } from './support/work-ledger.js';

const PROGRAM = fileURLToPath(new URL('./fixtures/kill-worker.mjs', import.meta.url));
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

const { beanstalkd: _, ...others } = ENGINES;
const engines: Readonly<Record<string, () => Engine>> = {
  'beanstalkd with a binlog': () => onBeanstalkd(onOwnQueues({ binlog: true })),
  ...others,
};

describe(`${PROCESSES} worker processes, of which one is killed ${KILLS} times while ${MESSAGES} messages flow`, function () {
  this.timeout('15m');
  const build = onBuild();

  for (const [name, onEngine] of Object.entries(engines)) {
    describe(`on ${name}`, () => {
      let workers: Workers | undefined;

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
        workers = await Workers.of([build(), engine.url, queue.name, String(CONCURRENCY)]);
        try {
          await Promise.all([publish(queue, workers), killAtRandom(workers, seededRandom(seed))]);
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

async function publish(queue: Queue, workers: Workers): Promise<void> {
  for (let next = 0; next < MESSAGES; next += AT_ONCE) {
    await workers.untilHandled(next - MOST_UNHANDLED);
    const numbers = Array.from({ length: AT_ONCE }, (_, index) => next + index);
    await queue.publishMany(Numbered, numbers, { ttr: TTR });
  }
}

async function killAtRandom(workers: Workers, random: () => number): Promise<void> {
  workers.start(PROCESSES);
  for (let kill = 1, due = 0; kill <= KILLS; kill++) {
    due += LEAST_PROGRESS + random() * (MOST_PROGRESS - LEAST_PROGRESS);
    await workers.untilHandled(due);
    await workers.killOne(random);
    workers.start(1);
  }
}

/** Waits until nothing is left in the queue, be it that all is done or lost. */
async function untilEmpty(queue: Queue): Promise<void> {
  let stats: MessageCounts = NOTHING;
  const isEmpty = async (): Promise<boolean> => {
    stats = countsOf(await queue.stats());
    return Object.values(stats).every((count) => count === 0);
  };
  await until('the queue is empty', isEmpty).catch((cause) => {
    throw new Error(`${(cause as Error).message}, there are ${JSON.stringify(stats)}`, { cause });
  });
}

interface WorkerProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly ledger: WorkLedger;
}

/** The processes that run, and the ledgers of all that ever did. */
class Workers {
  readonly #args: readonly string[];
  readonly #folder: string;
  readonly #running: WorkerProcess[] = [];
  readonly ledgers: WorkLedger[] = [];

  /** @param args of the program, but for the ledger */
  static async of(args: readonly string[]): Promise<Workers> {
    return new Workers(args, await mkdtemp(join(tmpdir(), 'haricot-kill-')));
  }

  private constructor(args: readonly string[], folder: string) {
    this.#args = args;
    this.#folder = folder;
  }

  start(count: number): void {
    for (let started = 0; started < count; started++) {
      const name = `worker ${this.ledgers.length + 1}`;
      const path = join(this.#folder, `${name}.ledger`);
      const ledger = new WorkLedger(name, path);
      const child = spawn(process.execPath, [PROGRAM, ...this.#args, path], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      this.ledgers.push(ledger);
      this.#running.push({ child, exited: once(child, 'exit'), ledger });
    }
  }

  /** How many messages have been handled to the end, those that were handled twice counted twice. */
  get handled(): number {
    for (const { ledger } of this.#running) ledger.read();
    return this.ledgers.reduce((sum, { ended }) => sum + ended, 0);
  }

  async untilHandled(count: number): Promise<void> {
    await until(`${count} messages are handled`, async () => this.handled >= count);
  }

  /** Kills one of those that are at work: one that is only starting would hold nothing. */
  async killOne(random: () => number): Promise<void> {
    let atWork: WorkerProcess[] = [];
    await until('a process is at work', async () => {
      atWork = this.#running.filter(({ ledger }) => ledger.read() > 0);
      return atWork.length > 0;
    });
    const victim = atWork[Math.floor(random() * atWork.length)];
    if (victim === undefined) throw new Error('no process is at work');
    const { child, exited, ledger } = victim;
    ledger.killedAt = process.hrtime.bigint();
    child.kill('SIGKILL');
    await exited;
    ledger.read();
    this.#running.splice(this.#running.indexOf(victim), 1);
    if (child.signalCode !== 'SIGKILL') throw new Error(`${ledger.name} was not killed: it ${howItEnded(child)}`);
  }

  get heldWhenKilled(): number {
    const killed = this.ledgers.filter(({ killedAt }) => killedAt !== undefined);
    return killed.flatMap(({ handlings }) => handlings).filter(({ acked }) => !acked).length;
  }

  /** Ends those that run in order. @returns how each has ended */
  async stop(): Promise<string[]> {
    for (const { child } of this.#running) child.kill('SIGTERM');
    await Promise.all(this.#running.map(({ exited }) => exited));
    for (const { ledger } of this.#running) ledger.read();
    return this.#running.map(({ child }) => howItEnded(child));
  }

  async remove(): Promise<void> {
    for (const { child } of this.#running) child.kill('SIGKILL');
    await Promise.all(this.#running.map(({ exited }) => exited));
    for (const ledger of this.ledgers) ledger.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  toString(): string {
    return `(${this.handled} handled, ${this.ledgers.length} processes started)`;
  }
}

function howItEnded({ exitCode, signalCode }: ChildProcess): string {
  return `ended with ${exitCode ?? signalCode}`;
}
