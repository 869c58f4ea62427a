import type { Consumer, Driver, PutItem, QueueStats, Reservation } from '../../src/queue/driver.js';

/** What is different. The original is given with methods that need no `this`. */
type Change<T> = (original: T) => Partial<T>;

/** A driver that does as `driver`, with changes. */
export function alterDriver(driver: Driver, change: Change<Driver>): Driver {
  const original = { capabilities: driver.capabilities, ...methods(driver, DRIVER_METHODS) };
  return { ...original, ...change(original) };
}

/** A driver whose consumers are changed. */
export function alterConsumers(driver: Driver, change: Change<Consumer>): Driver {
  return alterDriver(driver, ({ consume }) => ({
    consume: async (...args) => {
      const original = methods(await consume(...args), ['reserve', 'close']);
      return { ...original, ...change(original) };
    },
  }));
}

/** A driver whose reservations are changed. */
export function alterReservations(driver: Driver, change: Change<Reservation>): Driver {
  return alterConsumers(driver, ({ reserve }) => ({
    reserve: async (...args) => {
      const reservation = await reserve(...args);
      return reservation && alterReservation(reservation, change);
    },
  }));
}

/** A driver that stores something else than it is given. */
export function alterItems(driver: Driver, change: (item: PutItem) => PutItem): Driver {
  return alterDriver(driver, ({ put, putMany }) => ({
    put: (queue, body, options) => {
      const item = change({ body, options });
      return put(queue, item.body, item.options);
    },
    putMany: (queue, items) => putMany(queue, items.map(change)),
  }));
}

export function alterOptions(
  driver: Driver,
  change: (options: PutItem['options']) => Partial<PutItem['options']>,
): Driver {
  return alterItems(driver, ({ body, options }) => ({ body, options: { ...options, ...change(options) } }));
}

export function alterBodies(driver: Driver, change: (body: Buffer) => Buffer): Driver {
  return alterItems(driver, ({ body, options }) => ({ body: change(Buffer.from(body)), options }));
}

export function alterStats(driver: Driver, change: (stats: QueueStats) => Partial<QueueStats>): Driver {
  return alterDriver(driver, ({ stats }) => ({
    stats: async (queue) => {
      const found = await stats(queue);
      return found && { ...found, ...change(found) };
    },
  }));
}

export function alterReservation(reservation: Reservation, change: Change<Reservation>): Reservation {
  const { id, queue, body, attempt, ttrMs } = reservation;
  const original = {
    ...{ id, queue, body, attempt, ttrMs },
    ...methods(reservation, ['ack', 'release', 'bury', 'touch']),
    get leaseEndsAt() {
      return reservation.leaseEndsAt;
    },
    // As late as that of the original: it is made when it is asked for.
    get lost() {
      return reservation.lost;
    },
  };
  const { getOwnPropertyDescriptors } = Object;
  return Object.create(null, {
    ...getOwnPropertyDescriptors(original),
    ...getOwnPropertyDescriptors(change(original)),
  });
}

const DRIVER_METHODS = [
  ...(['setUp', 'put', 'putMany', 'consume', 'peek', 'kick'] as const),
  ...(['delete', 'stats', 'queues', 'pause', 'flush', 'close'] as const),
] as const;

function methods<T extends object, K extends keyof T>(original: T, names: readonly K[]): Pick<T, K> {
  const bound = names.map((name) => [name, (original[name] as (...args: unknown[]) => unknown).bind(original)]);
  return Object.fromEntries(bound) as Pick<T, K>;
}
