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
export class SingleTube implements TubeReserver {
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
