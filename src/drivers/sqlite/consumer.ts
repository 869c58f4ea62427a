import type { QueueOrder } from '../../queue/driver.js';
import { BaseConsumer, type ConsumedQueue } from '../sql/base-consumer.js';
import type { Holder, SqlReservation } from '../sql/reservation.js';
import type { ClaimedRow } from '../sql/store.js';
import { toBuffer } from './binding.js';
import type { Claim, ClaimBudget } from './claims.js';
import type { Ack, Work } from './group-commit.js';
import type { Messages } from './messages.js';

/** What a consumer needs of its driver. */
export interface ConsumerHost extends Pick<Holder, 'ackIn' | 'tokenOf'> {
  /** Looks for messages soon. */
  requestClaim(consumer: SqliteConsumer): void;
  /** Does it in the next transaction. */
  add<T>(work: Work<T>): Promise<T>;
  /** Does it together with others of the same claim. */
  ack(ack: Ack): Promise<boolean>;
  /** There is something in the queue again. */
  ready(queue: number): void;
  onClosed(consumer: SqliteConsumer): void;
}

/** A consumer for whom messages are claimed in the transaction in which others are settled. */
export class SqliteConsumer extends BaseConsumer {
  readonly #order: QueueOrder;
  readonly #host: ConsumerHost;
  /** The index of the queue that is asked first. */
  #turn = 0;
  #taken: ClaimedRow[] = [];

  constructor(queues: readonly ConsumedQueue[], order: QueueOrder, host: ConsumerHost) {
    const holder: Omit<Holder, 'forget'> = {
      settle: (settlement) => {
        const { kind, id, token, queue } = settlement;
        if (kind === 'ack') return host.ack({ rowId: Number(id), token });
        return host.add((messages, now) => {
          if (kind === 'release') host.ready(queue);
          return messages.settle(settlement, now);
        });
      },
      ackIn: host.ackIn,
      tokenOf: host.tokenOf,
    };
    super(queues, holder, () => host.requestClaim(this));
    this.#order = order;
    this.#host = host;
  }

  /**
   * Takes messages for those who wait, in a transaction.
   * @returns whether there may be more to take
   */
  claim(messages: Messages, budget: ClaimBudget, now: number): boolean {
    const { count: wanted, isCut: isMany } = this.wanted;
    this.#taken = [];
    const isCut =
      this.#order === 'strict'
        ? this.#claimInOrder(messages, wanted, budget, now)
        : this.#claimInTurn(messages, wanted, budget, now);
    return isCut || (this.#taken.length === wanted && isMany);
  }

  /** Hands over what was taken, now that the transaction is committed. @param claimedAt by `performance.now()` */
  deliver(claimedAt: number): void {
    const taken = this.#taken;
    if (taken.length === 0) return;
    this.#taken = [];
    if (this.handOver(taken, claimedAt).length > 0) throw new Error('more messages were taken than reserves wait');
  }

  /** The transaction was rolled back. */
  undo(): void {
    this.#taken = [];
  }

  protected override async giveBack(held: readonly SqlReservation[]): Promise<void> {
    if (held.length === 0) return;
    await this.#host.add((messages, now) => {
      for (const { jobId, token } of held) messages.giveBack(Number(jobId), token, now);
      for (const { id } of this.queues) this.#host.ready(id);
    });
  }

  protected override onClosed(): void {
    this.#host.onClosed(this);
  }

  /** From the first queue that has any, then from the next. @returns whether a queue may have more */
  #claimInOrder(messages: Messages, wanted: number, budget: ClaimBudget, now: number): boolean {
    for (const queue of this.queues) {
      if (this.#taken.length === wanted) break;
      const claim = this.#claim(messages, queue, wanted - this.#taken.length, budget, now);
      if (claim.isCut) return true;
    }
    return false;
  }

  /** From each queue its share, beginning with the one behind the last that gave one. @returns whether a queue may have more */
  #claimInTurn(messages: Messages, wanted: number, budget: ClaimBudget, now: number): boolean {
    let isCut = false;
    let giving = [...this.queues.slice(this.#turn), ...this.queues.slice(0, this.#turn)];
    while (this.#taken.length < wanted && giving.length > 0) {
      const stillGiving: ConsumedQueue[] = [];
      const share = Math.ceil((wanted - this.#taken.length) / giving.length);
      for (const queue of giving) {
        const limit = Math.min(share, wanted - this.#taken.length);
        if (limit === 0) break;
        const claim = this.#claim(messages, queue, limit, budget, now);
        if (claim.messages.length === limit) stillGiving.push(queue);
        if (claim.messages.length > 0) this.#turn = (this.queues.indexOf(queue) + 1) % this.queues.length;
        isCut ||= claim.isCut;
      }
      giving = stillGiving;
    }
    return isCut && this.#taken.length < wanted;
  }

  #claim(messages: Messages, queue: ConsumedQueue, limit: number, budget: ClaimBudget, now: number): Claim {
    const claim = messages.claim(queue.id, limit, budget, now);
    for (const { id, ttr, attempts, token, body } of claim.messages) {
      const row = { id: String(id), queue: queue.id, token, ttrMs: ttr, attempt: attempts + 1, body: toBuffer(body) };
      this.#taken.push(row);
    }
    return claim;
  }
}
