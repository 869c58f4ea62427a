import { parseAddress } from '../../client/address.js';
import { Client } from '../../client/client.js';
import { checkConsume, checkDecimalId, checkLimit, checkMs, checkPut, checkPutMany } from '../../queue/checks.js';
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
import { DriverClosedError, UnsupportedError } from '../../queue/errors.js';
import type { Failure } from '../../queue/failure.js';
import { runOutside } from '../../shared/async-context.js';
import { keepBytes } from '../../shared/bytes.js';
import { BeanstalkdConsumer } from './consumer.js';
import { toHaricotError, translated } from './errors.js';
import { Flush, peek, removeJob } from './flush.js';
import { Journals } from './journals.js';
import { Pauses } from './pauses.js';
import { Publisher } from './publishing.js';
import { Subscriptions } from './subscriptions.js';
import { MAX_BODY_BYTES, Tubes, toSeconds } from './tubes.js';

/** @throws InvalidOptionError for a malformed address */
export function openBeanstalkd(url: string, { prefix }: { readonly prefix: string }): Driver {
  return new BeanstalkdDriver(url, new Tubes(prefix));
}

/** The most that one `kick` may name. */
const MAX_KICK = 4_294_967_295;

/** How long a call waits while the connection comes back, in milliseconds: publishers have somebody waiting for them. */
const MAX_WAITING_MS = 5000;

/** The connection for everything but reservations, with what works on it. */
interface Control {
  readonly client: Client;
  readonly publisher: Publisher;
  readonly pauses: Pauses;
}

/**
 * Queues as beanstalkd tubes. One connection publishes and looks; those that reserve are the subscriptions'.
 *
 * That connection comes back after a loss. What was in flight has rejected, nothing is repeated; what is called meanwhile
 * waits for a while.
 */
class BeanstalkdDriver implements Driver {
  readonly capabilities: Capabilities = { peekMany: false, failures: 'buried', shared: true };
  readonly #url: string;
  readonly #tubes: Tubes;
  readonly #subscriptions: Subscriptions;
  readonly #journals: Journals;
  #control: Promise<Control> | undefined;
  #closed = false;

  constructor(url: string, tubes: Tubes) {
    try {
      parseAddress(url);
    } catch (error) {
      throw toHaricotError(error);
    }
    this.#url = url;
    this.#tubes = tubes;
    this.#subscriptions = new Subscriptions(url);
    this.#journals = new Journals(tubes, () => connectOnce(url));
  }

  async setUp(queue: string): Promise<void> {
    const tube = this.#tubes.tubeOf(queue);
    const { client } = await this.#connected();
    await translated(client.use(tube));
  }

  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    checkPut(body, options);
    const tube = this.#tubes.tubeOf(queue);
    const kept = keepBytes(body);
    return (await this.#connected()).publisher.put(tube, kept, options);
  }

  async putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    checkPutMany(items);
    const tube = this.#tubes.tubeOf(queue);
    const kept = items.map(({ body, options }) => ({ body: keepBytes(body), options }));
    return (await this.#connected()).publisher.putMany(tube, kept);
  }

  /** However many reserve, the connections are few: see `Subscription`. */
  async consume(queues: readonly string[], _slots: number, options: ConsumeOptions = {}): Promise<Consumer> {
    if (this.#closed) throw closed();
    checkConsume(queues, options);
    const { order = 'fair', trackAttempts = true } = options;
    const [tubes, journals] = [this.#tubes, this.#journals];
    const watchList = [...new Set(queues.map((queue) => tubes.tubeOf(queue)))];
    return new BeanstalkdConsumer(this.#subscriptions.to({ tubes, journals, watchList, order, trackAttempts }));
  }

  async peek(queue: string, state: PeekState, limit: number): Promise<StoredMessage[]> {
    if (checkLimit(limit) > 1) {
      throw new UnsupportedError(`beanstalkd shows only the first message of a state, not ${limit}: ask for one`);
    }
    const tube = this.#tubes.tubeOf(queue);
    if (limit === 0) return [];
    const { client } = await this.#connected();
    const found = await translated(peek(client.tube(tube), state), true);
    if (found === null) return [];
    const { id, body } = found;
    const failure = state === 'buried' ? await translated(this.#failureOf(client, queue, id), true) : undefined;
    return [{ id, state, body, ...(failure && { failure }) }];
  }

  async kick(queue: string, limit: number): Promise<number> {
    const tube = this.#tubes.tubeOf(queue);
    const count = Math.min(checkLimit(limit), MAX_KICK);
    const { client } = await this.#connected();
    return translated(client.tube(tube).kick(count));
  }

  async delete(queue: string, id: string): Promise<boolean> {
    checkDecimalId(id);
    const tube = this.#tubes.tubeOf(queue);
    const { client } = await this.#connected();
    const stats = await translated(client.statsJob(id), true);
    return stats?.tube === tube && translated(removeJob(client, id));
  }

  async stats(queue: string): Promise<QueueStats | null> {
    const tube = this.#tubes.tubeOf(queue);
    const { client } = await this.#connected();
    const stats = await translated(client.statsTube(tube), true);
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
    const { client } = await this.#connected();
    return this.#tubes.queuesIn(await translated(client.listTubes(), true));
  }

  async pause(queue: string, ms: number): Promise<void> {
    const tube = this.#tubes.tubeOf(queue);
    const seconds = toSeconds(checkMs('the pause', ms));
    const { pauses } = await this.#connected();
    await translated(pauses.pause(tube, seconds));
  }

  async flush(queue: string): Promise<number> {
    const tube = this.#tubes.tubeOf(queue);
    const { client } = await this.#connected();
    return translated(new Flush(client, tube, this.#tubes.internal('marker')).run());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#subscriptions.close();
    const control = await this.#control?.catch(() => undefined);
    control?.pauses.close();
    await control?.client.quit();
  }

  async #failureOf(client: Client, queue: string, id: string): Promise<Failure | undefined> {
    const { journal } = this.#journals.of(queue);
    const record = (await journal.list()).find(({ jobId, isBurial }) => jobId === id && isBurial);
    return record && journal.failureOf(client, record.recordId);
  }

  /** @throws EngineError */
  #connected(): Promise<Control> {
    if (this.#closed) return Promise.reject(closed());
    this.#control ??= runOutside(() =>
      this.#connect().catch((error) => {
        this.#control = undefined;
        throw toHaricotError(error);
      }),
    );
    return this.#control;
  }

  async #connect(): Promise<Control> {
    const client = await Client.connect(this.#url, { maxWaitingMs: MAX_WAITING_MS, maxBodyBytes: MAX_BODY_BYTES });
    return { client, publisher: new Publisher(client), pauses: new Pauses(client) };
  }
}

/** For a listing of a journal, which begins anew when its connection is lost. */
function connectOnce(url: string): Promise<Client> {
  return Client.connect(url, { reconnect: false, maxBodyBytes: MAX_BODY_BYTES });
}

function closed(): DriverClosedError {
  return new DriverClosedError('cannot use the driver: it is closed');
}

/** The server rounds the rest of a pause down to whole seconds. */
function pauseEnd(seconds: number, secondsLeft: number): Date | null {
  return seconds > 0 ? new Date(Date.now() + (secondsLeft + 1) * 1000) : null;
}
