import type { Client } from '../../client/client.js';
import { createDebug } from '../../debug.js';
import { Asker, type Asking } from './asker.js';
import type { BeanstalkdReservation, Holder } from './reservation.js';

const debug = createDebug('haricot:beanstalkd');

/** After a failure no other connection is made for so long: whoever waits for a message meets the failure as well. */
const PAUSE_MS = 1000;

export interface SharedLaneOptions extends Asking {
  readonly connect: (signal: AbortSignal) => Promise<Client>;
}

interface Link {
  readonly client: Client;
  readonly asker: Asker;
  /** It is asked no more, and ends with the last job that it holds. */
  isRetiring: boolean;
}

/**
 * A connection that never waits. What it takes is ready already, so it can hold any number of jobs, and settle each at any
 * time: all that is sent for them shares writes and reads, which are most of the cost of a message.
 */
export class SharedLane implements Holder {
  readonly isShared = true;
  readonly #options: SharedLaneOptions;
  readonly #ending = new AbortController();
  /** Not a Set: see the worker's alarms. */
  readonly #held: BeanstalkdReservation[] = [];
  #link: Link | undefined;
  #isConnecting = false;
  #connectFrom = Number.NEGATIVE_INFINITY;

  constructor(options: SharedLaneOptions) {
    this.#options = options;
  }

  /**
   * What is ready. Null when nothing is, or when it cannot be told; then the next one to wait learns why.
   * @param signal rejects the call with its reason at once; a job that comes all the same is released
   */
  async take(signal: AbortSignal | undefined): Promise<BeanstalkdReservation | null> {
    const link = this.#link;
    if (link === undefined) void this.#connect();
    if (link === undefined || link.isRetiring) return null;
    const taking = this.#take(link, signal);
    return signal === undefined ? taking : orGivenUp(taking, signal);
  }

  letGo(reservation: BeanstalkdReservation): void {
    const position = this.#held.indexOf(reservation);
    if (position < 0) return;
    const last = this.#held.pop();
    if (last !== undefined && last !== reservation) this.#held[position] = last;
    if (this.#link?.isRetiring) this.#quitWhenNothingIsHeld();
  }

  // The server knows holders by their connections alone: to it both would be the same.
  comes(jobId: string): void {
    this.#held.find(({ id }) => id === jobId)?.lose('its lease had ended');
  }

  /** Ends at once: what is held goes back to its queue. */
  destroy(): void {
    this.#ending.abort();
    this.#link?.client.destroy();
  }

  /** Never rejects. */
  async #take(link: Link, signal: AbortSignal | undefined): Promise<BeanstalkdReservation | null> {
    try {
      const reservation = await link.asker.takeReady(signal);
      // Its connection ends, and it goes back with that.
      if (reservation === null || !link.client.isOpen) return null;
      this.comes(reservation.id);
      this.#held.push(reservation);
      return reservation;
    } catch (error) {
      this.#retire(link, error);
      return null;
    }
  }

  /** It may hold a job that nobody was given; that one goes back when the others are settled. */
  #retire(link: Link, error: unknown): void {
    if (link !== this.#link || link.isRetiring) return;
    debug('the shared connection is given up: %o', error);
    link.isRetiring = true;
    this.#pause();
    this.#quitWhenNothingIsHeld();
  }

  #quitWhenNothingIsHeld(): void {
    if (this.#held.length === 0) void this.#link?.client.quit({ waitForJobs: false });
  }

  async #connect(): Promise<void> {
    if (this.#isConnecting || performance.now() < this.#connectFrom) return;
    this.#isConnecting = true;
    try {
      const client = await this.#options.connect(this.#ending.signal);
      const link = { client, asker: new Asker(client, this.#options, this), isRetiring: false };
      client.once('close', () => this.#closed());
      this.#link = link;
      if (this.#ending.signal.aborted) client.destroy();
    } catch (error) {
      debug('no shared connection: %o', error);
      this.#pause();
    } finally {
      this.#isConnecting = false;
    }
  }

  #pause(): void {
    this.#connectFrom = performance.now() + PAUSE_MS;
  }

  #closed(): void {
    this.#link = undefined;
    for (const reservation of this.#held.splice(0)) reservation.lose('its connection closed');
  }
}

function orGivenUp(
  taking: Promise<BeanstalkdReservation | null>,
  signal: AbortSignal,
): Promise<BeanstalkdReservation | null> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      reject(signal.reason);
      // Where that fails its lease is over, or its connection.
      taking.then((reservation) => reservation?.release()).catch(() => {});
    };
    signal.addEventListener('abort', giveUp, { once: true });
    void taking.then((reservation) => {
      signal.removeEventListener('abort', giveUp);
      resolve(reservation);
    });
  });
}
