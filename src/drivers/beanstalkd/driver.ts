import { parseAddress } from '../../client/address.js';
import { Client } from '../../client/client.js';
import type { Capabilities, MessageState } from '../../queue/capabilities.js';
import type {
  ConsumeOptions,
  Consumer,
  Driver,
  ListOptions,
  MessagePage,
  PutItem,
  PutResult,
  QueueStats,
  RetrySelection,
  Selection,
  StoredMessage,
} from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { runOutside } from '../../shared/async-context.js';
import { keepBytes } from '../../shared/bytes.js';
import { BeanstalkdConsumer } from './consumer.js';
import { rejectTranslated, toHaricotError, translated } from './errors.js';
import { Flush } from './flush.js';
import { Journals } from './journals.js';
import { Pauses } from './pauses.js';
import { Publisher } from './publisher.js';
import { StoredMessages } from './stored-messages.js';
import { Subscriptions } from './subscription.js';
import { MAX_BODY_BYTES, Tubes, toSeconds } from './tubes.js';

/** @throws InvalidOptionError for a malformed address */
export function openBeanstalkd(url: string, { prefix }: { readonly prefix: string }): Driver {
  return new BeanstalkdDriver(url, new Tubes(prefix));
}

const CAPABILITIES: Capabilities = {
  list: { ready: 'first', delayed: 'first', reserved: 'none', buried: 'any' },
  failures: 'buried',
  transactions: false,
  atomicPublish: false,
  uncountedRelease: false,
  deleteReserved: false,
  deduplication: 'none',
  groups: false,
  expiry: false,
};

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
  readonly system = 'beanstalkd';
  readonly capabilities = CAPABILITIES;
  readonly #url: string;
  readonly #tubes: Tubes;
  readonly #subscriptions: Subscriptions;
  readonly #journals: Journals;
  #control: Promise<Control> | undefined;
  /** The same once it is there, until the driver is closed. */
  #open: Control | undefined;
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

  put(items: readonly PutItem[]): Promise<PutResult> {
    const [only] = items;
    // The client copies the bytes at once of what it sends.
    return items.length === 1 && only !== undefined && this.#open !== undefined && Publisher.isSentAtOnce(only.body)
      ? this.#putOne(only, this.#open.publisher)
      : this.#putKept(items);
  }

  #putOne({ queue, body, options }: PutItem, publisher: Publisher): Promise<PutResult> {
    try {
      return publisher.send({ tube: this.#tubes.tubeOf(queue), body, options }).then(toPutResult, rejectTranslated);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #putKept(items: readonly PutItem[]): Promise<PutResult> {
    const kept = items.map(({ queue, body, options }) => {
      return { tube: this.#tubes.tubeOf(queue), body: keepBytes(body), options };
    });
    const { publisher } = await this.#connected();
    const ids = await publisher.put(kept);
    return { atomic: items.length < 2, stored: ids.map((jobId) => ({ jobId, isNew: true })) };
  }

  /** However many reserve, the connections are few: see `Subscription`. */
  async consume(queues: readonly string[], options: ConsumeOptions = {}): Promise<Consumer> {
    if (this.#closed) throw closed();
    const { order = 'fair', trackAttempts = true } = options;
    const [tubes, journals] = [this.#tubes, this.#journals];
    const watchList = [...new Set(queues.map((queue) => tubes.tubeOf(queue)))];
    return new BeanstalkdConsumer(this.#subscriptions.to({ tubes, journals, watchList, order, trackAttempts }));
  }

  async stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    const tubes = queues.map((queue) => this.#tubes.tubeOf(queue));
    const { client } = await this.#connected();
    const all = await translated(Promise.all(tubes.map((tube) => client.statsTube(tube))), true);
    return all.map((stats) => {
      if (stats === null) return null;
      return {
        ready: stats.currentJobsReady,
        delayed: stats.currentJobsDelayed,
        reserved: stats.currentJobsReserved,
        buried: stats.currentJobsBuried,
        pausedUntil: pauseEnd(stats.pause, stats.pauseTimeLeft),
      };
    });
  }

  async list(queue: string, options: ListOptions): Promise<MessagePage> {
    const stored = await this.#storedIn(queue);
    return translated(stored.list(options), true);
  }

  async find(queue: string, jobId: string): Promise<StoredMessage | null> {
    const stored = await this.#storedIn(queue);
    return translated(stored.find(jobId), true);
  }

  async retry(queue: string, selection: RetrySelection): Promise<number> {
    const kept = 'body' in selection ? { ...selection, body: keepBytes(selection.body) } : selection;
    const stored = await this.#storedIn(queue);
    const { publisher } = await this.#connected();
    return translated(stored.retry(kept, publisher));
  }

  async promote(queue: string, selection: Selection): Promise<number> {
    const stored = await this.#storedIn(queue);
    return translated(stored.promote(selection));
  }

  async delete(queue: string, jobIds: readonly string[]): Promise<number> {
    const stored = await this.#storedIn(queue);
    return translated(stored.delete(jobIds));
  }

  async flush(queue: string, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number> {
    const tube = this.#tubes.tubeOf(queue);
    const { client } = await this.#connected();
    const count = await translated(new Flush(client, tube, states, this.#tubes.internal('marker')).run());
    if (states.includes('buried')) await translated(this.#journals.of(queue).journal.clean(client));
    return count;
  }

  async queues(): Promise<string[]> {
    const { client } = await this.#connected();
    return this.#tubes.queuesIn(await translated(client.listTubes(), true));
  }

  async pause(queue: string, ms: number): Promise<void> {
    const tube = this.#tubes.tubeOf(queue);
    const { pauses } = await this.#connected();
    await translated(pauses.pause(tube, toSeconds(ms)));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#open = undefined;
    this.#subscriptions.close();
    const control = await this.#control?.catch(() => undefined);
    control?.pauses.close();
    await control?.client.quit();
  }

  async #storedIn(queue: string): Promise<StoredMessages> {
    const tube = this.#tubes.tubeOf(queue);
    const { client } = await this.#connected();
    return new StoredMessages(client, queue, tube, this.#journals.of(queue));
  }

  /** @throws EngineError, DriverClosedError */
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
    const control = { client, publisher: new Publisher(client), pauses: new Pauses(client) };
    if (!this.#closed) this.#open = control;
    return control;
  }
}

function toPutResult(jobId: string): PutResult {
  return { atomic: true, stored: [{ jobId, isNew: true }] };
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
