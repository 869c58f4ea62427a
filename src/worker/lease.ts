import type { Reservation } from '../queue/driver.js';
import { LONGEST_TIMER_MS } from '../queue/duration.js';
import { LeaseLostError } from '../queue/errors.js';

/** The lease is renewed when this part of it is over: a touch that is late or fails can be repeated in time. */
const RENEW_AFTER = 0.4;

/** Renews a lease for as long as its message is worked on. */
export class LeaseKeeper {
  readonly #reservation: Reservation;
  readonly #onError: (error: unknown) => void;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param onError is told of a renewal that failed otherwise than by the loss of the lease, which `lost` tells */
  constructor(reservation: Reservation, onError: (error: unknown) => void) {
    this.#reservation = reservation;
    this.#onError = onError;
    this.#everyMs = Math.min(Math.max(100, reservation.ttrMs * RENEW_AFTER), LONGEST_TIMER_MS);
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => this.#renew(), this.#everyMs);
  }

  async #renew(): Promise<void> {
    try {
      await this.#reservation.touch();
    } catch (error) {
      if (error instanceof LeaseLostError) return;
      if (this.#timer !== undefined) this.#onError(error);
    }
    if (this.#timer !== undefined && !this.#reservation.lost.aborted) this.#schedule();
  }
}
