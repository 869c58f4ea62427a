import { ConnectionPool } from './connection-pool.js';
import { Subscription } from './subscription.js';
import type { Consumption } from './tube-reserver.js';

/** Who consumes the same queues in the same way shares a subscription, and all of them the connections of a driver. */
export class Subscriptions {
  readonly #pool: ConnectionPool;
  /** Weak: applications make queues for a request and never close them. */
  readonly #subscriptions = new Map<string, WeakRef<Subscription>>();
  readonly #forgotten = new FinalizationRegistry<string>((key) => {
    if (this.#subscriptions.get(key)?.deref() === undefined) this.#subscriptions.delete(key);
  });

  constructor(url: string) {
    this.#pool = new ConnectionPool(url);
  }

  to(consumption: Consumption): Subscription {
    const { watchList, order, trackAttempts } = consumption;
    const key = [order, trackAttempts, ...watchList].join(' ');
    const known = this.#subscriptions.get(key)?.deref();
    if (known !== undefined) return known;
    const subscription = new Subscription(consumption, this.#pool);
    this.#subscriptions.set(key, new WeakRef(subscription));
    this.#forgotten.register(subscription, key);
    return subscription;
  }

  /** Calls that wait are answered with null, and what is held goes back to its queue. */
  close(): void {
    this.#pool.destroy();
    for (const subscription of this.#subscriptions.values()) subscription.deref()?.end();
  }
}
