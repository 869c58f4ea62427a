import type { QueueOrder } from '../../queue/driver.js';
import type { ConsumerConnection } from './connection.js';
import { BeanstalkdReservation, type DeliveryContext } from './reservation.js';

/** What all who consume the same queues share. */
export interface Consumption extends DeliveryContext {
  /** The tubes of the queues, as they were named. The same list each time, by which connections know what they watch. */
  readonly watchList: readonly string[];
  readonly order: QueueOrder;
  readonly trackAttempts: boolean;
}

/** Takes what is ready from one tube or several, in an order of its own. */
export interface TubeReserver {
  /**
   * May be called several times at once: then all is asked in one write.
   * @param connection that nobody else uses meanwhile
   * @returns null when nothing is ready in any tube
   */
  take(connection: ConsumerConnection): Promise<BeanstalkdReservation | null>;
}

/**
 * Reserves down a connection that watches what is asked for.
 * @param tube the only one that is watched; undefined: the server is asked where the job is from
 * @param timeout in seconds; undefined: waits for ever
 */
export async function reserveFrom(
  connection: ConsumerConnection,
  consumption: Consumption,
  tube: string | undefined,
  timeout: number | undefined,
): Promise<BeanstalkdReservation | null> {
  for (;;) {
    const delivered = await connection.reserve(timeout);
    if (delivered === null) return null;
    const { job, askedAt } = delivered;
    const reservation = new BeanstalkdReservation(job, consumption, tube, connection, askedAt);
    connection.onReserved(reservation);
    if (tube !== undefined && !consumption.trackAttempts) return reservation;
    if (await reservation.describe()) return reservation;
  }
}

/** One tube. */
class SingleTube implements TubeReserver {
  readonly #consumption: Consumption;

  constructor(consumption: Consumption) {
    this.#consumption = consumption;
  }

  take(connection: ConsumerConnection): Promise<BeanstalkdReservation | null> {
    const { watchList } = this.#consumption;
    connection.watchOnly(watchList);
    return reserveFrom(connection, this.#consumption, watchList[0], 0);
  }
}

/** From so many tubes on a turn has several messages: to watch a tube costs the server more than to reserve from it. */
const MANY_TUBES = 10;
const LONG_TURN = 4;

interface Turn {
  readonly name: string;
  /** Messages that it gave in this round, and beyond its turn in earlier ones. */
  given: number;
  /** It has had its turn: it is not watched until the others have had theirs. */
  isOut: boolean;
}

/**
 * Several tubes take turns (order `fair`).
 *
 * All tubes are watched and the server is asked once a message, however many tubes there are. To it they are one queue, in
 * which a backlog keeps everything younger waiting. So a tube that has had its turn is ignored until no other tube has
 * a message, or each has had its turn; then the next round begins. What was asked for meanwhile may come from it all the
 * same: then it is out for as many rounds more.
 */
class RoundRobin implements TubeReserver {
  readonly #consumption: Consumption;
  readonly #tubes: ReadonlyMap<string, Turn>;
  readonly #shortestTurn: number;
  /** How many messages make a turn. */
  #turn: number;
  #round = 0;
  /** The tubes that are not out. */
  #watchList: readonly string[];

  constructor(consumption: Consumption) {
    this.#consumption = consumption;
    const { watchList } = consumption;
    this.#watchList = watchList;
    this.#tubes = new Map(watchList.map((name) => [name, { name, given: 0, isOut: false }]));
    this.#shortestTurn = watchList.length > MANY_TUBES ? LONG_TURN : 1;
    this.#turn = this.#shortestTurn;
  }

  async take(connection: ConsumerConnection): Promise<BeanstalkdReservation | null> {
    for (;;) {
      const [round, isComplete] = [this.#round, this.#watchList === this.#consumption.watchList];
      connection.watchOnly(this.#watchList);
      const reservation = await reserveFrom(connection, this.#consumption, undefined, 0);
      if (reservation !== null) {
        this.#onTaken(reservation.tube, connection);
        return reservation;
      }
      if (isComplete) return null;
      // Of several that were answered so, the first begins the round for all.
      if (round === this.#round) this.#beginRound();
    }
  }

  #onTaken(name: string, connection: ConsumerConnection): void {
    const tube = this.#tubes.get(name);
    if (tube === undefined) return;
    tube.given++;
    if (tube.isOut || tube.given < this.#turn) return;
    tube.isOut = true;
    const before = this.#watchList;
    this.#watchList = before.filter((each) => each !== name);
    // The last one that is watched cannot be ignored.
    if (this.#watchList.length === 0) this.#beginRound();
    else if (connection.watches(before)) connection.ignoreOne(name, this.#watchList);
  }

  /** Those that have waited longest are watched again: at least one. */
  #beginRound(): void {
    this.#round++;
    const tubes = [...this.#tubes.values()];
    const out = tubes.filter(({ isOut }) => isOut);
    const least = Math.min(...out.map(({ given }) => given));
    // A tube that is alone with its messages has longer turns.
    const isAlone = tubes.every((tube) => tube.given === 0 || tube === out[0]);
    this.#turn = isAlone ? Math.min(this.#turn * 2, LONG_TURN) : this.#shortestTurn;
    for (const tube of tubes) {
      tube.given = Math.max(0, tube.given - least);
      tube.isOut = tube.given >= this.#turn;
    }
    const isComplete = tubes.every(({ isOut }) => !isOut);
    this.#watchList = isComplete
      ? this.#consumption.watchList
      : tubes.filter(({ isOut }) => !isOut).map(({ name }) => name);
  }
}

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
class StrictOrder implements TubeReserver {
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

/** What serves the tubes of a consumption in its order. */
export function reserverOf(consumption: Consumption): TubeReserver {
  if (consumption.watchList.length === 1) return new SingleTube(consumption);
  return consumption.order === 'strict' ? new StrictOrder(consumption) : new RoundRobin(consumption);
}
