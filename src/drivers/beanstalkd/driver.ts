import { parseAddress } from '../../client/address.js';
import { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import type { StoredJob } from '../../client/job.js';
import type { Tube } from '../../client/tube.js';
import type {
  Capabilities,
  ConsumeOptions,
  Consumer,
  Driver,
  PeekState,
  PutItem,
  PutOptions,
  QueueStats,
  StoredMessage,
} from '../../queue/driver.js';
import { DriverClosedError, InvalidOptionError, UnsupportedError } from '../../queue/errors.js';
import { Budgets } from './budget.js';
import { BeanstalkdConsumer } from './consumer.js';
import { MAX_BODY_BYTES, Tubes, toSeconds } from './tubes.js';

/** @throws InvalidArgumentError for a malformed address, InvalidOptionError for a malformed prefix */
export function openBeanstalkd(url: string, { prefix }: { readonly prefix: string }): Driver {
  return new BeanstalkdDriver(url, new Tubes(prefix));
}

/** How long a call waits while the connection comes back, in milliseconds: publishers have somebody waiting for them. */
const MAX_WAITING_MS = 5000;

/**
 * Queues as beanstalkd tubes. One connection publishes and looks; each reservation has one of its own (see consumer.ts).
 *
 * That connection comes back after a loss. What was in flight has rejected, nothing is repeated; what is called meanwhile
 * waits for a while.
 */
class BeanstalkdDriver implements Driver {
  readonly capabilities: Capabilities = { peekMany: false, failures: 'none', shared: true };
  readonly #url: string;
  readonly #tubes: Tubes;
  readonly #budgets = new Budgets();
  readonly #consumers = new Set<BeanstalkdConsumer>();
  #client: Promise<Client> | undefined;
  #closed = false;

  constructor(url: string, tubes: Tubes) {
    parseAddress(url);
    this.#url = url;
    this.#tubes = tubes;
  }

  async setUp(queue: string): Promise<void> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    await client.use(tube);
  }

  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    return (await this.#tube(queue)).put(body, onWire(options));
  }

  async putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    const tube = await this.#tube(queue);
    const ids: string[] = [];
    for (const portion of portionsOf(items)) {
      ids.push(...(await Promise.all(portion.map(({ body, options }) => tube.put(body, onWire(options))))));
    }
    return ids;
  }

  async consume(queues: readonly string[], slots: number, options?: ConsumeOptions): Promise<Consumer> {
    if (this.#closed) throw closed();
    if (queues.length === 0) throw new InvalidOptionError('there is no queue to consume');
    const tubes = new Set(queues.map((queue) => this.#tubes.tubeOf(queue)));
    const consumer = new BeanstalkdConsumer(this.#url, this.#tubes, [...tubes], slots, options, this.#budgets);
    consumer.onClose = () => this.#consumers.delete(consumer);
    this.#consumers.add(consumer);
    return consumer;
  }

  async peek(queue: string, state: PeekState, limit: number): Promise<StoredMessage[]> {
    if (limit > 1) {
      throw new UnsupportedError(`beanstalkd shows only the first message of a state, not ${limit}: ask for one`);
    }
    if (limit === 0) return [];
    const found = await peek(await this.#tube(queue), state);
    return found === null ? [] : [{ id: found.id, state, body: found.body }];
  }

  async kick(queue: string, limit: number): Promise<number> {
    return (await this.#tube(queue)).kick(limit);
  }

  async delete(queue: string, id: string): Promise<boolean> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    const stats = await client.statsJob(id);
    if (stats?.tube !== tube) return false;
    return deleted(client, id);
  }

  async stats(queue: string): Promise<QueueStats | null> {
    const stats = await (await this.#tube(queue)).stats();
    if (stats === null) return null;
    return {
      ready: stats.currentJobsReady,
      delayed: stats.currentJobsDelayed,
      reserved: stats.currentJobsReserved,
      buried: stats.currentJobsBuried,
      pausedUntil: pauseEnd(stats.pause, stats.pauseTimeLeft),
    };
  }

  async queues(): Promise<string[]> {
    return this.#tubes.queuesIn(await (await this.#connected()).listTubes());
  }

  async pause(queue: string, ms: number): Promise<void> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    // Only a tube that exists can be paused; using it creates it.
    await Promise.all([client.use(tube), client.pauseTube(tube, toSeconds(ms))]);
  }

  async flush(queue: string): Promise<number> {
    const client = await this.#connected();
    const tube = client.tube(this.#tubes.tubeOf(queue));
    let count = 0;
    for (const state of ['ready', 'delayed', 'buried'] as const) {
      for (let job = await peek(tube, state); job; job = await peek(tube, state)) {
        if (await deleted(client, job.id)) count++;
      }
    }
    return count;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    const client = await this.#client?.catch(() => undefined);
    await client?.quit();
  }

  async #tube(queue: string): Promise<Tube> {
    const name = this.#tubes.tubeOf(queue);
    return (await this.#connected()).tube(name);
  }

  /** The connection for everything but reservations. @throws ConnectionLostError, ConnectTimeoutError */
  #connected(): Promise<Client> {
    if (this.#closed) return Promise.reject(closed());
    this.#client ??= Client.connect(this.#url, { maxWaitingMs: MAX_WAITING_MS, maxBodyBytes: MAX_BODY_BYTES }).catch(
      (error) => {
        this.#client = undefined;
        throw error;
      },
    );
    return this.#client;
  }
}

function closed(): DriverClosedError {
  return new DriverClosedError('the driver is closed');
}

/** What is in flight at once: the client refuses more than 64 MiB, and others publish as well. */
const PORTION_BYTES = 16 * 1024 * 1024;
const PORTION_ITEMS = 10_000;

function* portionsOf(items: readonly PutItem[]): Iterable<readonly PutItem[]> {
  let start = 0;
  let bytes = 0;
  for (const [index, { body }] of items.entries()) {
    if (index > start && (bytes + body.length > PORTION_BYTES || index - start === PORTION_ITEMS)) {
      yield items.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += body.length;
  }
  yield items.slice(start);
}

function peek(tube: Tube, state: PeekState): Promise<StoredJob | null> {
  if (state === 'ready') return tube.peekReady();
  return state === 'delayed' ? tube.peekDelayed() : tube.peekBuried();
}

/** The server rounds the rest of a pause down to whole seconds. */
function pauseEnd(seconds: number, secondsLeft: number): Date | null {
  return seconds > 0 ? new Date(Date.now() + (secondsLeft + 1) * 1000) : null;
}

function onWire({ priority, delayMs, ttrMs }: PutOptions): { priority: number; delay: number; ttr: number } {
  return { priority, delay: toSeconds(delayMs), ttr: toSeconds(ttrMs) };
}

async function deleted(client: Client, id: string): Promise<boolean> {
  try {
    await client.delete(id);
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}
