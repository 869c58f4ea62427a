import { checkSettlement } from '../../queue/checks.js';
import type { Reservation } from '../../queue/driver.js';
import { LeaseLostError } from '../../queue/errors.js';
import { serializeFailure } from '../../queue/failure.js';
import { toBuffer } from './binding.js';
import type { Work } from './group-commit.js';
import type { Claimed } from './messages.js';

/** A queue that is consumed. */
export interface ConsumedQueue {
  readonly id: number;
  readonly name: string;
}

/** Who has taken messages. */
export interface Holder {
  /** Does it in the next transaction. */
  settle<T>(work: Work<T>): Promise<T>;
  /** There is something in the queue again. */
  ready(queue: ConsumedQueue): void;
  /** It is no longer to be given back. */
  forget(reservation: SqliteReservation): void;
}

/** A message that was taken, as long as its lease lasts and nobody else has taken it. */
export class SqliteReservation implements Reservation {
  readonly id: string;
  readonly rowId: number;
  readonly queue: string;
  readonly body: Buffer;
  readonly attempt: number;
  readonly ttrMs: number;
  /** Guards this delivery: the message has another one as soon as somebody else has taken it. */
  readonly token: number;
  leaseEndsAt: number;
  readonly #from: ConsumedQueue;
  readonly #priority: number;
  readonly #holder: Holder;
  #lost: AbortController | undefined;
  /** Why it can no longer be settled. */
  #over: string | undefined;
  #isLost = false;

  /** @param claimedAt when its lease began at the earliest, by `performance.now()` */
  constructor(
    { id, body, attempts, ttr, priority, token }: Claimed,
    from: ConsumedQueue,
    holder: Holder,
    claimedAt: number,
  ) {
    this.id = String(id);
    this.rowId = id;
    this.queue = from.name;
    this.#from = from;
    this.body = toBuffer(body);
    this.attempt = attempts + 1;
    this.ttrMs = ttr;
    this.token = token;
    this.leaseEndsAt = claimedAt + ttr;
    this.#priority = priority;
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

  ack(): Promise<void> {
    return this.#settle('acknowledged', (messages) => messages.ack(this.rowId, this.token));
  }

  async release(options: Parameters<Reservation['release']>[0] = {}): Promise<void> {
    checkSettlement(options);
    const { priority = this.#priority, delayMs = 0 } = options;
    return this.#settle('released', (messages, now) => {
      this.#holder.ready(this.#from);
      return messages.release(this.rowId, this.token, priority, delayMs, now);
    });
  }

  async bury(options: Parameters<Reservation['bury']>[0] = {}): Promise<void> {
    checkSettlement(options);
    const { priority = this.#priority, failure } = options;
    const stored = failure === undefined ? null : serializeFailure(failure);
    return this.#settle('buried', (messages, now) =>
      messages.bury(this.#from.id, this.rowId, this.token, priority, stored, now),
    );
  }

  async touch(): Promise<void> {
    if (this.#over !== undefined) throw this.#lostError();
    const sentAt = performance.now();
    const held = await this.#holder.settle((messages, now) => messages.touch(this.rowId, this.token, now));
    if (held) {
      this.leaseEndsAt = sentAt + this.ttrMs;
      return;
    }
    this.lose('its lease had ended');
    throw this.#lostError();
  }

  /** It is somebody else's now. */
  lose(why: string): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#isLost = true;
    this.#holder.forget(this);
    this.#lost?.abort(this.#lostError());
  }

  async #settle(how: string, work: Work<boolean>): Promise<void> {
    if (this.#over !== undefined) throw this.#lostError();
    this.#over = `it was ${how}`;
    let held: boolean;
    try {
      held = await this.#holder.settle(work);
    } catch (error) {
      // Nothing was changed: it may be tried again.
      this.#over = undefined;
      throw error;
    }
    if (held) {
      this.#holder.forget(this);
      return;
    }
    this.#over = undefined;
    this.lose('its lease had ended');
    throw this.#lostError();
  }

  #lostError(): LeaseLostError {
    return new LeaseLostError(
      `cannot settle or renew message ${this.id} of queue "${this.queue}": it is no longer held: ${this.#over}`,
    );
  }
}
