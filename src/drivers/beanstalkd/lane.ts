import { setMaxListeners } from 'node:events';
import type { Client } from '../../client/client.js';
import type { Reservation } from '../../queue/driver.js';
import { Asker, type Asking } from './asker.js';
import type { BeanstalkdReservation, Holder } from './reservation.js';

/** What a lane needs of its consumer. */
export interface LaneOptions extends Asking {
  readonly connect: (signal: AbortSignal) => Promise<Client>;
  /** It can reserve again: nothing was there, or its job is no longer held. */
  readonly onFree: (lane: Lane) => void;
  /** Its connection is gone. */
  readonly onEnd: (lane: Lane) => void;
}

interface Waiting {
  readonly resolve: (reservation: Reservation | null) => void;
  readonly reject: (error: unknown) => void;
}

/** A connection that waits for one job or holds one. */
export class Lane implements Holder {
  readonly isShared = false;
  readonly #options: LaneOptions;
  readonly #ending = new AbortController();
  #client: Client | undefined;
  #asker: Asker | undefined;
  #waiting: Waiting | undefined;
  #held: BeanstalkdReservation | undefined;
  #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#giveUp();

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#client?.isOpen === true && !this.#ending.signal.aborted;
  }

  /** Only when it is free. @param timeout in seconds; undefined: for ever */
  reserve(timeout: number | undefined, signal: AbortSignal | undefined): Promise<Reservation | null> {
    this.#listenTo(signal);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      void this.#take(timeout);
    });
  }

  letGo(reservation: BeanstalkdReservation): void {
    if (this.#held !== reservation) return;
    this.#held = undefined;
    this.#options.onFree(this);
  }

  comes(): void {
    // It holds nothing while it asks.
  }

  /** Ends in order: what was sent is answered. */
  quit(): void {
    this.#end((client) => void client.quit({ waitForJobs: false }));
  }

  /** Ends at once. A reserve that waits is answered null, and a job that is held goes back to its queue. */
  destroy(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#end((client) => client.destroy());
    waiting?.resolve(null);
  }

  async #take(timeout: number | undefined): Promise<void> {
    try {
      this.#asker ??= new Asker(await this.#connect(), this.#options, this);
      const reservation = await this.#asker.wait(timeout);
      const waiting = this.#waiting;
      // Given up meanwhile: the job goes back with the connection.
      if (waiting === undefined) return;
      this.#waiting = undefined;
      if (reservation === null) this.#options.onFree(this);
      else this.#held = reservation;
      waiting.resolve(reservation);
    } catch (error) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      // It may hold a job that nobody was given.
      this.#end((client) => client.destroy());
      waiting?.reject(error);
    }
  }

  async #connect(): Promise<Client> {
    const client = await this.#options.connect(this.#ending.signal);
    client.once('close', () => {
      this.#held?.lose('its connection closed');
      this.#listenTo(undefined);
      this.#options.onEnd(this);
    });
    this.#client = client;
    if (this.#ending.signal.aborted) client.destroy();
    return client;
  }

  /** To the last one it was given, also while it is free: with a listener for each reserve they would cost too much. */
  #listenTo(signal: AbortSignal | undefined): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#signal = signal;
    if (signal === undefined) return;
    // Many may wait with one signal, and Node would warn of a leak.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /**
   * No command ends a reserve that waits, so the connection ends: a job that was on its way goes back then. It ends in order,
   * because the settlement of the job before may still have to be answered.
   */
  #giveUp(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.quit();
    waiting.reject(this.#signal?.reason);
  }

  #end(closeConnection: (client: Client) => void): void {
    this.#ending.abort();
    if (this.#client) closeConnection(this.#client);
    else this.#options.onEnd(this);
  }
}
