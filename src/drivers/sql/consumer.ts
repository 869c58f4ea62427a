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
  readonly #order: QueueOrder;
  readonly #host: ConsumerHost;
  /** The index of the queue that is asked first. */
  #turn = 0;
  /** Those that are given back because nobody waits for them any more. */
  readonly #returning = new Set<Promise<unknown>>();
  /** The claim that is under way. */
  #claim: PromiseWithResolvers<void> | undefined;

  constructor(queues: readonly ConsumedQueue[], order: QueueOrder, host: ConsumerHost) {
    super(queues, host, () => host.requestClaim(this));
    this.#order = order;
    this.#host = host;
  }

  /** What to claim for those who wait; undefined where nobody does. `answer` or `fail` is called then. */
  beginClaim(): ClaimRequest | undefined {
    const { count: limit } = this.wanted;
    if (limit === 0) return undefined;
    this.#claim = withResolvers();
    const inTurn = this.#order === 'fair';
    const ids = this.queues.map(({ id }) => id);
    return { queues: inTurn ? [...ids.slice(this.#turn), ...ids.slice(0, this.#turn)] : ids, inTurn, limit };
  }

  /**
   * Hands over what was claimed. What nobody waits for any more goes back.
   * @param claimedAt when the claim was sent, by `performance.now()`
   */
  answer(rows: readonly ClaimedRow[], claimedAt: number): void {
    const last = rows.at(-1);
    if (last) this.#turn = (this.queues.findIndex(({ id }) => id === last.queue) + 1) % this.queues.length;
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
