import { randomInt } from 'node:crypto';
import type { Consumer, QueueOrder, Reservation, ReserveOptions } from '../../queue/driver.js';
import { LONGEST_TIMER_MS } from '../../queue/duration.js';
import { DriverClosedError } from '../../queue/errors.js';
import type { Claimed, Messages } from './messages.js';
import { type ConsumedQueue, type Holder, SqliteReservation } from './reservation.js';
import type { Work } from './transactions.js';

/** What a consumer needs of its driver. */
export interface ConsumerHost {
  /** Looks for messages soon. */
  hunger(consumer: SqliteConsumer): void;
  settle<T>(work: Work<T>): Promise<T>;
  /** There is something in the queue again. */
  ready(queue: number): void;
  onClosed(consumer: SqliteConsumer): void;
}

/** How many messages are taken in one transaction at most. */
const MOST_AT_ONCE = 100;

/** A reserve that waits. */
class Waiter {
  readonly resolve: (reservation: Reservation | null) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  /** Looks once. */
  readonly impatient: boolean;
  readonly timer: NodeJS.Timeout | undefined;
  readonly #giveUp: (waiter: Waiter) => void;

  constructor(
    resolve: Waiter['resolve'],
    reject: Waiter['reject'],
    { timeoutMs, signal }: ReserveOptions,
    giveUp: (waiter: Waiter) => void,
  ) {
    this.resolve = resolve;
    this.reject = reject;
    this.signal = signal;
    this.#giveUp = giveUp;
    this.impatient = timeoutMs !== undefined && timeoutMs <= 0;
    // A timer cannot be set for longer, which is as good as for ever.
    if (timeoutMs !== undefined && !this.impatient && timeoutMs <= LONGEST_TIMER_MS) {
      this.timer = setTimeout(() => {
        this.#giveUp(this);
        this.resolve(null);
      }, timeoutMs);
    }
    signal?.addEventListener('abort', this);
  }

  /** Its signal aborts. */
  handleEvent(): void {
    this.#giveUp(this);
    this.reject(this.signal?.reason);
  }

  /** It waits no longer. */
  end(): void {
    clearTimeout(this.timer);
    this.signal?.removeEventListener('abort', this);
  }
}

/** Takes as many messages as reserves wait, never one more: a crash must not cost an attempt of what nobody has begun. */
export class SqliteConsumer implements Consumer, Holder {
  /** Guards what it holds: whoever takes a message puts his own in the place of it. */
  readonly token: number = randomInt(2 ** 45, 2 ** 46);
  readonly queues: readonly ConsumedQueue[];
  readonly #order: QueueOrder;
  readonly #host: ConsumerHost;
  readonly #waiters = new Set<Waiter>();
  readonly #held = new Map<number, SqliteReservation>();
  /** The queue whose turn it is. */
  #turn = 0;
  #claimed: [Claimed, ConsumedQueue][] = [];
  #closing: Promise<void> | undefined;

  constructor(queues: readonly ConsumedQueue[], order: QueueOrder, host: ConsumerHost) {
    this.queues = queues;
    this.#order = order;
    this.#host = host;
  }

  get waiting(): boolean {
    return this.#waiters.size > 0;
  }

  reserve(options: ReserveOptions = {}): Promise<Reservation | null> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      if (this.#closing) throw new DriverClosedError('the consumer is closed');
      this.#waiters.add(new Waiter(resolve, reject, options, this.#drop));
      this.#host.hunger(this);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Takes messages for those who wait, in a transaction.
   * @returns whether there may be more to take
   */
  claim(messages: Messages, now: number): boolean {
    const wanted = Math.min(this.#waiters.size, MOST_AT_ONCE);
    this.#claimed =
      this.#order === 'strict' ? this.#claimInOrder(messages, wanted, now) : this.#claimInTurn(messages, wanted, now);
    return this.#claimed.length === wanted && this.#waiters.size > wanted;
  }

  /** Hands over what was taken, now that the transaction is committed. */
  deliver(): void {
    const claimed = this.#claimed;
    if (claimed.length === 0) return;
    this.#claimed = [];
    const waiters = this.#waiters.values();
    for (const [message, queue] of claimed) {
      const { value: waiter } = waiters.next();
      if (waiter === undefined) throw new Error('more messages were taken than reserves wait');
      const reservation = new SqliteReservation(message, queue, this);
      this.#held.get(message.id)?.lose('its lease had ended');
      this.#held.set(message.id, reservation);
      this.#drop(waiter);
      waiter.resolve(reservation);
    }
  }

  /** There is nothing: whoever does not want to wait is told so. */
  disappoint(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.impatient) continue;
      this.#drop(waiter);
      waiter.resolve(null);
    }
  }

  /** The transaction was rolled back. */
  undo(): void {
    this.#claimed = [];
  }

  /** The engine cannot be asked. */
  fail(error: unknown): void {
    for (const waiter of this.#waiters) {
      this.#drop(waiter);
      waiter.reject(error);
    }
  }

  settle<T>(work: Work<T>): Promise<T> {
    return this.#host.settle(work);
  }

  ready({ id }: ConsumedQueue): void {
    this.#host.ready(id);
  }

  forget(reservation: SqliteReservation): void {
    if (this.#held.get(reservation.rowId) === reservation) this.#held.delete(reservation.rowId);
  }

  readonly #drop = (waiter: Waiter): void => {
    this.#waiters.delete(waiter);
    waiter.end();
  };

  /** From the first queue that has any, then from the next. */
  #claimInOrder(messages: Messages, wanted: number, now: number): [Claimed, ConsumedQueue][] {
    const claimed: [Claimed, ConsumedQueue][] = [];
    for (const queue of this.queues) {
      if (claimed.length === wanted) break;
      for (const message of messages.claim(queue.id, wanted - claimed.length, this.token, now)) {
        claimed.push([message, queue]);
      }
    }
    return claimed;
  }

  /** From each queue its share, beginning with the one behind the last that gave one. */
  #claimInTurn(messages: Messages, wanted: number, now: number): [Claimed, ConsumedQueue][] {
    const claimed: [Claimed, ConsumedQueue][] = [];
    let giving = [...this.queues.slice(this.#turn), ...this.queues.slice(0, this.#turn)];
    while (claimed.length < wanted && giving.length > 0) {
      const stillGiving: ConsumedQueue[] = [];
      const share = Math.ceil((wanted - claimed.length) / giving.length);
      for (const queue of giving) {
        const limit = Math.min(share, wanted - claimed.length);
        if (limit === 0) break;
        const found = messages.claim(queue.id, limit, this.token, now);
        if (found.length === limit) stillGiving.push(queue);
        if (found.length > 0) this.#turn = (this.queues.indexOf(queue) + 1) % this.queues.length;
        for (const message of found) claimed.push([message, queue]);
      }
      giving = stillGiving;
    }
    return claimed;
  }

  async #close(): Promise<void> {
    for (const waiter of this.#waiters) {
      this.#drop(waiter);
      waiter.resolve(null);
    }
    const held = [...this.#held.values()];
    for (const reservation of held) reservation.lose('its consumer was closed');
    try {
      if (held.length > 0) {
        await this.#host.settle((messages, now) => {
          for (const { rowId } of held) messages.giveBack(rowId, this.token, now);
          for (const queue of this.queues) this.ready(queue);
        });
      }
    } finally {
      this.#host.onClosed(this);
    }
  }
}
