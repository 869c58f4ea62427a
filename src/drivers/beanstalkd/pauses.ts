import type { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import { createDebug } from '../../debug.js';
import { Deadline } from '../../shared/deadline.js';

const debug = createDebug('haricot:beanstalkd');

interface Pause {
  /** By `Date.now()`. */
  readonly until: number;
  readonly end: Deadline;
}

/**
 * Pauses tubes. beanstalkd forgets a tube that has neither jobs nor users, and its pause with it. So the connection watches
 * what it has paused until the pause is over; it never reserves.
 */
export class Pauses {
  readonly #client: Client;
  readonly #pauses = new Map<string, Pause>();

  constructor(client: Client) {
    this.#client = client;
    client.on('connect', () => {
      this.#renew().catch((error) => debug('a pause could not be renewed: %o', error));
    });
  }

  async pause(tube: string, seconds: number): Promise<void> {
    if (seconds === 0) {
      await this.#resume(tube);
      return;
    }
    // Only a tube that exists can be paused; watching it creates it.
    await Promise.all([this.#client.watch(tube), this.#client.pauseTube(tube, seconds)]);
    this.#pauses.get(tube)?.end.cancel();
    const end = new Deadline(seconds * 1000, () => this.#forget(tube), { unref: true });
    this.#pauses.set(tube, { until: Date.now() + seconds * 1000, end });
  }

  close(): void {
    for (const { end } of this.#pauses.values()) end.cancel();
    this.#pauses.clear();
  }

  async #resume(tube: string): Promise<void> {
    try {
      await this.#client.pauseTube(tube, 0);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
    this.#forget(tube);
  }

  #forget(tube: string): void {
    const pause = this.#pauses.get(tube);
    if (pause === undefined) return;
    pause.end.cancel();
    this.#pauses.delete(tube);
    // Every connection watches it from the beginning, and one tube must be watched.
    if (tube === 'default') return;
    this.#client.ignore(tube).catch((error) => debug('%s is still watched: %o', tube, error));
  }

  /** The connection was lost, and with it the pause of a tube that nobody else used. */
  async #renew(): Promise<void> {
    for (const [tube, { until }] of this.#pauses) {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      const stats = await this.#client.statsTube(tube);
      // One that was paused before is the same tube still, and may have been resumed.
      if (seconds > 0 && stats?.cmdPauseTube === 0) await this.#client.pauseTube(tube, seconds);
    }
  }
}
