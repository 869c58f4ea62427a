import { parseAddress } from '../../client/address.js';
import { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import type {
  Capabilities,
  Consumer,
  Driver,
  PeekState,
  PutItem,
  PutOptions,
  QueueStats,
  StoredMessage,
} from '../../queue/driver.js';
import { DriverClosedError, UnsupportedError } from '../../queue/errors.js';
import { BeanstalkdConsumer } from './consumer.js';
import { Tubes, toSeconds } from './tubes.js';

/** @throws InvalidArgumentError for a malformed address, InvalidOptionError for a malformed prefix */
export function openBeanstalkd(url: string, { prefix }: { readonly prefix: string }): Driver {
  return new BeanstalkdDriver(url, new Tubes(prefix));
}

/**
 * Queues as beanstalkd tubes. One connection publishes and looks; each reservation has one of its own (see consumer.ts).
 *
 * After a lost connection the next call opens a new one. What was in flight has rejected; nothing is repeated.
 */
class BeanstalkdDriver implements Driver {
  readonly capabilities: Capabilities = { peekMany: false, buryReason: false };
  readonly #url: string;
  readonly #tubes: Tubes;
  readonly #consumers = new Set<BeanstalkdConsumer>();
  #client: Client | undefined;
  #connecting: Promise<Client> | undefined;
  /** The tube that #client uses. */
  #used: string | undefined;
  #closed = false;

  constructor(url: string, tubes: Tubes) {
    parseAddress(url);
    this.#url = url;
    this.#tubes = tubes;
  }

  async setUp(queue: string): Promise<void> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    this.#use(client, tube);
    await client.listTubeUsed();
  }

  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    const tube = this.#tubes.tubeOf(queue);
    const client = this.#client?.isOpen ? this.#client : await this.#connected();
    this.#use(client, tube);
    return client.put(body, onWire(options));
  }

  async putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    this.#use(client, tube);
    return Promise.all(items.map(({ body, options }) => client.put(body, onWire(options))));
  }

  async consume(queues: readonly string[], slots: number): Promise<Consumer> {
    this.#checkOpen();
    const tubes = queues.map((queue) => this.#tubes.tubeOf(queue));
    const consumer = new BeanstalkdConsumer(this.#url, this.#tubes, tubes, slots);
    consumer.onClose = () => this.#consumers.delete(consumer);
    this.#consumers.add(consumer);
    return consumer;
  }

  async peek(queue: string, state: PeekState, limit: number): Promise<StoredMessage[]> {
    if (limit > 1) {
      throw new UnsupportedError(`beanstalkd shows only the first message of a state, not ${limit}: ask for one`);
    }
    if (limit === 0) return [];
    const found = await this.#peekOne(queue, state);
    return found === null ? [] : [{ id: found.id, state, body: found.body }];
  }

  async kick(queue: string, limit: number): Promise<number> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    this.#use(client, tube);
    return client.kick(limit);
  }

  async delete(queue: string, id: string): Promise<boolean> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    const stats = await client.statsJob(id);
    if (stats?.tube !== tube) return false;
    return deleted(client, id);
  }

  async stats(queue: string): Promise<QueueStats> {
    const tube = this.#tubes.tubeOf(queue);
    const stats = await (await this.#connected()).statsTube(tube);
    return {
      ready: stats?.currentJobsReady ?? 0,
      delayed: stats?.currentJobsDelayed ?? 0,
      reserved: stats?.currentJobsReserved ?? 0,
      buried: stats?.currentJobsBuried ?? 0,
    };
  }

  async queues(): Promise<string[]> {
    return this.#tubes.queuesIn(await (await this.#connected()).listTubes());
  }

  async pause(queue: string, ms: number): Promise<void> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    // Only a tube that exists can be paused; using it creates it.
    this.#use(client, tube);
    await client.pauseTube(tube, toSeconds(ms));
  }

  async flush(queue: string): Promise<number> {
    const client = await this.#connected();
    let count = 0;
    for (const state of ['ready', 'delayed', 'buried'] as const) {
      for (let job = await this.#peekOne(queue, state); job; job = await this.#peekOne(queue, state)) {
        if (await deleted(client, job.id)) count++;
      }
    }
    return count;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    const client = await this.#connecting?.catch(() => undefined);
    await client?.quit();
  }

  async #peekOne(queue: string, state: PeekState): ReturnType<Client['peek']> {
    const tube = this.#tubes.tubeOf(queue);
    const client = await this.#connected();
    this.#use(client, tube);
    if (state === 'ready') return client.peekReady();
    return state === 'delayed' ? client.peekDelayed() : client.peekBuried();
  }

  /** Sends `use` unless the tube is in use already; what is called next in this tick goes out in the same write. */
  async #use(client: Client, tube: string): Promise<void> {
    if (this.#used === tube) return;
    this.#used = tube;
    try {
      await client.use(tube);
    } catch {
      // The command behind it fails for the same reason, and its caller is told.
      if (this.#used === tube) this.#used = undefined;
    }
  }

  /** The connection for everything but reservations. @throws ConnectionLostError, ConnectTimeoutError */
  #connected(): Promise<Client> {
    if (this.#connecting !== undefined && this.#client?.isOpen !== false) return this.#connecting;
    this.#checkOpen();
    this.#client = undefined;
    this.#connecting = this.#connect();
    return this.#connecting;
  }

  async #connect(): Promise<Client> {
    try {
      this.#client = await Client.connect(this.#url);
      this.#used = undefined;
      return this.#client;
    } catch (error) {
      this.#connecting = undefined;
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new DriverClosedError('the driver is closed');
  }
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
