import type { ReservedMessage, Settlement, Transaction } from '../../queue/driver.js';
import { EngineError, type HaricotError, LeaseLostError } from '../../queue/errors.js';
import { serializeFailure } from '../../queue/failure.js';
import { DONE, type Outcome } from '../../queue/outcome.js';
import type { ClaimedRow, RowSettlement } from './store.js';

/** Who has taken messages. */
export interface Holder {
  /** Does it in the next round. @returns whether the row still had the token */
  settle(settlement: RowSettlement): Promise<boolean>;
  /** Does it in the transaction of the user. @returns whether the row still had the token @throws HaricotError */
  ackIn(transaction: Transaction, id: string, token: number): Promise<boolean>;
  /** The token of the latest delivery of a message; undefined where there is no such message. @throws EngineError */
  tokenOf(id: string): Promise<number | undefined>;
  /** It is no longer to be given back. */
  forget(reservation: SqlReservation): void;
}

const SETTLED: Readonly<Record<Settlement['kind'], string>> = {
  ack: 'acknowledged',
  release: 'released',
  bury: 'buried',
};

/** A message that was taken, as long as its lease lasts and nobody else has taken it. */
export class SqlReservation implements ReservedMessage {
  readonly jobId: string;
  readonly queue: string;
  readonly body: Buffer;
  readonly attempt: number;
  readonly ttrMs: number;
  /** Guards this delivery: the message has another one as soon as somebody else has taken it. */
  readonly token: number;
  readonly queueId: number;
  leaseEndsAt: number;
  readonly #holder: Holder;
  #lost: AbortController | undefined;
  /** Why it can no longer be settled. */
  #over: string | undefined;
  #isLost = false;

  /** @param claimedAt when its lease began at the earliest, by `performance.now()` */
  constructor(
    { id, body, attempt, ttrMs, token, queue: queueId }: ClaimedRow,
    queue: string,
    holder: Holder,
    claimedAt: number,
  ) {
    this.jobId = id;
    this.queue = queue;
    this.body = body;
    this.attempt = attempt;
    this.ttrMs = ttrMs;
    this.token = token;
    this.queueId = queueId;
    this.leaseEndsAt = claimedAt + ttrMs;
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

  /** It is in the next round when this returns. Never rejects. */
  async settle(settlement: Settlement): Promise<Outcome> {
    if (this.#over !== undefined) return [{ error: this.#lostError() }];
    const transaction = settlement.kind === 'ack' ? settlement.transaction : undefined;
    this.#over = `it was ${SETTLED[settlement.kind]}${transaction === undefined ? '' : ' in a transaction'}`;
    let isHeld: boolean;
    try {
      isHeld = await (transaction === undefined
        ? this.#holder.settle(this.#row(settlement))
        : this.#holder.ackIn(transaction, this.jobId, this.token));
    } catch (error) {
      if (transaction !== undefined || isKnown(error)) this.#over = undefined;
      return [{ error: error as HaricotError }];
    }
    if (!isHeld) return this.#ended();
    // With a transaction it stays with its holder until that has ended, see `isHeld`.
    if (transaction === undefined) this.#holder.forget(this);
    return DONE;
  }

  #row(settlement: Settlement): RowSettlement {
    const { kind } = settlement;
    const row = { kind, id: this.jobId, token: this.token, queue: this.queueId };
    if (settlement.kind === 'ack') return row;
    const { priority, failure } = settlement;
    const kept = { ...row, priority, failure: failure && serializeFailure(failure) };
    if (settlement.kind === 'bury') return kept;
    return { ...kept, delayMs: settlement.delayMs, counted: settlement.counted };
  }

  /** Never rejects. */
  async touch(): Promise<Outcome> {
    if (this.#over !== undefined) return [{ error: this.#lostError() }];
    const sentAt = performance.now();
    let isHeld: boolean;
    try {
      isHeld = await this.#holder.settle(this.#touch());
    } catch (error) {
      return [{ error: error as HaricotError }];
    }
    // It may have been settled meanwhile.
    if (!isHeld) return this.#over === undefined ? this.#ended() : [{ error: this.#lostError() }];
    this.leaseEndsAt = sentAt + this.ttrMs;
    return DONE;
  }

  #touch(): RowSettlement {
    return { kind: 'touch', id: this.jobId, token: this.token, queue: this.queueId };
  }

  /** Whether it can be settled: after its ack in a transaction, whether that was rolled back. @throws EngineError */
  async isHeld(): Promise<boolean> {
    const token = await this.#holder.tokenOf(this.jobId);
    if (this.#isLost) return false;
    this.#over = token === undefined ? this.#over : undefined;
    if (token === this.token) return true;
    if (token === undefined) this.#holder.forget(this);
    else this.lose('its lease had ended');
    return false;
  }

  /** It is somebody else's now. */
  lose(why: string): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#isLost = true;
    this.#holder.forget(this);
    this.#lost?.abort(this.#lostError());
  }

  #ended(): Outcome {
    this.#over = undefined;
    this.lose('its lease had ended');
    return [{ error: this.#lostError() }];
  }

  #lostError(): LeaseLostError {
    return new LeaseLostError(
      `cannot settle or renew message ${this.jobId} of queue "${this.queue}": it is no longer held: ${this.#over}`,
    );
  }
}

/** Whether nothing was changed, so that it may be tried again. */
function isKnown(error: unknown): boolean {
  return !(error instanceof EngineError) || error.outcome === 'nothing';
}

/** What becomes of a message that was not reserved here. */
export async function notReserved({ jobId, queue }: ReservedMessage): Promise<Outcome> {
  const what = `cannot settle or renew message ${jobId} of queue "${queue}"`;
  return [{ error: new LeaseLostError(`${what}: it was not reserved from this engine`) }];
}
