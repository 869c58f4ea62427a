import type { Client } from '../../client/client.js';
import type { Job } from '../../client/job.js';
import type { Reservation } from '../../queue/driver.js';
import { BeanstalkdReservation } from './reservation.js';
import type { Tubes } from './tubes.js';
import type { Turns, WatchList } from './turns.js';

/** What a lane needs of its consumer. */
export interface LaneOptions {
  readonly connect: (signal: AbortSignal) => Promise<Client>;
  readonly tubes: Tubes;
  readonly turns: Turns;
  readonly trackAttempts: boolean;
  /** It can reserve again: nothing was there, or the command that settles its job is on its way. */
  readonly onFree: (lane: Lane) => void;
  /** Its connection is gone. */
  readonly onEnd: (lane: Lane) => void;
}

interface Waiting {
  readonly resolve: (reservation: Reservation | null) => void;
  readonly reject: (error: unknown) => void;
}

/** A connection that waits for one job or holds one. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #ending = new AbortController();
  #client: Client | undefined;
  /** What it watches once all that was sent is executed. */
  #watched: WatchList = ['default'];
  #waiting: Waiting | undefined;
  #held: BeanstalkdReservation | undefined;
  #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#giveUp();
  readonly #onSettled = (): void => {
    this.#held = undefined;
    this.#options.onFree(this);
  };

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

  /** Ends in order: what was sent is answered. */
  quit(): void {
    this.#end((client) => void client.quit());
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
      this.#client ??= await this.#connect();
      const reservation = await this.#ask(this.#client, timeout);
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
    if (this.#ending.signal.aborted) client.destroy();
    return client;
  }

  /** Each tube whose turn it is by itself, then all of them together. */
  async #ask(client: Client, timeout: number | undefined): Promise<BeanstalkdReservation | null> {
    const { turns } = this.#options;
    for (const watched of turns.tries) {
      const reservation = await this.#askFor(client, watched, 0);
      if (reservation !== null) return reservation;
    }
    if (timeout === 0 && turns.all.length > 1) return null;
    return this.#askFor(client, turns.all, timeout);
  }

  async #askFor(
    client: Client,
    watched: WatchList,
    timeout: number | undefined,
  ): Promise<BeanstalkdReservation | null> {
    for (;;) {
      const watching = this.#watch(client, watched);
      const reserving = client.reserve({ timeout });
      if (watching) await Promise.all([watching, reserving]);
      const job = await reserving;
      if (job === null) return null;
      const reservation = await this.#describe(job, watched);
      if (reservation) return reservation;
    }
  }

  /** Sends what is missing in front of the reserve. @returns undefined when nothing is */
  #watch(client: Client, watched: WatchList): Promise<unknown> | undefined {
    const before = this.#watched;
    if (before === watched) return undefined;
    this.#watched = watched;
    const missing = watched.filter((tube) => !before.includes(tube));
    const surplus = before.filter((tube) => !watched.includes(tube));
    // The last watched tube cannot be ignored: ignore only behind the others.
    return Promise.all([...missing.map((tube) => client.watch(tube)), ...surplus.map((tube) => client.ignore(tube))]);
  }

  /**
   * `stats-job` knows what RESERVED does not tell; it is asked only where that is wanted, or where the job may be from one of
   * several tubes. Nothing when the job has been deleted meanwhile, its TTR over.
   */
  async #describe(job: Job, watched: WatchList): Promise<BeanstalkdReservation | undefined> {
    const { trackAttempts, tubes, turns } = this.#options;
    const stats = trackAttempts || watched.length > 1 ? await job.stats() : undefined;
    if (stats === null) return undefined;
    const tube = stats?.tube ?? watched[0] ?? '';
    turns.served(tube);
    return new BeanstalkdReservation(job, tubes.queueOf(tube), stats, this.#onSettled);
  }

  /** To the last one it was given, also while it is free: with a listener for each reserve they would cost too much. */
  #listenTo(signal: AbortSignal | undefined): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
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
