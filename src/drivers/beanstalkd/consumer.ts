import { Client } from '../../client/client.js';
import type { Job } from '../../client/job.js';
import type { Consumer, Reservation, ReserveOptions } from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { BeanstalkdReservation } from './reservation.js';
import { MAX_BODY_BYTES, type Tubes, toSeconds } from './tubes.js';

/**
 * Reserves on a connection of its own for each message that is waited for or held: a reserve that waits blocks its
 * connection, and a job can be settled only on the connection that reserved it.
 *
 * A connection is free again as soon as the command that settles its job is on its way, and the one freed last is taken
 * first: a worker that settles one message and reserves the next has both commands in one write.
 */
export class BeanstalkdConsumer implements Consumer {
  readonly #url: string;
  readonly #tubes: Tubes;
  readonly #watched: readonly string[];
  readonly #slots: number;
  readonly #clients = new Set<Client>();
  readonly #free: Client[] = [];
  readonly #closing = new AbortController();
  onClose: () => void = () => {};

  constructor(url: string, tubes: Tubes, watched: readonly string[], slots: number) {
    this.#url = url;
    this.#tubes = tubes;
    this.#watched = watched;
    this.#slots = slots;
  }

  async reserve({ timeoutMs, signal }: ReserveOptions = {}): Promise<Reservation | null> {
    signal?.throwIfAborted();
    if (this.#closing.signal.aborted) throw new DriverClosedError('the consumer is closed');
    const timeout = timeoutMs === undefined ? undefined : toSeconds(timeoutMs);
    let client = this.#takeFree();
    const reserve = async (): Promise<Reservation | null> => {
      if (client) return this.#reserveOn(client, timeout);
      client = await this.#connect();
      if (signal?.aborted) client.destroy();
      const watching = this.#watch(client);
      const [reservation] = await Promise.all([this.#reserveOn(client, timeout), watching]);
      return reservation;
    };
    try {
      return await unlessAborted(reserve(), signal);
    } catch (error) {
      // No command ends a waiting reserve, so its connection ends: a job that was on its way goes back then. Given up, it
      // ends in order, because the settlement of the job before may still have to be answered.
      if (signal?.aborted) void client?.quit();
      else client?.destroy();
      if (this.#closing.signal.aborted) return null;
      throw signal?.aborted ? signal.reason : error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const client of this.#clients) client.destroy();
    this.onClose();
  }

  async #reserveOn(client: Client, timeout: number | undefined): Promise<Reservation | null> {
    for (;;) {
      const job = await client.reserve({ timeout });
      if (job === null) {
        this.#giveBack(client);
        return null;
      }
      const reservation = await this.#describe(client, job);
      if (reservation) return reservation;
    }
  }

  /** `stats-job` knows what RESERVED does not tell. Nothing when the job has been deleted meanwhile, its TTR over. */
  async #describe(client: Client, job: Job): Promise<Reservation | undefined> {
    const stats = await job.stats();
    if (stats === null) return undefined;
    const { tube, pri: priority, reserves: attempt, kicks, ttr } = stats;
    const delivery = { queue: this.#tubes.queueOf(tube), priority, attempt, kicks, ttrMs: ttr * 1000 };
    return new BeanstalkdReservation(job, client, delivery, () => this.#giveBack(client));
  }

  #takeFree(): Client | undefined {
    for (let client = this.#free.pop(); client; client = this.#free.pop()) {
      if (client.isOpen) return client;
    }
    return undefined;
  }

  #giveBack(client: Client): void {
    if (!client.isOpen) return;
    if (this.#free.length < this.#slots) this.#free.push(client);
    else void client.quit();
  }

  async #connect(): Promise<Client> {
    const client = await Client.connect(this.#url, { reconnect: false, maxBodyBytes: MAX_BODY_BYTES });
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    if (this.#closing.signal.aborted) client.destroy();
    return client;
  }

  /** Its commands go out in one write with the reserve behind them. */
  #watch(client: Client): Promise<unknown> {
    const answers = this.#watched.map((tube) => client.watch(tube));
    // The last watched tube cannot be ignored: ignore only behind the others.
    if (!this.#watched.includes('default')) answers.push(client.ignore('default'));
    return Promise.all(answers);
  }
}

/** As `promise`, or rejected as soon as the signal aborts. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
