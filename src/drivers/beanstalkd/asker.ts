import type { Client } from '../../client/client.js';
import { DeadlineSoonError } from '../../client/errors.js';
import type { Job } from '../../client/job.js';
import type { Budgets } from './budget.js';
import { BeanstalkdReservation, type Holder } from './reservation.js';
import type { Tubes } from './tubes.js';
import type { Turns, WatchList } from './turns.js';

/** What all connections of a consumer ask for. */
export interface Asking {
  readonly tubes: Tubes;
  readonly turns: Turns;
  readonly trackAttempts: boolean;
  readonly budgets: Budgets;
}

/** Asks for jobs down one connection. */
export class Asker {
  readonly #client: Client;
  readonly #asking: Asking;
  readonly #holder: Holder;
  /** What the connection watches once all that was sent is executed. */
  #watched: WatchList = ['default'];
  /** The answers to the changes of that which are still to come; once one has failed, nobody can tell what is watched. */
  #changing: Promise<unknown> | undefined;

  /** @param holder of what comes */
  constructor(client: Client, asking: Asking, holder: Holder) {
    this.#client = client;
    this.#asking = asking;
    this.#holder = holder;
  }

  /** What is ready, or else the first that comes. @param timeout in seconds; undefined: for ever. @returns null after it */
  async wait(timeout: number | undefined): Promise<BeanstalkdReservation | null> {
    const { all } = this.#asking.turns;
    if (all.length > 1) {
      const reservation = await this.takeReady();
      if (reservation !== null || timeout === 0) return reservation;
    }
    return this.#ask(all, timeout);
  }

  /** Each tube whose turn it is by itself. Null when nothing is ready. @param signal ends it before the next tube */
  async takeReady(signal?: AbortSignal): Promise<BeanstalkdReservation | null> {
    for (const watched of this.#asking.turns.tries) {
      if (signal?.aborted) return null;
      const reservation = await this.#ask(watched, 0).catch(nothingReady);
      if (reservation !== null) return reservation;
    }
    return null;
  }

  async #ask(watched: WatchList, timeout: number | undefined): Promise<BeanstalkdReservation | null> {
    for (;;) {
      const askedAt = performance.now();
      if (watched !== this.#watched) this.#watch(watched);
      const reserving = this.#client.reserve({ timeout });
      if (this.#changing !== undefined) await Promise.all([this.#changing, reserving]);
      const job = await reserving;
      if (job === null) return null;
      this.#holder.comes(job.id);
      const reservation = await this.#describe(job, watched, askedAt);
      if (reservation) return reservation;
    }
  }

  /** Sends what is missing in front of the reserve. */
  #watch(watched: WatchList): void {
    const client = this.#client;
    const before = this.#watched;
    this.#watched = watched;
    const missing = watched.filter((tube) => !before.includes(tube));
    const surplus = before.filter((tube) => !watched.includes(tube));
    // The last watched tube cannot be ignored: ignore only behind the others.
    const changing = Promise.all([
      this.#changing,
      ...missing.map((tube) => client.watch(tube)),
      ...surplus.map((tube) => client.ignore(tube)),
    ]);
    const done = (): void => {
      if (this.#changing === changing) this.#changing = undefined;
    };
    // A failure is told to all who ask.
    changing.then(done, () => {});
    this.#changing = changing;
  }

  /**
   * `stats-job` knows what RESERVED does not tell; it is asked only where that is wanted, or where the job may be from one of
   * several tubes. Nothing when the job is held no longer, its TTR over.
   */
  async #describe(job: Job, watched: WatchList, askedAt: number): Promise<BeanstalkdReservation | undefined> {
    const { trackAttempts, tubes, turns, budgets } = this.#asking;
    const stats = trackAttempts || watched.length > 1 ? await job.stats() : undefined;
    if (stats === null || (stats !== undefined && stats.state !== 'reserved')) return undefined;
    const tube = stats?.tube ?? watched[0] ?? '';
    turns.served(tube);
    return new BeanstalkdReservation(job, tubes.queueOf(tube), stats, this.#holder, askedAt, budgets);
  }
}

/** DEADLINE_SOON is about another job, which the connection holds; one that is ready comes first. */
function nothingReady(error: unknown): null {
  if (error instanceof DeadlineSoonError) return null;
  throw error;
}
