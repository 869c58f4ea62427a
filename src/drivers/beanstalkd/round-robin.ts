import type { ConsumerConnection } from './connection.js';
import type { BeanstalkdReservation } from './reservation.js';
import { type Consumption, reserveFrom, type TubeReserver } from './tube-reserver.js';

/** From so many tubes on a turn has several messages: to watch a tube costs the server more than to reserve from it. */
const MANY_TUBES = 10;
const LONG_TURN = 4;

interface Tube {
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
export class RoundRobin implements TubeReserver {
  readonly #consumption: Consumption;
  readonly #tubes: ReadonlyMap<string, Tube>;
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
