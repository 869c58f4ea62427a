import { DriverClosedError, EngineError } from '../../queue/errors.js';
import type { SqlConsumer } from './consumer.js';
import { Loop } from './loop.js';
import type { ClaimedRow, ClaimRequest, RowSettlement, SqlStore } from './store.js';

interface Operation {
  readonly settlement: RowSettlement;
  readonly resolve: (isHeld: boolean) => void;
  readonly reject: (error: unknown) => void;
  /** Whether it was sent before, and nobody knows what has become of it. */
  isRepeated: boolean;
}

/** How many settlements one round takes. */
const MOST_SETTLEMENTS = 1000;

/**
 * Gathers what is called while one round is under way, or in one tick, into the next: settlements and claims share a commit, so
 * that a worker which acknowledges and reserves in the same tick pays for one.
 */
export class Rounds {
  readonly #store: SqlStore;
  readonly #onVain: (consumer: SqlConsumer) => void;
  #pending: Operation[] = [];
  /** Consumers for whom the next round claims. */
  readonly #claimants = new Set<SqlConsumer>();
  readonly #loop = new Loop(
    () => this.#pending.length > 0 || this.#claimants.size > 0,
    () => this.#round(),
  );
  #isClosed = false;

  /** @param onVain is told of a consumer that still waits after a claim for it */
  constructor(store: SqlStore, onVain: (consumer: SqlConsumer) => void) {
    this.#store = store;
    this.#onVain = onVain;
  }

  /** @returns whether the row still had the token @throws EngineError, DriverClosedError */
  settle(settlement: RowSettlement): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new DriverClosedError('cannot use the driver: it is closed');
      this.#pending.push({ settlement, resolve, reject, isRepeated: false });
      this.#loop.start();
    });
  }

  /** Claims for it in the next round, also where one for it is under way. */
  request(consumer: SqlConsumer): void {
    this.#claimants.add(consumer);
    this.#loop.start();
  }

  remove(consumer: SqlConsumer): void {
    this.#claimants.delete(consumer);
  }

  /** Does what was called before, and nothing any more after that. */
  async close(): Promise<void> {
    await this.#loop.ended();
    this.#isClosed = true;
  }

  /** Never rejects. */
  async #round(): Promise<void> {
    const operations = this.#take();
    const claims = this.#beginClaims();
    const sentAt = performance.now();
    try {
      const { settled, claimed } = await this.#store.round({
        settlements: operations.map(({ settlement }) => settlement),
        claims: claims.map(([, request]) => request),
      });
      for (const [index, { resolve }] of operations.entries()) resolve(settled[index] ?? false);
      for (const [index, [consumer, { limit }]] of claims.entries()) {
        this.#answer(consumer, limit, claimed[index] ?? [], sentAt);
      }
    } catch (error) {
      this.#fail(operations, error);
      for (const [consumer] of claims) consumer.fail(error);
    }
  }

  #answer(consumer: SqlConsumer, limit: number, claimed: readonly ClaimedRow[] | Error, sentAt: number): void {
    if (claimed instanceof Error) {
      consumer.fail(claimed);
      return;
    }
    consumer.answer(claimed, sentAt);
    // Something may have come meanwhile, even for those who look once; and more may wait than one claim serves.
    if (claimed.length === limit && consumer.isWaiting) this.#claimants.add(consumer);
    if (this.#claimants.has(consumer)) return;
    consumer.resolveEmpty();
    if (consumer.isWaiting) this.#onVain(consumer);
  }

  /** The next ones, each row once: a statement can change it once only. */
  #take(): Operation[] {
    const ids = new Set<string>();
    let count = 0;
    for (const { settlement } of this.#pending) {
      if (count === MOST_SETTLEMENTS || ids.has(settlement.id)) break;
      ids.add(settlement.id);
      count++;
    }
    return this.#pending.splice(0, count);
  }

  #beginClaims(): (readonly [SqlConsumer, ClaimRequest])[] {
    const claims: (readonly [SqlConsumer, ClaimRequest])[] = [];
    for (const consumer of this.#claimants) {
      const request = consumer.beginClaim();
      if (request) claims.push([consumer, request]);
    }
    this.#claimants.clear();
    return claims;
  }

  /** An acknowledgement or a renewal that may have been done is sent once more: doing it twice is harmless. */
  #fail(operations: readonly Operation[], error: unknown): void {
    const isUnknown = error instanceof EngineError && error.outcome === 'unknown';
    const again: Operation[] = [];
    for (const operation of operations) {
      const { kind } = operation.settlement;
      if (isUnknown && !operation.isRepeated && (kind === 'ack' || kind === 'touch')) {
        operation.isRepeated = true;
        again.push(operation);
      } else {
        operation.reject(error);
      }
    }
    this.#pending.unshift(...again);
  }
}
