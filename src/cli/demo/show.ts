import { randomBytes } from 'node:crypto';
import type { Driver } from '../../queue/driver.js';
import { Queue } from '../../queue/queue.js';
import { statsOf } from '../engine.js';
import { CommandFailedError } from '../errors.js';
import { type Paint, painter, plain, type Style } from '../output/colour.js';
import { type Output, print } from '../output/output.js';
import { sum } from '../stats.js';
import { ORDERS, SendOrderMail } from './messages.js';
import { WORK_OPTIONS, WorkerProcess } from './worker-process.js';

const QUEUE = 'demo-mail';

export interface ShowOptions {
  /** The engine, for the worker. */
  readonly url: string;
  /** Where the messages are, in words. */
  readonly place: string;
  readonly json: boolean;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** A shop answers its customers at once, and a worker in another process mails the confirmations. */
export class Show {
  readonly #output: Output;
  readonly #options: ShowOptions;
  readonly #paint: Paint;

  constructor(output: Output, options: ShowOptions) {
    this.#output = output;
    this.#options = options;
    this.#paint = options.json ? plain : painter(output.stdout);
  }

  /** @param driver on the engine, for the shop */
  async run(driver: Driver): Promise<void> {
    const queue = new Queue(driver, await freeName(driver));
    await queue.setUp();
    try {
      await this.#publish(queue);
      await this.#work(queue.name);
      await this.#look(queue);
    } finally {
      await queue.flush();
    }
  }

  async #publish(queue: Queue): Promise<void> {
    this.#say(
      `A shop takes ${ORDERS.length} orders. Each request only publishes a message, which is kept ${this.#options.place}:`,
    );
    for (const order of ORDERS) {
      this.#options.signal.throwIfAborted();
      const began = performance.now();
      const jobId = await queue.publish(SendOrderMail, order);
      const micros = Math.round((performance.now() - began) * 1000);
      const text = `order ${order.order}: message ${jobId} published in ${micros} µs`;
      this.#tell('shop', text, { published: { queue: queue.name, order: order.order, jobId, micros } });
    }
  }

  /** Until every order's mail was sent or given up. */
  async #work(queue: string): Promise<void> {
    this.#options.signal.throwIfAborted();
    const command = `haricot work ${queue} --slots slots.js ${WORK_OPTIONS.join(' ')}`;
    this.#say(
      `A worker in another process does the work: ${this.#paint('bold', command)}`,
      'Order 3 meets a mail server that is busy twice, order 4 has no address. (No mail is really sent.)',
    );
    const { url, json, signal } = this.#options;
    const colours = this.#paint !== plain;
    const worker = new WorkerProcess({ url, queue, json, colours, onError: (text) => this.#output.stderr.write(text) });
    const stop = (): void => void worker.stop().catch(() => {});
    signal.addEventListener('abort', stop, { once: true });
    let unsettled = ORDERS.length;
    try {
      for await (const line of worker.lines()) {
        this.#passOn(line);
        if (settles(line, json) && --unsettled === 0) stop();
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await worker.stop();
    }
    signal.throwIfAborted();
    if (unsettled > 0)
      throw new CommandFailedError('DEMO_FAILED', 'cannot finish the demo: the worker ended before its work was done');
  }

  async #look(queue: Queue): Promise<void> {
    this.#say(
      'What nobody could handle is left, until somebody has looked at it and retries or deletes it.',
      '(The demo deletes it when it ends, and whatever else it has made.)',
    );
    const { ready, delayed, reserved, buried } = await statsOf(queue);
    const counts = `${ready} ready, ${delayed} delayed, ${reserved} reserved, ${buried} buried`;
    this.#tell('queue', counts, { left: { queue: queue.name, ready, delayed, reserved, buried } });
    for (const stored of (await queue.failed()).messages) {
      const { data } = queue.decode(stored);
      const { jobId } = stored;
      this.#tell('queue', `message ${jobId} is buried: ${JSON.stringify(data)}`, { buried: { jobId, data } });
    }
  }

  /** What the worker writes. With `--json` that is records, and what its slots print. */
  #passOn(line: string): void {
    if (!this.#options.json) this.#tell('worker', line, {});
    else if (line.startsWith('{')) this.#output.stdout.write(`${line}\n`);
  }

  #say(...lines: string[]): void {
    if (!this.#options.json) for (const line of ['', ...lines, '']) print(this.#output, false, line, {});
  }

  #tell(who: keyof typeof COLOURS, text: string, record: object): void {
    print(this.#output, this.#options.json, `  ${this.#paint(COLOURS[who], who.padEnd(6))} | ${text}`, record);
  }
}

const COLOURS = { shop: 'cyan', worker: 'green', queue: 'yellow' } as const satisfies Record<string, Style>;

/** Whether the line says that a message was mailed or given up. */
function settles(line: string, json: boolean): boolean {
  return (json ? /"signal":"message(?:Finished|Failed)"/ : /: mailed to |BURIED/).test(line);
}

/** A queue that nobody uses: on an engine that is not ours, somebody may. */
async function freeName(driver: Driver): Promise<string> {
  const [stats] = await driver.stats([QUEUE]);
  return !stats || sum(stats) === 0 ? QUEUE : `${QUEUE}-${randomBytes(4).toString('hex')}`;
}
