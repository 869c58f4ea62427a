import type { ReservedMessage } from '../queue/driver.js';
import { LONGEST_TIMER_MS } from '../queue/duration.js';
import { LeaseLostError } from '../queue/errors.js';
import { isA } from '../shared/is-a.js';
import type { DeadlineTimer, HasDeadline } from './deadline-timer.js';

/** The lease is renewed when this part of it is over: a touch that is late, hangs or fails can be repeated in time. */
const RENEW_AFTER = 0.4;

/** Leases are renewed no more often. */
const SHORTEST_RENEWAL_MS = 100;

/** A message that is done before costs nothing: neither a listener nor a timer is made for it. */
const WATCH_AFTER_MS = 50;

/** What holds a message. */
export interface LeaseHolder {
  /** Renews the lease. @throws LeaseLostError, EngineError */
  touch(): Promise<void>;
  onLeaseLost(reason: Error): void;
  /** A renewal failed otherwise than by the loss of the lease. It is tried again. */
  onLeaseError(error: unknown): void;
}

/**
 * Looks after a lease for as long as its message is worked on: renews it, and tells when it is lost. It is lost when the
 * engine says so, and when it has ended by our own clock: an engine that cannot be reached says nothing.
 */
export class LeaseKeeper implements HasDeadline {
  readonly #reserved: ReservedMessage;
  readonly #timer: DeadlineTimer;
  readonly #holder: LeaseHolder;
  /** Listens to the loss of the lease, once that is watched. */
  #onAbort: (() => void) | undefined;
  #isStopped = false;
  #renewAt = 0;
  #deadlineAt: number;

  /** @param now by `performance.now()` */
  constructor(reserved: ReservedMessage, timer: DeadlineTimer, holder: LeaseHolder, now: number = performance.now()) {
    this.#reserved = reserved;
    this.#timer = timer;
    this.#holder = holder;
    this.#deadlineAt = now + WATCH_AFTER_MS;
    timer.set(this);
  }

  get deadlineAt(): number {
    return this.#deadlineAt;
  }

  onDeadline(): void {
    if (this.#onAbort === undefined) {
      this.watch();
      return;
    }
    const now = performance.now();
    if (now >= this.#endsAt()) this.#lose(this.#endedError());
    else if (now >= this.#renewAt) this.#renew(now);
    else this.#wait();
  }

  /** From now on the loss is told as soon as it is known. */
  watch(): void {
    if (this.#onAbort !== undefined || this.#isStopped) return;
    this.#timer.cancel(this);
    const { lost, leaseEndsAt, ttrMs } = this.#reserved;
    this.#onAbort = () => this.#lose(lost.reason);
    lost.addEventListener('abort', this.#onAbort, { once: true });
    if (lost.aborted) {
      this.#onAbort();
      return;
    }
    // It began when the reserve was sent.
    this.#renewAt = leaseEndsAt - ttrMs + this.#renewalMs();
    this.#wait();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel(this);
    if (this.#onAbort !== undefined) this.#reserved.lost.removeEventListener('abort', this.#onAbort);
  }

  #wait(): void {
    this.#deadlineAt = Math.min(this.#renewAt, this.#endsAt(), performance.now() + LONGEST_TIMER_MS);
    this.#timer.set(this);
  }

  /** The next one is due a part of the lease after this one is sent, whether or not it is answered by then. */
  #renew(now: number): void {
    this.#renewAt = now + this.#renewalMs();
    void this.#touch(now);
    this.#wait();
  }

  async #touch(now: number): Promise<void> {
    try {
      await this.#holder.touch();
      if (this.#reserved.attempt === undefined) await this.#learnTtr(now);
    } catch (error) {
      if (this.#isStopped || isA(LeaseLostError, error)) return;
      this.#holder.onLeaseError(error);
    }
  }

  /** It takes one question; without it the lease would be renewed as often as the shortest there is. */
  async #learnTtr(renewedAt: number): Promise<void> {
    await this.#reserved.track?.();
    if (this.#isStopped) return;
    this.#renewAt = renewedAt + this.#renewalMs();
    this.#timer.cancel(this);
    this.#wait();
  }

  #renewalMs(): number {
    return Math.max(SHORTEST_RENEWAL_MS, this.#reserved.ttrMs * RENEW_AFTER);
  }

  /** Without the attempt the TTR is unknown as well, and may be longer than the shortest, for which it is taken. */
  #endsAt(): number {
    const { attempt, leaseEndsAt } = this.#reserved;
    return attempt === undefined ? Number.POSITIVE_INFINITY : leaseEndsAt;
  }

  #lose(reason: Error): void {
    this.stop();
    this.#holder.onLeaseLost(reason);
  }

  #endedError(): LeaseLostError {
    const { jobId, queue } = this.#reserved;
    return new LeaseLostError(
      `cannot settle or renew message ${jobId} of queue "${queue}": it is no longer held: its lease has ended, and no renewal was answered`,
    );
  }
}
