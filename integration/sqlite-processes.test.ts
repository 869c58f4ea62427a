import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openSqlite } from '../src/drivers/sqlite/driver.js';
import { bytes, ONE_MINUTE, useDatabaseFiles } from '../test/drivers/sqlite/database-files.js';
import { countsOf } from '../test/support/counts.js';
import { until } from './support/until.js';

const PROGRAM = fileURLToPath(new URL('./fixtures/sqlite-process.ts', import.meta.url));
const PROCESSES = 4;
const MESSAGES = 3000;
const KILLS = 6;

/** A process that has the file open, and the lines of its log. */
class Worker {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #log: string;

  constructor(database: string, log: string, what: 'publish' | 'claim') {
    this.#log = log;
    this.#child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, database, log, what], { stdio: 'inherit' });
    this.#closed = once(this.#child, 'close');
  }

  /** Whole lines: a killed process may have been in the middle of one. */
  get lines(): string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** The messages that it has told. */
  get messages(): string[] {
    return this.lines.slice(1);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  async end(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }
}

describe('Several processes on one SQLite file', () => {
  const files = useDatabaseFiles();
  let workers: Worker[] = [];
  let started = 0;

  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
    workers = [];
  });

  function start(what: 'publish' | 'claim'): Worker {
    const worker = new Worker(files().path(), files().path(`${started++}.log`), what);
    workers.push(worker);
    return worker;
  }

  it('lose nothing that was acknowledged when they are killed, and go on with the same file', async () => {
    const acknowledged: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const pair = [start('publish'), start('publish')];
      const least = 50 + Math.random() * 300;
      await until('both publish', async () => pair.every(({ messages }) => messages.length > least));
      await Promise.all(pair.map((worker) => worker.kill()));
      acknowledged.push(...pair.flatMap(({ messages }) => messages));
    }
    const driver = await files().open();
    const stored = (await driver.list('mail', 'ready', 1_000_000)).map(({ body }) => body.toString());
    const known = new Set(stored);
    expect(acknowledged.filter((body) => !known.has(body))).to.deep.equal([]);
    expect(known.size).to.equal(stored.length);
    // At most what was on its way in each killed process.
    expect(stored.length - acknowledged.length).to.be.within(0, KILLS * 2 * 10 * 2);
    const connection = await files().connect();
    expect(connection.prepare('PRAGMA integrity_check').get([])).to.include({ integrity_check: 'ok' });
  });

  it('get different messages, each once, and all of them', async () => {
    const driver = await files().open();
    const bodies = Array.from({ length: MESSAGES }, (_, n) => `${n}`);
    await driver.pause('mail', 3_600_000);
    await driver.putMany(
      'mail',
      bodies.map((body) => ({ body: bytes(body), options: ONE_MINUTE })),
    );
    // The pause ends when all of them wait, so that none comes too late.
    const claimants = Array.from({ length: PROCESSES }, () => start('claim'));
    await until('all are open', async () => claimants.every(({ lines }) => lines.length > 0));
    await driver.pause('mail', 0);
    for (const claimant of claimants) expect(await claimant.end()).to.equal(0);
    const all = claimants.flatMap(({ messages }) => messages);
    expect(all.sort((a, b) => Number(a) - Number(b))).to.deep.equal(bodies);
    expect(claimants.filter(({ messages }) => messages.length > 0).length).to.be.at.least(2);
    expect(countsOf(await driver.stats('mail'))).to.deep.equal({ ready: 0, delayed: 0, reserved: 0, buried: 0 });
  });

  it('may all be the first to open it', async () => {
    const publishers = Array.from({ length: PROCESSES }, () => start('publish'));
    await until('all publish', async () => publishers.every(({ messages }) => messages.length > 10));
    await Promise.all(publishers.map((publisher) => publisher.kill()));
    const driver = await openSqlite(`sqlite:${files().path()}`, { prefix: '' });
    const { ready } = countsOf((await driver.stats(['mail']))[0] ?? null);
    await driver.close();
    expect(ready).to.be.at.least(PROCESSES * 10);
  });
});
