import type { Reservation } from '../queue/driver.js';
import { LONGEST_TIMER_MS } from '../queue/duration.js';
import { LeaseLostError } from '../queue/errors.js';
import type { DeadlineTimer, HasDeadline } from './deadline-timer.js';

/** The lease is renewed when this part of it is over: a touch that is late or fails can be repeated in time. */
const RENEW_AFTER = 0.4;

/** Leases are renewed no more often. */
const SHORTEST_RENEWAL_MS = 100;

/** A message that is done before costs nothing: neither a listener nor a timer is made for it. */
const WATCH_AFTER_MS = 50;

export interface LeaseEvents {
  readonly onLost: (reason: Error) => void;
  /** A renewal failed otherwise than by the loss of the lease. It is tried again. */
  readonly onError: (error: unknown) => void;
}

/** Looks after a lease for as long as its message is worked on: renews it, and tells when it is lost. */
export class LeaseKeeper implements HasDeadline {
  readonly #reservation: Reservation;
  readonly #timer: DeadlineTimer;
  readonly #events: LeaseEvents;
  readonly #onAbort = (): void => {
    this.#timer.cancel(this);
    this.#events.onLost(this.#reservation.lost.reason);
  };
  #isWatching = false;
  #isStopped = false;
  #renewedAt: number;
  #at: number;

  constructor(reservation: Reservation, timer: DeadlineTimer, events: LeaseEvents) {
    this.#reservation = reservation;
    this.#timer = timer;
    this.#events = events;
    this.#renewedAt = performance.now();
    this.#at = this.#renewedAt + WATCH_AFTER_MS;
    timer.set(this);
  }

  get deadlineAt(): number {
    return this.#at;
  }

  onDeadline(): void {
    if (this.#isWatching) void this.#renew();
    else this.watch();
  }

  /** From now on the loss is told as soon as it is known. */
  watch(): void {
    if (this.#isWatching || this.#isStopped) return;
    this.#isWatching = true;
    this.#timer.cancel(this);
    const { lost } = this.#reservation;
    lost.addEventListener('abort', this.#onAbort, { once: true });
    if (lost.aborted) this.#onAbort();
    else this.#scheduleRenewal();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel(this);
    if (this.#isWatching) this.#reservation.lost.removeEventListener('abort', this.#onAbort);
  }

  #scheduleRenewal(): void {
    const ms = Math.max(SHORTEST_RENEWAL_MS, this.#reservation.ttrMs * RENEW_AFTER);
    this.#at = this.#renewedAt + Math.min(ms, LONGEST_TIMER_MS);
    this.#timer.set(this);
  }

  async #renew(): Promise<void> {
    try {
      await this.#reservation.touch();
    } catch (error) {
      if (error instanceof LeaseLostError) return;
      if (!this.#isStopped) this.#events.onError(error);
    }
    this.#renewedAt = performance.now();
    if (!this.#isStopped && !this.#reservation.lost.aborted) this.#scheduleRenewal();
  }
}
