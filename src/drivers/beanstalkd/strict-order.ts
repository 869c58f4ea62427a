import type { ConsumerConnection } from './connection.js';
import type { BeanstalkdReservation } from './reservation.js';
import { type Consumption, reserveFrom, type TubeReserver } from './tube-reserver.js';

interface Demand {
  readonly resolve: (reservation: BeanstalkdReservation | null) => void;
  readonly reject: (error: unknown) => void;
}

/** A tube, watched alone, and how many messages are asked of it. */
interface Share {
  readonly watchList: readonly [string];
  readonly count: number;
}

/**
 * The first named tube that has a message comes first (order `strict`).
 *
 * While the first tube has work only that is asked. Otherwise `stats-tube` tells in one write what each has ready, and those
 * that are needed are asked, each watched alone: no job is taken that nobody is waiting for.
 */
export class StrictOrder implements TubeReserver {
  readonly #consumption: Consumption;
  readonly #tubes: readonly (readonly [string])[];
  #demands: Demand[] = [];
  #isRunning = false;
  /** Whether the first tube has answered with a message last. */
  #firstHasWork = false;

  constructor(consumption: Consumption) {
    this.#consumption = consumption;
    this.#tubes = consumption.watchList.map((name) => [name]);
  }

  take(connection: ConsumerConnection): Promise<BeanstalkdReservation | null> {
    return new Promise((resolve, reject) => {
      this.#demands.push({ resolve, reject });
      if (this.#isRunning) return;
      this.#isRunning = true;
      // Behind all the calls of this tick, which go together. Before the connection writes.
      queueMicrotask(() => void this.#run(connection));
    });
  }

  async #run(connection: ConsumerConnection): Promise<void> {
    while (this.#demands.length > 0) {
      const demands = this.#demands;
      this.#demands = [];
      try {
        await this.#serve(demands, connection);
      } catch (error) {
        for (const { reject } of demands) reject(error);
      }
    }
    this.#isRunning = false;
  }

  async #serve(demands: Demand[], connection: ConsumerConnection): Promise<void> {
    const [first] = this.#tubes;
    if (this.#firstHasWork && first !== undefined) {
      const missed = await this.#ask([{ watchList: first, count: demands.length }], demands, connection);
      if (missed === 0) return;
      this.#firstHasWork = false;
    }
    const shares = share(demands.length, await this.#survey(connection));
    this.#firstHasWork = shares[0]?.watchList === first;
    await this.#ask(shares, demands, connection);
    // Nothing is ready for them, or somebody else was faster.
    for (const { resolve } of demands) resolve(null);
  }

  /** Serves as many of the demands as there are messages, and takes those off. @returns how many messages did not come */
  async #ask(shares: readonly Share[], demands: Demand[], connection: ConsumerConnection): Promise<number> {
    const asked = shares.flatMap(({ watchList, count }) => {
      connection.watchOnly(watchList);
      return Array.from({ length: count }, () => reserveFrom(connection, this.#consumption, watchList[0], 0));
    });
    const answers = await Promise.allSettled(asked);
    let missed = 0;
    for (const answer of answers) {
      if (answer.status === 'fulfilled' && answer.value !== null) demands.shift()?.resolve(answer.value);
      else missed++;
    }
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return missed;
  }

  /** What each tube has ready. */
  async #survey(connection: ConsumerConnection): Promise<Share[]> {
    const stats = await Promise.all(this.#tubes.map(([name]) => connection.client.statsTube(name)));
    return this.#tubes.map((watchList, index) => {
      const found = stats[index];
      // From a tube that is paused nothing comes, however much is ready.
      return { watchList, count: found && found.pause === 0 ? found.currentJobsReady : 0 };
    });
  }
}

/** Whom to ask for so many messages. */
function share(wanted: number, ready: readonly Share[]): Share[] {
  const shares: Share[] = [];
  let left = wanted;
  for (const { watchList, count } of ready) {
    const taken = Math.min(left, count);
    if (taken === 0) continue;
    shares.push({ watchList, count: taken });
    left -= taken;
  }
  return shares;
}
