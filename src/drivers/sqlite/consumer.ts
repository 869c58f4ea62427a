import type {
  Consumer,
  QueueOrder,
  ReservedMessage,
  ReserveOptions,
  Settlement,
  SettlementResult,
} from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import type { Claim, ClaimBudget, Claimed } from './claims.js';
import type { Ack, Work } from './group-commit.js';
import type { Messages } from './messages.js';
import { type ConsumedQueue, type Holder, notReserved, SqliteReservation } from './reservation.js';
import type { UserTransaction } from './transaction.js';
import { Waiter } from './waiter.js';

/** What a consumer needs of its driver. */
export interface ConsumerHost {
  /** Looks for messages soon. */
  requestClaim(consumer: SqliteConsumer): void;
  settle<T>(work: Work<T>): Promise<T>;
  ack(ack: Ack): Promise<boolean>;
  transaction(transaction: object): Promise<UserTransaction>;
  tokenOf(id: number): Promise<number | undefined>;
  /** There is something in the queue again. */
  ready(queue: number): void;
  onClosed(consumer: SqliteConsumer): void;
}

/** How many messages are taken at once at most. */
const MOST_AT_ONCE = 100;

type Taken = readonly [Claimed, ConsumedQueue];

/** Takes as many messages as reserves wait, never one more: a crash must not cost an attempt of what nobody has begun. */
export class SqliteConsumer implements Consumer {
  readonly queues: readonly ConsumedQueue[];
  readonly #order: QueueOrder;
  readonly #host: ConsumerHost;
  readonly #holder: Holder;
  readonly #waiters = new Set<Waiter>();
  /** By the numbers of the messages. */
  readonly #held = new Map<number, SqliteReservation>();
  /** The index of the queue that is asked first. */
  #turn = 0;
  #taken: Taken[] = [];
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(queues: readonly ConsumedQueue[], order: QueueOrder, host: ConsumerHost) {
    this.queues = queues;
    this.#order = order;
    this.#host = host;
    this.#holder = {
      settle: host.settle,
      ack: host.ack,
      transaction: host.transaction,
      tokenOf: host.tokenOf,
      ready: ({ id }) => host.ready(id),
      forget: (reservation) => this.#forget(reservation),
    };
  }

  get isWaiting(): boolean {
    return this.#waiters.size > 0;
  }

  reserve(options: ReserveOptions = {}): Promise<readonly ReservedMessage[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new DriverClosedError('cannot reserve: the consumer is closed');
      this.#waiters.add(new Waiter(resolve, reject, options, this));
      this.#host.requestClaim(this);
    });
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return Promise.all(
      settlements.map((settlement) => ours(settlement.message)?.settle(settlement) ?? notReserved(settlement.message)),
    );
  }

  touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]> {
    return Promise.all(messages.map((message) => ours(message)?.touch() ?? notReserved(message)));
  }

  async isHeld(message: ReservedMessage): Promise<boolean> {
    return (await ours(message)?.isHeld()) ?? false;
  }

  /** A message that was deleted: whoever holds it here has lost it. */
  lose(rowId: number, why: string): void {
    this.#held.get(rowId)?.lose(why);
  }

  /**
   * Gives back what is held. Where that fails, the consumer is closed all the same and its messages come back when their
   * leases end; calling it again tries again.
   * @throws EngineError
   */
  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  /**
   * Takes messages for those who wait, in a transaction.
   * @returns whether there may be more to take
   */
  claim(messages: Messages, budget: ClaimBudget, now: number): boolean {
    let wanted = 0;
    for (const { max } of this.#waiters) wanted += max;
    const isMany = wanted > MOST_AT_ONCE;
    wanted = Math.min(wanted, MOST_AT_ONCE);
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
    let at = 0;
    for (const waiter of this.#waiters) {
      if (at === taken.length) break;
      const reservations = taken.slice(at, at + waiter.max).map((each) => this.#hold(each, claimedAt));
      at += reservations.length;
      this.drop(waiter);
      waiter.resolve(reservations);
    }
    if (at < taken.length) throw new Error('more messages were taken than reserves wait');
  }

  #hold([message, queue]: Taken, claimedAt: number): SqliteReservation {
    const reservation = new SqliteReservation(message, queue, this.#holder, claimedAt);
    this.#held.get(message.id)?.lose('its lease had ended');
    this.#held.set(message.id, reservation);
    return reservation;
  }

  /** There is nothing: whoever does not want to wait is told so. */
  resolveEmpty(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.looksOnce) continue;
      this.drop(waiter);
      waiter.resolve([]);
    }
  }

  /** The transaction was rolled back. */
  undo(): void {
    this.#taken = [];
  }

  /** The engine cannot be asked. */
  fail(error: unknown): void {
    for (const waiter of this.#waiters) {
      this.drop(waiter);
      waiter.reject(error);
    }
  }

  #forget(reservation: SqliteReservation): void {
    if (this.#held.get(reservation.rowId) === reservation) this.#held.delete(reservation.rowId);
  }

  drop(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    waiter.end();
  }

  onTimeout(): void {
    this.#host.requestClaim(this);
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
    for (const message of claim.messages) this.#taken.push([message, queue]);
    return claim;
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiters) {
      this.drop(waiter);
      waiter.resolve([]);
    }
    const held = [...this.#held.values()];
    for (const reservation of held) reservation.lose('its consumer was closed');
    try {
      if (held.length > 0) await this.#giveBack(held);
    } finally {
      this.#host.onClosed(this);
    }
  }

  /** What could not be given back is held on to, for another try. */
  async #giveBack(held: readonly SqliteReservation[]): Promise<void> {
    for (const reservation of held) this.#held.set(reservation.rowId, reservation);
    await this.#host.settle((messages, now) => {
      for (const { rowId, token } of held) messages.giveBack(rowId, token, now);
      for (const { id } of this.queues) this.#host.ready(id);
    });
    this.#held.clear();
  }
}

function ours(message: ReservedMessage): SqliteReservation | undefined {
  return message instanceof SqliteReservation ? message : undefined;
}
