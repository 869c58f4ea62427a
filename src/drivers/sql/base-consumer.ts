import type {
  Consumer,
  QueueOrder,
  ReservedMessage,
  ReserveOptions,
  Settlement,
  SettlementResult,
} from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { each } from '../../queue/outcome.js';
import { type Holder, notReserved, SqlReservation } from './reservation.js';
import type { ClaimedRow } from './store.js';
import { Waiter } from './waiter.js';

/** A queue that is consumed. */
export interface ConsumedQueue {
  readonly id: number;
  readonly name: string;
}

/** How many messages are taken at once at most. */
const MOST_AT_ONCE = 100;

/**
 * The reserves that wait, and the messages that are held. How messages are claimed, and given back, is for the subclass.
 * As many are taken as reserves wait, never one more: a crash must not cost an attempt of what nobody has begun.
 */
export abstract class BaseConsumer implements Consumer {
  readonly queues: readonly ConsumedQueue[];
  /** Whether the queues take turns; otherwise the first named that has a message comes first. */
  protected readonly inTurn: boolean;
  /** The index of the queue that is asked first. */
  #turn = 0;
  readonly #holder: Holder;
  readonly #requestClaim: () => void;
  readonly #waiters = new Set<Waiter>();
  /** By the ids of the messages. */
  readonly #held = new Map<string, SqlReservation>();
  #isClosed = false;
  #closing: Promise<void> | undefined;

  /** @param requestClaim claims for those who wait, soon */
  constructor(
    queues: readonly ConsumedQueue[],
    order: QueueOrder,
    holder: Omit<Holder, 'forget'>,
    requestClaim: () => void,
  ) {
    this.queues = queues;
    this.inTurn = order === 'fair';
    this.#holder = { ...holder, forget: (reservation) => this.#forget(reservation) };
    this.#requestClaim = requestClaim;
  }

  get isWaiting(): boolean {
    return this.#waiters.size > 0;
  }

  reserve(options: ReserveOptions = {}): Promise<readonly ReservedMessage[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new DriverClosedError('cannot reserve: the consumer is closed');
      this.#waiters.add(new Waiter(resolve, reject, options, this));
      this.#requestClaim();
    });
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return each(
      settlements,
      (settlement) => ours(settlement.message)?.settle(settlement) ?? notReserved(settlement.message),
    );
  }

  touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]> {
    return each(messages, (message) => ours(message)?.touch() ?? notReserved(message));
  }

  async isHeld(message: ReservedMessage): Promise<boolean> {
    return (await ours(message)?.isHeld()) ?? false;
  }

  /** A message that was deleted: whoever holds it here has lost it. */
  lose(id: string, why: string): void {
    this.#held.get(id)?.lose(why);
  }

  /** There is nothing: whoever does not want to wait is told so. */
  resolveEmpty(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.looksOnce) continue;
      this.drop(waiter);
      waiter.resolve([]);
    }
  }

  /** The engine cannot be asked. */
  fail(error: unknown): void {
    for (const waiter of this.#waiters) {
      this.drop(waiter);
      waiter.reject(error);
    }
  }

  drop(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    waiter.end();
  }

  onTimeout(): void {
    this.#requestClaim();
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

  /** How many messages reserves wait for; no more than are taken at once. */
  protected get wanted(): { readonly count: number; readonly isCut: boolean } {
    let count = 0;
    for (const { max } of this.#waiters) count += max;
    return { count: Math.min(count, MOST_AT_ONCE), isCut: count > MOST_AT_ONCE };
  }

  /** The queues as they are asked: where they take turns, beginning with the one behind the last that gave a message. */
  protected get queuesInOrder(): readonly ConsumedQueue[] {
    return this.inTurn ? [...this.queues.slice(this.#turn), ...this.queues.slice(0, this.#turn)] : this.queues;
  }

  /**
   * Hands what was claimed to those who wait.
   * @param rows in the order in which the queues were asked
   * @param claimedAt when the leases began at the earliest, by `performance.now()`
   * @returns those for whom nobody waits any more
   */
  protected handOver(rows: readonly ClaimedRow[], claimedAt: number): readonly ClaimedRow[] {
    const last = rows.at(-1);
    if (last) this.#turn = (this.queues.findIndex(({ id }) => id === last.queue) + 1) % this.queues.length;
    let at = 0;
    for (const waiter of this.#waiters) {
      if (at === rows.length) break;
      const reservations = rows.slice(at, at + waiter.max).map((row) => this.#hold(row, claimedAt));
      at += reservations.length;
      this.drop(waiter);
      waiter.resolve(reservations);
    }
    return rows.slice(at);
  }

  /** Gives back what the closed consumer holds, uncounted; `onClosed` is called in any case. */
  protected abstract giveBack(held: readonly SqlReservation[]): Promise<void>;
  protected abstract onClosed(): void;

  #hold(row: ClaimedRow, claimedAt: number): SqlReservation {
    const reservation = new SqlReservation(row, this.#nameOf(row.queue), this.#holder, claimedAt);
    this.#held.get(row.id)?.lose('its lease had ended');
    this.#held.set(row.id, reservation);
    return reservation;
  }

  #nameOf(queue: number): string {
    for (const { id, name } of this.queues) if (id === queue) return name;
    throw new Error(`a message of queue ${queue} was taken, which is not consumed`);
  }

  #forget(reservation: SqlReservation): void {
    if (this.#held.get(reservation.jobId) === reservation) this.#held.delete(reservation.jobId);
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiters) {
      this.drop(waiter);
      waiter.resolve([]);
    }
    const held = [...this.#held.values()];
    for (const reservation of held) reservation.lose('its consumer was closed');
    // What cannot be given back is held on to, for another try.
    for (const reservation of held) this.#held.set(reservation.jobId, reservation);
    try {
      await this.giveBack(held);
      this.#held.clear();
    } finally {
      this.onClosed();
    }
  }
}

function ours(message: ReservedMessage): SqlReservation | undefined {
  return message instanceof SqlReservation ? message : undefined;
}
