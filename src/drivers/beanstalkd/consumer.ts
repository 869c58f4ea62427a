import type { Consumer, ReservedMessage, ReserveOptions, Settlement, SettlementResult } from '../../queue/driver.js';
import { DriverClosedError, LeaseLostError } from '../../queue/errors.js';
import { each, type Outcome } from '../../queue/outcome.js';
import { BeanstalkdReservation } from './reservation.js';
import type { Subscription } from './subscription.js';

/** One who consumes. All who consume the same queues share the connections of a subscription. */
export class BeanstalkdConsumer implements Consumer {
  readonly #subscription: Subscription;
  #isClosed = false;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
  }

  reserve(options: ReserveOptions = {}): Promise<readonly BeanstalkdReservation[]> {
    if (this.#isClosed) return Promise.reject(new DriverClosedError('cannot reserve: the consumer is closed'));
    return this.#subscription.reserve(this, options);
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return each(settlements, (settlement) => this.#settle(settlement));
  }

  touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]> {
    return each(messages, (message) => this.#ours(message)?.touch() ?? refuse(message));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#subscription.close(this);
  }

  #settle(settlement: Settlement): Promise<Outcome> {
    return this.#ours(settlement.message)?.settle(settlement) ?? refuse(settlement.message);
  }

  #ours(message: ReservedMessage): BeanstalkdReservation | undefined {
    return message instanceof BeanstalkdReservation && message.owner === this ? message : undefined;
  }
}

function refuse({ jobId, queue }: ReservedMessage): Promise<Outcome> {
  const error = new LeaseLostError(
    `cannot settle or renew message ${jobId} of queue "${queue}": this consumer has not reserved it`,
  );
  return Promise.resolve([{ error }]);
}
