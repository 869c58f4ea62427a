import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '../../src/client/client.js';
import { openBeanstalkd } from '../../src/drivers/beanstalkd/driver.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { Worker } from '../../src/worker/worker.js';
import { spoilLine } from './faulty-line.js';
import { TcpProxy } from './proxy.js';
import { seededRandom } from './random.js';
import type { TestServer } from './server.js';
import { until } from './until.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/kill-worker.mjs', import.meta.url));
const QUEUE = 'soak';
const Numbered = defineMessage<number>('numbered');
const PROCESSES = 2;
const CONCURRENCY = 10;
const PUBLISHERS = 10;
/** How many messages may be on the server. Of many, a server that is killed may lose one that it moves between binlog files. */
const MOST_OUTSTANDING = 200;
/** When the message of a process that was killed comes back, where its connection does not tell. */
const TTR = '5s';
const MOST_MESSAGES = 10_000_000;

const ACKNOWLEDGED = 1;
const HANDLED = 2;

export interface SoakOptions {
  /** With a binlog. */
  readonly server: TestServer;
  /** Of the compiled package. */
  readonly build: string;
  readonly ms: number;
  readonly seed: number;
  /** Between two kills of a worker process, and of the server, on average. */
  readonly workerKillMs: number;
  readonly serverKillMs: number;
  /** Told of the counts now and then. */
  readonly onProgress?: (counts: Readonly<Record<string, number>>) => void;
}

export interface SoakResult {
  readonly counts: Readonly<Record<string, number>>;
  /** Numbers of messages that were acknowledged and never handled. */
  readonly lost: readonly number[];
  /** Of this process, which has the publishers and one of the workers, once a second, in bytes. */
  readonly heap: readonly number[];
}

/**
 * Publishers and a worker in this process, and workers in others, on a beanstalkd behind a line that fails, while the server and
 * the worker processes are killed. Ends when every message is handled that was published.
 */
