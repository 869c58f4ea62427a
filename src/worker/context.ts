import { setMaxListeners } from 'node:events';
import type { ReservedMessage, Transaction, TransactionClient } from '../queue/driver.js';
import type { SlotContext } from '../signals/signals.js';

/** What slots can ask of their delivery. */
export interface SlotRequests {
  /** From now on the loss of the lease is told as soon as it is known. */
  watchLease(): void;
  touch(): Promise<void>;
  finish(options: { readonly transaction: Transaction }): Promise<void>;
  transaction<T>(work: (transaction: TransactionClient) => Promise<T> | T): Promise<T>;
}

/** What the slots of one delivery are told. */
export class DeliveryContext implements SlotContext {
  readonly queue: string;
  readonly jobId: string;
  readonly attempt: number | undefined;
  readonly #delivery: SlotRequests;
  #state: Map<unknown, unknown> | undefined;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  constructor({ queue, jobId }: ReservedMessage, attempt: number | undefined, delivery: SlotRequests) {
    this.queue = queue;
    this.jobId = jobId;
    this.attempt = attempt;
    this.#delivery = delivery;
  }

  // Made when it is asked for, as the state is: most slots never do.
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      // A slot may pass it to as many calls as it likes.
      setMaxListeners(0, this.#controller.signal);
      if (this.#reason) this.#controller.abort(this.#reason);
      else this.#delivery.watchLease();
    }
    return this.#controller.signal;
  }

  get state(): Map<unknown, unknown> {
    this.#state ??= new Map();
    return this.#state;
  }

  // Getters, so that `const { touch } = context` works; bound when they are asked for.
  get touch(): SlotContext['touch'] {
    return async () => this.#delivery.touch();
  }

  get finish(): SlotContext['finish'] {
    return async (options) => this.#delivery.finish(options);
  }

  get transaction(): SlotContext['transaction'] {
    return async (work) => this.#delivery.transaction(work);
  }

  abort(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
