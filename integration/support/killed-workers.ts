import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessageCounts } from '../../src/queue/driver.js';
import type { Queue } from '../../src/queue/queue.js';
import { countsOf } from '../../test/support/counts.js';
import { until } from './until.js';
import { WorkLedger } from './work-ledger.js';

const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));

const NOTHING: MessageCounts = { ready: 0, delayed: 0, reserved: 0, buried: 0 };

/** Waits until nothing is left in the queue, be it that all is done or lost. */
export async function untilEmpty(queue: Queue): Promise<void> {
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

export interface KillPlan {
  readonly processes: number;
  readonly kills: number;
  readonly progress: readonly [least: number, most: number];
}

/** Worker processes to be killed: those that run, and the ledgers of all that ever did. */
export class KilledWorkers {
  readonly #args: readonly string[];
  readonly #folder: string;
  readonly #running: WorkerProcess[] = [];
  readonly ledgers: WorkLedger[] = [];

  /**
   * @param program a file of the fixtures
   * @param args of it, but for the ledger
   */
  static async of(program: string, args: readonly string[]): Promise<KilledWorkers> {
    return new KilledWorkers([join(FIXTURES, program), ...args], await mkdtemp(join(tmpdir(), 'haricot-kill-')));
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
      const child = spawn(process.execPath, [...this.#args, path], {
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

  /**
   * Starts so many processes, and kills one of them again and again, for which another is started.
   * @param progress how many messages are handled between one kill and the next, at least and at most
   */
  async killAtRandom({ processes, kills, progress: [least, most] }: KillPlan, random: () => number): Promise<void> {
    this.start(processes);
    for (let kill = 1, due = 0; kill <= kills; kill++) {
      due += least + random() * (most - least);
      await this.untilHandled(due);
      await this.killOne(random);
      this.start(1);
    }
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
