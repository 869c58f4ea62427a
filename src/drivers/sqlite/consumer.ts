import type { QueueOrder } from '../../queue/driver.js';
import { BaseConsumer, type ConsumedQueue } from '../sql/base-consumer.js';
import type { Holder, SqlReservation } from '../sql/reservation.js';
import type { ClaimedRow } from '../sql/store.js';
import { turns } from '../sql/turns.js';
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
  readonly #host: ConsumerHost;
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
    super(queues, order, holder, () => host.requestClaim(this));
    this.#host = host;
  }

  /**
   * Takes messages for those who wait, in a transaction.
   * @returns whether there may be more to take
   */
  claim(messages: Messages, budget: ClaimBudget, now: number): boolean {
    const { count: wanted, isCut: isMany } = this.wanted;
    this.#taken = [];
    let isCut = false;
    const asking = turns(this.queuesInOrder, this.inTurn, wanted);
    for (let turn = asking.next(0); !turn.done; ) {
      const { queue, limit } = turn.value;
      const claim = this.#claim(messages, queue, limit, budget, now);
      isCut ||= claim.isCut;
      // Nothing of another queue comes before what the first may still have.
      if (claim.isCut && !this.inTurn) break;
      turn = asking.next(claim.messages.length);
    }
    return this.#taken.length < wanted ? isCut : isMany;
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

  #claim(messages: Messages, queue: ConsumedQueue, limit: number, budget: ClaimBudget, now: number): Claim {
    const claim = messages.claim(queue.id, limit, budget, now);
    for (const { id, ttr, attempts, token, body } of claim.messages) {
      const row = { id: String(id), queue: queue.id, token, ttrMs: ttr, attempt: attempts + 1, body: toBuffer(body) };
      this.#taken.push(row);
    }
    return claim;
  }
}
