import { setMaxListeners } from 'node:events';
import type { Reservation } from '../queue/driver.js';
import type { SlotContext } from '../signals/signals.js';

/** What the slots of one delivery are told. */
export class DeliveryContext implements SlotContext {
  readonly queue: string;
  readonly jobId: string;
  readonly attempt: number | undefined;
  readonly #reservation: Reservation;
  readonly #onSignalAsked: () => void;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  /** @param onSignalAsked called when a slot has asked for its signal */
  constructor(reservation: Reservation, attempt: number | undefined, onSignalAsked: () => void) {
    this.queue = reservation.queue;
    this.jobId = reservation.id;
    this.attempt = attempt;
    this.#reservation = reservation;
    this.#onSignalAsked = onSignalAsked;
  }

  // Made when it is asked for: most slots never do.
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      // A slot may pass it to as many calls as it likes.
      setMaxListeners(0, this.#controller.signal);
      if (this.#reason) this.#controller.abort(this.#reason);
      else this.#onSignalAsked();
    }
    return this.#controller.signal;
  }

  // A getter, so that `const { touch } = context` works; bound when it is asked for.
  get touch(): () => Promise<void> {
    return async () => this.#reservation.touch();
  }

  abort(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
