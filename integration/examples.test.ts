import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Haricot, killLeftovers } from './support/haricot.js';
import { onSharedQueues } from './support/queues.js';
import { uniqueTube } from './support/tubes.js';
import { HANG_MS } from './support/until.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const running = new Set<Program>();

/** The program of an example, as one would start it. */
class Program {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #arriving: AsyncIterator<string>;
  /** What was written to standard output so far, as far as it has been asked for. */
  readonly lines: string[] = [];
  complaints = '';

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const child = spawn(process.execPath, ['--import', 'tsx', `examples/${program}`, ...args], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: undefined, HARICOT_URL: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HANG_MS,
      killSignal: 'SIGKILL',
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.complaints += text;
    });
    this.#child = child;
    this.#exit = once(child, 'close').finally(() => running.delete(this));
    running.add(this);
    this.#arriving = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for a line that matches. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (let line = await this.#next(); line !== undefined; line = await this.#next()) {
      const found = pattern.exec(line);
      if (found) return found;
    }
    throw new Error(`no line like ${pattern}: ${this.lines.join('\n')}${this.complaints}`);
  }

  /** Waits for the end. @returns the exit code, or the signal that killed it */
  async exit(): Promise<number | NodeJS.Signals | null> {
    while ((await this.#next()) !== undefined);
    await this.#exit;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  async #next(): Promise<string | undefined> {
    const { value, done } = await this.#arriving.next();
    if (done) return undefined;
    this.lines.push(value);
    return value;
  }
}

/** Runs an example to its end, which must be a good one. @returns its lines */
async function run(name: string, env: NodeJS.ProcessEnv, ...args: string[]): Promise<string[]> {
  const program = new Program(name, args, env);
  const code = await program.exit();
  expect({ code, complaints: program.complaints }, program.lines.join('\n')).to.deep.equal({ code: 0, complaints: '' });
  return program.lines;
}

describe('Examples', () => {
  killLeftovers();
  const queues = onSharedQueues();
  /** Where the examples put temporary files. */
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-examples-test-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const engines = {
    'the embedded engine': () => ({ TMPDIR: folder }),
    beanstalkd: () => ({ TMPDIR: folder, HARICOT_URL: `${queues.fixture.server.url}?prefix=${uniqueTube()}-` }),
  };

  for (const [engine, environment] of Object.entries(engines)) {
    describe(`on ${engine}`, () => {
      let env: { readonly TMPDIR: string; readonly HARICOT_URL?: string };

      beforeEach(() => {
        env = environment();
      });

      afterEach('leave nothing behind', async () => {
        for (const program of running) program.kill('SIGKILL');
        await Promise.all([...running].map((program) => program.exit()));
        const files = await readdir(folder);
        expect(files.filter((name) => name.startsWith('haricot'))).to.deep.equal([]);
        const prefix = env.HARICOT_URL?.split('prefix=')[1];
        if (prefix) expect(await queues.open({ prefix }).queues()).to.deep.equal([]);
      });

      it('deferred-email answers 202 to each order, and mails, retries or gives up afterwards', async () => {
        const lines = await run('deferred-email/main.ts', env);
        const customers = ['ada@shop.example', 'alan@busy.example', 'nobody', 'grace@shop.example'];
        expect(lines.filter((line) => line.startsWith('customer'))).to.deep.equal(
          customers.map((email, index) => `customer | ${email} ordered: 202 {"order":${index + 1}}`),
        );
        expect(lines.filter((line) => line.includes('mailed'))).to.have.members([
          'worker   | mailed "Your order 1" to ada@shop.example, attempt 1',
          'worker   | mailed "Your order 2" to alan@busy.example, attempt 2',
          'worker   | mailed "Your order 4" to grace@shop.example, attempt 1',
        ]);
        expect(lines.filter((line) => line.includes('once more'))).to.have.length(3);
        expect(lines.join()).to.match(/message \S+ is buried \(attempts: Error: 550 no such mailbox: nobody\)/);
        expect(lines.at(-2)).to.match(/deletes message \S+: { to: 'nobody', subject: 'Your order 3' }$/);
        expect(lines.at(-1)).to.equal('operator | left in the queue: { ready: 0, delayed: 0, reserved: 0, buried: 0 }');
      });

      it('cqrs shows both read models right, though an event came twice', async () => {
        const lines = await run('cqrs/main.ts', env);
        expect(lines.slice(0, -2)).to.have.members([
          'inventory  | inventory.sell failed after its event was out: the power went out',
          'service    | there are only 2 of 5 balls',
          'stock list | has counted the event about the kite before',
          'revenue    | has counted the event about the kite before',
        ]);
        expect(lines.slice(-2)).to.deep.equal([
          'query      | stock: { kite: 6, ball: 0 }',
          'query      | revenue: { Monday: 108, Tuesday: 16 }',
        ]);
      });

      it('bounded-contexts passes CloudEvents one way and bare JSON the other, each side checking what it reads', async () => {
        const lines = await run('bounded-contexts/main.ts', env);
        const [event, answer] = lines
          .filter((line) => line.startsWith('wire'))
          .map((line) => JSON.parse(line.slice(11)));
        expect(event).to.deep.include({
          specversion: '1.0',
          type: 'shop.shipment-ordered',
          source: '/shop',
          data: { order: 1, customer: 'Ada', address: '1 Mill Lane, Cambridge' },
        });
        expect(answer).to.deep.equal({ order: 1, tracking: 'DE1001' });
        expect(lines.filter((line) => line.startsWith('shop'))).to.deep.equal([
          'shop     | sold order 1 to Ada',
          'shop     | sold order 2 to Alan',
          'shop     | sold order 3 to Grace',
          'shop     | order 1 is on its way: https://parcels.example/DE1001',
          'shop     | order 3 is on its way: https://parcels.example/DE1003',
        ]);
        expect(lines.filter((line) => line.startsWith('shipping'))).to.have.members([
          'shipping | sent order 1 of /shop to 1 Mill Lane, Cambridge',
          'shipping | put a message aside (invalid): cannot accept the data of a message of type "shop.shipment-ordered": it does not fit its schema: ' +
            'address: an address is "street, town"',
          'shipping | sent order 3 of /shop to 3 Navy Yard, Arlington',
        ]);
        expect(lines.at(-1)).to.equal('operator | 1 message removed that shipping could not read');
      });

      describe('deferred-email as separate processes', () => {
        const ADA = '{ "email": "ada@shop.example" }';
        let shop: Program;
        let orders: string;
        let url: string;

        beforeEach(async () => {
          url = env.HARICOT_URL ?? `sqlite:${join(folder, 'mail.db')}`;
          shop = new Program('deferred-email/server.ts', ['0'], { HARICOT_URL: url });
          orders = (await shop.line(/http:\S+/))[0];
        });

        it('takes orders while no worker runs, and a worker mails them later', async () => {
          const response = await fetch(orders, { method: 'POST', body: ADA });
          expect([response.status, await response.json()]).to.deep.equal([202, { order: 1 }]);
          const worker = new Program('deferred-email/worker.ts', [], { HARICOT_URL: url });
          await worker.line(/mailed "Your order 1" to ada@shop\.example, attempt 1/);
          for (const program of [shop, worker]) {
            program.kill('SIGTERM');
            expect(await program.exit()).to.equal(0);
          }
        });

        it('leaves the slots to `haricot work` as well', async () => {
          await fetch(orders, { method: 'POST', body: ADA });
          const options = ['--slots', 'examples/deferred-email/slots.ts', '--max-messages', '1'];
          const worker = Haricot.start(['--url', url, 'work', 'mail', ...options]);
          expect(await worker.exit(), String(worker)).to.equal(0);
          expect(worker.lines).to.include('worker   | mailed "Your order 1" to ada@shop.example, attempt 1');
        });

        it('answers 400 to what is no order, 404 elsewhere', async () => {
          const answers = await Promise.all([
            fetch(orders, { method: 'POST', body: 'ada' }),
            fetch(orders, { method: 'POST', body: '{}' }),
            fetch(orders),
          ]);
          expect(answers.map(({ status }) => status)).to.deep.equal([400, 400, 404]);
        });
      });
    });
  }

  it('custom-driver opens its engine by URL and runs a worker on it', async () => {
    expect(await run('custom-driver/main.ts', {})).to.deep.equal([
      'published: { ready: 3, delayed: 0, reserved: 0, buried: 0, pausedUntil: null }',
      'slot: hello Carol, attempt 1',
      'slot: hello Ann, attempt 1',
      'released for 50 ms: Error: Bob is not at home',
      'slot: hello Bob, attempt 2',
      'left: { ready: 0, delayed: 0, reserved: 0, buried: 0, pausedUntil: null }',
    ]);
  });

  it('tube-control shows priorities, pauses, burial and kicks, and uses a pool', async () => {
    const { url } = queues.fixture.server;
    expect(await run('tube-control/main.ts', {}, url)).to.deep.equal([
      'next is urgent, later tomorrow',
      'paused: reserve answers null',
      'resumed: reserve answers urgent',
      'ready 0, delayed 2, buried 1',
      'buried: weekly, kicked: 1',
      'monthly was reserved 1 time and released 1 time',
      '20 jobs put through 4 connections',
      '23 jobs deleted',
    ]);
    const tubes = await (await queues.fixture.connect()).listTubes();
    expect(tubes.filter((tube) => tube.startsWith('reports-'))).to.deep.equal([]);
  });

  it('tube-control says how it is used when no server is named', async () => {
    const program = new Program('tube-control/main.ts', [], {});
    expect(await program.exit()).to.equal(2);
    expect(program.complaints).to.match(/^usage: .* beanstalkd:\/\/host:port\n$/);
  });
});
