import type { ReservedMessage, Settlement, SettlementResult } from '../../queue/driver.js';
import { type HaricotError, LeaseLostError } from '../../queue/errors.js';
import { serializeFailure } from '../../queue/failure.js';
import { toBuffer } from './binding.js';
import type { Claimed } from './claims.js';
import type { Ack, Work } from './group-commit.js';
import type { Released } from './messages.js';
import type { UserTransaction } from './transaction.js';

/** A queue that is consumed. */
export interface ConsumedQueue {
  readonly id: number;
  readonly name: string;
}

/** Who has taken messages. */
export interface Holder {
  /** Does it in the next transaction. */
  settle<T>(work: Work<T>): Promise<T>;
  /** Removes its message in the next transaction. @returns whether it was still that delivery */
  ack(ack: Ack): Promise<boolean>;
  /** The transaction of the user. @throws HaricotError */
  transaction(transaction: object): Promise<UserTransaction>;
  /** The token of the latest delivery of a message; undefined where there is no such message. @throws EngineError */
  tokenOf(id: number): Promise<number | undefined>;
  /** There is something in the queue again. */
  ready(queue: ConsumedQueue): void;
  /** It is no longer to be given back. */
  forget(reservation: SqliteReservation): void;
}

const DONE: SettlementResult = {};

/** A message that was taken, as long as its lease lasts and nobody else has taken it. */
export class SqliteReservation implements ReservedMessage {
  readonly jobId: string;
  readonly rowId: number;
  readonly queue: string;
  readonly body: Buffer;
  readonly attempt: number;
  readonly ttrMs: number;
  /** Guards this delivery: the message has another one as soon as somebody else has taken it. */
  readonly token: number;
  leaseEndsAt: number;
  readonly #from: ConsumedQueue;
  readonly #holder: Holder;
  #lost: AbortController | undefined;
  /** Why it can no longer be settled. */
  #over: string | undefined;
  #isLost = false;

  /** @param claimedAt when its lease began at the earliest, by `performance.now()` */
  constructor({ id, body, attempts, ttr, token }: Claimed, from: ConsumedQueue, holder: Holder, claimedAt: number) {
    this.jobId = String(id);
    this.rowId = id;
    this.queue = from.name;
    this.#from = from;
    this.body = toBuffer(body);
    this.attempt = attempts + 1;
    this.ttrMs = ttr;
    this.token = token;
    this.leaseEndsAt = claimedAt + ttr;
    this.#holder = holder;
  }

  // Made when it is asked for: a signal costs as much as the rest of the delivery.
  get lost(): AbortSignal {
    if (this.#lost === undefined) {
      this.#lost = new AbortController();
      if (this.#isLost) this.#lost.abort(this.#lostError());
    }
    return this.#lost.signal;
  }

  /** Its work is in the next transaction when this returns. Never rejects. */
  settle(settlement: Settlement): Promise<SettlementResult> {
    switch (settlement.kind) {
      case 'ack':
        if (settlement.transaction !== undefined) return this.#ackIn(settlement.transaction);
        return this.#settle('acknowledged', () => this.#holder.ack(this));
      case 'release': {
        const { priority = null, delayMs = 0, counted = true, failure } = settlement;
        const kept = failure === undefined ? null : serializeFailure(failure);
        const released: Released = {
          id: this.rowId,
          token: this.token,
          priority,
          delayMs,
          counted,
          failure: kept,
        };
        return this.#settle('released', () =>
          this.#holder.settle((messages, now) => {
            this.#holder.ready(this.#from);
            return messages.release(released, now);
          }),
        );
      }
      case 'bury': {
        const { priority = null, failure } = settlement;
        const kept = failure === undefined ? null : serializeFailure(failure);
        return this.#settle('buried', () =>
          this.#holder.settle((messages, now) =>
            messages.bury(this.#from.id, this.rowId, this.token, priority, kept, now),
          ),
        );
      }
    }
  }

  /** Never rejects. */
  async touch(): Promise<SettlementResult> {
    if (this.#over !== undefined) return { error: this.#lostError() };
    const sentAt = performance.now();
    let held: boolean;
    try {
      held = await this.#holder.settle((messages, now) => messages.touch(this.rowId, this.token, now));
    } catch (error) {
      return { error: error as HaricotError };
    }
    if (!held) {
      // It may have been settled meanwhile.
      this.lose('its lease had ended');
      return { error: this.#lostError() };
    }
    this.leaseEndsAt = sentAt + this.ttrMs;
    return DONE;
  }

  /** Whether it can be settled: after its ack in a transaction, whether that was rolled back. @throws EngineError */
  async isHeld(): Promise<boolean> {
    const token = await this.#holder.tokenOf(this.rowId);
    if (this.#isLost) return false;
    const isHeld = token === this.token;
    if (isHeld) this.#over = undefined;
    else if (token === undefined) this.#holder.forget(this);
    else {
      this.#over = undefined;
      this.lose('its lease had ended');
    }
    return isHeld;
  }

  /** It is somebody else's now. */
  lose(why: string): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#isLost = true;
    this.#holder.forget(this);
    this.#lost?.abort(this.#lostError());
  }

  /** @param store resolves with whether it was still this delivery */
  async #settle(how: string, store: () => Promise<boolean>): Promise<SettlementResult> {
    if (this.#over !== undefined) return { error: this.#lostError() };
    this.#over = `it was ${how}`;
    let held: boolean;
    try {
      held = await store();
    } catch (error) {
      // Nothing was changed: it may be tried again.
      this.#over = undefined;
      return { error: error as HaricotError };
    }
    return this.#settled(held);
  }

  /** It stays with its holder until the transaction of the user has ended, see `isHeld`. */
  async #ackIn(transaction: object): Promise<SettlementResult> {
    if (this.#over !== undefined) return { error: this.#lostError() };
    this.#over = 'it was acknowledged in a transaction';
    let held: boolean;
    try {
      held = await (await this.#holder.transaction(transaction)).ack(this.rowId, this.token);
    } catch (error) {
      this.#over = undefined;
      return { error: error as HaricotError };
    }
    return held ? DONE : this.#settled(held);
  }

  #settled(held: boolean): SettlementResult {
    if (held) {
      this.#holder.forget(this);
      return DONE;
    }
    this.#over = undefined;
    this.lose('its lease had ended');
    return { error: this.#lostError() };
  }

  #lostError(): LeaseLostError {
    return new LeaseLostError(
      `cannot settle or renew message ${this.jobId} of queue "${this.queue}": it is no longer held: ${this.#over}`,
    );
  }
}

/** What becomes of a message that was not reserved here. */
export function notReserved({ jobId, queue }: ReservedMessage): SettlementResult {
  const what = `cannot settle or renew message ${jobId} of queue "${queue}"`;
  return { error: new LeaseLostError(`${what}: it was not reserved from this engine`) };
}
