import type { Client } from '../../client/client.js';
import { DeadlineSoonError } from '../../client/errors.js';
import { createDebug } from '../../debug.js';
import { Asker, type Asking } from './asker.js';
import type { BeanstalkdReservation, Holder } from './reservation.js';

const debug = createDebug('haricot:beanstalkd');

/** After a failure no other connection is made for so long: whoever waits for a message meets the failure as well. */
const PAUSE_MS = 1000;

export interface SharedLaneOptions extends Asking {
  readonly connect: (signal: AbortSignal) => Promise<Client>;
}

/**
 * A connection that never waits. What it takes is ready already, so it can hold any number of jobs, and settle each at any
 * time: all that is sent for them shares writes and reads, which are most of the cost of a message.
 */
export class SharedLane implements Holder {
  readonly #options: SharedLaneOptions;
  readonly #ending = new AbortController();
  /** Not a Set: see the worker's alarms. */
  readonly #held: BeanstalkdReservation[] = [];
  #client: Client | undefined;
  /** Nothing while it must not be asked. */
  #asker: Asker | undefined;
  #connectFrom = Number.NEGATIVE_INFINITY;

  constructor(options: SharedLaneOptions) {
    this.#options = options;
  }

  /** What is ready. @returns null when nothing is, or when it cannot be told; then the next one to wait learns why */
  async take(): Promise<BeanstalkdReservation | null> {
    const asker = this.#asker;
    if (asker === undefined) {
      void this.#connect();
      return null;
    }
    try {
      const reservation = await asker.takeReady();
      if (reservation !== null) this.#held.push(reservation);
      return reservation;
    } catch (error) {
      // Of a job that it holds; and nothing is ready, which would come first.
      if (!(error instanceof DeadlineSoonError)) this.#retire(error);
      return null;
    }
  }

  letGo(reservation: BeanstalkdReservation): void {
    const position = this.#held.indexOf(reservation);
    if (position < 0) return;
    const last = this.#held.pop();
    if (last !== undefined && last !== reservation) this.#held[position] = last;
    if (this.#asker === undefined) this.#quitWhenNothingIsHeld();
  }

  /** Ends at once: what is held goes back to its queue. */
  destroy(): void {
    this.#ending.abort();
    this.#client?.destroy();
  }

  /** Asks no more, because it may hold a job that nobody was given; that one goes back when the others are settled. */
  #retire(error: unknown): void {
    debug('the shared connection is given up: %o', error);
    this.#asker = undefined;
    this.#connectFrom = performance.now() + PAUSE_MS;
    this.#quitWhenNothingIsHeld();
  }

  #quitWhenNothingIsHeld(): void {
    if (this.#held.length === 0) void this.#client?.quit();
  }

  async #connect(): Promise<void> {
    if (this.#client !== undefined || performance.now() < this.#connectFrom) return;
    // One at a time.
    this.#connectFrom = Number.POSITIVE_INFINITY;
    try {
      const client = await this.#options.connect(this.#ending.signal);
      client.once('close', () => this.#closed());
      this.#client = client;
      this.#asker = new Asker(client, this.#options, this);
      this.#connectFrom = Number.NEGATIVE_INFINITY;
      if (this.#ending.signal.aborted) client.destroy();
    } catch (error) {
      debug('no shared connection: %o', error);
      this.#connectFrom = performance.now() + PAUSE_MS;
    }
  }

  #closed(): void {
    this.#client = undefined;
    this.#asker = undefined;
    for (const reservation of this.#held.splice(0)) reservation.lose('its connection closed');
  }
}
