import type { QueueOrder } from '../../queue/driver.js';
import { BaseConsumer, type ConsumedQueue } from './base-consumer.js';
import type { Holder, SqlReservation } from './reservation.js';
import type { ClaimedRow, ClaimRequest } from './store.js';

/** What a consumer needs of its driver. */
export interface ConsumerHost extends Omit<Holder, 'forget'> {
  /** Claims for it in the next round. */
  requestClaim(consumer: SqlConsumer): void;
  onClosed(consumer: SqlConsumer): void;
}

/** A consumer whose claims are answered later: meanwhile those who waited may have given up. */
export class SqlConsumer extends BaseConsumer {
  readonly #host: ConsumerHost;
  /** Those that are given back because nobody waits for them any more. */
  readonly #returning = new Set<Promise<unknown>>();
  /** The claim that is under way. */
  #claim: PromiseWithResolvers<void> | undefined;

  constructor(queues: readonly ConsumedQueue[], order: QueueOrder, host: ConsumerHost) {
    super(queues, order, host, () => host.requestClaim(this));
    this.#host = host;
  }

  /** What to claim for those who wait; undefined where nobody does. `answer` or `fail` is called then. */
  beginClaim(): ClaimRequest | undefined {
    const { count: limit } = this.wanted;
    if (limit === 0) return undefined;
    this.#claim = withResolvers();
    return { queues: this.queuesInOrder.map(({ id }) => id), inTurn: this.inTurn, limit };
  }

  /**
   * Hands over what was claimed. What nobody waits for any more goes back.
   * @param claimedAt when the claim was sent, by `performance.now()`
   */
  answer(rows: readonly ClaimedRow[], claimedAt: number): void {
    for (const row of this.handOver(rows, claimedAt)) {
      // Where it fails, the message comes back when its lease ends.
      const returning = this.#release(row)
        .catch(() => {})
        .finally(() => this.#returning.delete(returning));
      this.#returning.add(returning);
    }
    this.#claim?.resolve();
  }

  override fail(error: unknown): void {
    super.fail(error);
    this.#claim?.resolve();
  }

  protected override async giveBack(held: readonly SqlReservation[]): Promise<void> {
    await this.#claim?.promise;
    await Promise.all([
      ...this.#returning,
      ...held.map(({ jobId, token, queueId }) => this.#release({ id: jobId, token, queue: queueId })),
    ]);
  }

  protected override onClosed(): void {
    this.#host.onClosed(this);
  }

  #release({ id, token, queue }: Pick<ClaimedRow, 'id' | 'token' | 'queue'>): Promise<unknown> {
    return this.#host.settle({ kind: 'release', id, token, queue, counted: false });
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

/** `Promise.withResolvers` of newer Nodes. */
function withResolvers(): PromiseWithResolvers<void> {
  let resolve = (): void => {};
  const promise = new Promise<void>((onResolve) => {
    resolve = onResolve;
  });
  return { promise, resolve };
}
