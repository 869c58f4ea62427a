import { checkReserve } from '../../queue/checks.js';
import type { Consumer, Reservation, ReserveOptions } from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import type { Subscription } from './subscription.js';

/** One who consumes. All who consume the same queues share the connections of a subscription. */
export class BeanstalkdConsumer implements Consumer {
  readonly #subscription: Subscription;
  #isClosed = false;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
  }

  async reserve(options: ReserveOptions = {}): Promise<Reservation | null> {
    checkReserve(options);
    if (this.#isClosed) throw new DriverClosedError('cannot reserve: the consumer is closed');
    return this.#subscription.reserve(this, options);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#subscription.close(this);
  }
}