export async function soakWorkers(options: SoakOptions): Promise<SoakResult> {
  const { server, ms } = options;
  const random = seededRandom(options.seed);
  const proxy = await TcpProxy.start(server);
  const folder = await mkdtemp(join(tmpdir(), 'haricot-soak-'));
  const ledger = new Ledger();
  const { counts } = ledger;
  const ends = performance.now() + ms;
  const isOver = (): boolean => performance.now() >= ends;
  const drivers = [openBeanstalkd(proxy.url, { prefix: '' }), openBeanstalkd(proxy.url, { prefix: '' })] as const;
  const [publishing, working] = drivers.map((driver) => new Queue(driver, QUEUE)) as [Queue, Queue];
  const processes = new WorkerProcesses([options.build, proxy.url, QUEUE, String(CONCURRENCY)], folder, ledger);
  const heap: number[] = [];
  const { worker, run } = startWorker(working, ledger);
  try {
    processes.start(PROCESSES);
    const spoiling = spoilLine(proxy, random, { isOver, onFault: () => ledger.count('linkFaults') });
    const killing = [
      everyNow(isOver, random, options.workerKillMs, () => processes.killOne(random)),
      everyNow(isOver, random, options.serverKillMs, async () => {
        await server.restart();
        ledger.count('serverKills');
      }),
    ];
    const publishers = Array.from({ length: PUBLISHERS }, () => publish(publishing, ledger, isOver));
    const watching = everySecond(isOver, (second) => {
      processes.read();
      heap.push(process.memoryUsage().heapUsed);
      if (second % 30 === 0) options.onProgress?.(counts);
    });
    await Promise.all([spoiling, watching, ...killing, ...publishers]);
    await untilEmpty(server);
    await worker.stop();
    await run;
    await processes.stop();
    return { counts, lost: ledger.lost(), heap };
  } finally {
    await worker.stop({ grace: 0 }).catch(() => {});
    await processes.kill();
    await Promise.all(drivers.map((driver) => driver.close()));
    await proxy.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What was acknowledged and what was handled, by the numbers of the messages. */
class Ledger {
  readonly counts: Record<string, number> = {};
  readonly #states: Uint8Array = new Uint8Array(MOST_MESSAGES);
  #next = 0;
  #outstanding = 0;

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  next(): number {
    return this.#next++;
  }

  acknowledge(message: number): void {
    this.count('acknowledged');
    // A worker may be faster than the answer to the publisher.
    if (this.#states[message] === 0) this.#outstanding++;
    this.#states[message] = (this.#states[message] ?? 0) | ACKNOWLEDGED;
  }

  handled(message: number): void {
    const state = this.#states[message] ?? 0;
    this.count(state & HANDLED ? 'handledAgain' : 'handled');
    if (state === ACKNOWLEDGED) this.#outstanding--;
    this.#states[message] = state | HANDLED;
  }

  lost(): number[] {
    const lost: number[] = [];
    for (let message = 0; message < this.#next; message++) {
      if (this.#states[message] === ACKNOWLEDGED) lost.push(message);
    }
    return lost;
  }
}

/** One message after the other; with a call that rejects nobody knows whether its message is there. */
async function publish(queue: Queue, ledger: Ledger, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    if (ledger.outstanding > MOST_OUTSTANDING) {
      await sleep(5);
      continue;
    }
    const message = ledger.next();
    try {
      await queue.publish(Numbered, message, { ttr: TTR });
      ledger.acknowledge(message);
    } catch {
      ledger.count('rejected');
    }
  }
}

function startWorker(queue: Queue, ledger: Ledger): { readonly worker: Worker; readonly run: Promise<void> } {
  const signals = new SignalDispatcher();
  signals.connect(Numbered, async ({ data }) => {
    await sleep(1 + Math.random() * 4);
    ledger.handled(data);
  });
  signals.connect('leaseLost', () => ledger.count('expired'));
  signals.connect('messageFailed', () => ledger.count('buried'));
  signals.connect('workerError', () => ledger.count('workerErrors'));
  const worker = new Worker(queue, signals, { concurrency: CONCURRENCY, attempts: 1000 });
  return { worker, run: worker.run() };
}

async function everyNow(
  isOver: () => boolean,
  random: () => number,
  ms: number,
  action: () => Promise<void>,
): Promise<void> {
  for (;;) {
    const next = performance.now() + ms * (0.5 + random());
    while (performance.now() < next) {
      if (isOver()) return;
      await sleep(50);
    }
    await action();
  }
}

async function everySecond(isOver: () => boolean, action: (second: number) => void): Promise<void> {
  for (let second = 1; !isOver(); second++) {
    await sleep(1000);
    action(second);
  }
}

/** On a connection past the line. */
async function untilEmpty(server: TestServer): Promise<void> {
  await using client = await Client.connect(server.url);
  await until('the queue is empty', async () => {
    const stats = await client.stats();
    return stats.currentJobsReady + stats.currentJobsReserved + stats.currentJobsDelayed === 0;
  });
}

interface WorkerProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly file: number;
  rest: string;
}

/** Processes that run kill-worker.mjs, and tell in files what they do. */
class WorkerProcesses {
  readonly #args: readonly string[];
  readonly #folder: string;
  readonly #ledger: Ledger;
  readonly #buffer: Buffer = Buffer.alloc(64 * 1024);
  #running: WorkerProcess[] = [];
  #started = 0;

  constructor(args: readonly string[], folder: string, ledger: Ledger) {
    this.#args = args;
    this.#folder = folder;
    this.#ledger = ledger;
  }

  start(count: number): void {
    for (let n = 0; n < count; n++) {
      const path = join(this.#folder, `${this.#started++}.ledger`);
      const child = spawn(process.execPath, [PROGRAM, ...this.#args, path], {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, NODE_OPTIONS: '' },
      });
      this.#running.push({ child, exited: once(child, 'exit'), file: openSync(path, 'a+'), rest: '' });
    }
  }

  /** Kills one, and starts another. */
  async killOne(random: () => number): Promise<void> {
    const [victim] = this.#running.splice(Math.floor(random() * this.#running.length), 1);
    if (victim === undefined) return;
    victim.child.kill('SIGKILL');
    await this.#end(victim);
    this.#ledger.count('workerKills');
    this.start(1);
  }

  read(): void {
    for (const running of this.#running) this.#read(running);
  }

  /** Ends them in order. */
  async stop(): Promise<void> {
    for (const { child } of this.#running) child.kill('SIGTERM');
    const running = this.#running;
    await Promise.all(running.map((process) => this.#end(process)));
    this.#running = [];
    const codes = running.map(({ child }) => child.exitCode ?? child.signalCode);
    // One that has only just been started ends by the signal.
    if (codes.some((code) => code !== 0 && code !== 'SIGTERM'))
      throw new Error(`worker processes ended with ${codes.join(', ')}`);
  }

  async kill(): Promise<void> {
    for (const { child } of this.#running) child.kill('SIGKILL');
    await Promise.all(this.#running.map((process) => this.#end(process)));
    this.#running = [];
  }

  async #end(process: WorkerProcess): Promise<void> {
    await process.exited;
    this.#read(process);
    closeSync(process.file);
  }

  /** What was written since the last time. */
  #read(process: WorkerProcess): void {
    for (;;) {
      const size = readSync(process.file, this.#buffer, 0, this.#buffer.length, null);
      if (size === 0) return;
      const lines = (process.rest + this.#buffer.toString('latin1', 0, size)).split('\n');
      process.rest = lines.pop() ?? '';
      for (const line of lines) this.#enter(line);
    }
  }

  #enter(line: string): void {
    const [what, message] = line.split(' ');
    if (what === 'ended') this.#ledger.handled(Number(message));
    else if (what === 'buried' || what === 'expired') this.#ledger.count(what);
    else if (what === 'error') this.#ledger.count('workerErrors');
  }
}
