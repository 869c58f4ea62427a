import type { Consumer, ReservedMessage, ReserveOptions, Settlement, SettlementResult } from '../../queue/driver.js';
import { DriverClosedError, LeaseLostError } from '../../queue/errors.js';
import { BeanstalkdReservation } from './reservation.js';
import type { Subscription } from './subscription.js';

/** One who consumes. All who consume the same queues share the connections of a subscription. */
export class BeanstalkdConsumer implements Consumer {
  readonly #subscription: Subscription;
  #isClosed = false;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
  }

  async reserve(options: ReserveOptions = {}): Promise<readonly BeanstalkdReservation[]> {
    if (this.#isClosed) throw new DriverClosedError('cannot reserve: the consumer is closed');
    return this.#subscription.reserve(this, options);
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return Promise.all(
      settlements.map(
        (settlement) => this.#ours(settlement.message)?.settle(settlement) ?? notOurs(settlement.message),
      ),
    );
  }

  touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]> {
    return Promise.all(messages.map((message) => this.#ours(message)?.touch() ?? notOurs(message)));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#subscription.close(this);
  }

  #ours(message: ReservedMessage): BeanstalkdReservation | undefined {
    return message instanceof BeanstalkdReservation && message.owner === this ? message : undefined;
  }
}

function notOurs({ jobId, queue }: ReservedMessage): SettlementResult {
  return {
    error: new LeaseLostError(
      `cannot settle or renew message ${jobId} of queue "${queue}": this consumer has not reserved it`,
    ),
  };
}
