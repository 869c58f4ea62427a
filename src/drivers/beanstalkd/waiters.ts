import type { ReserveOptions } from '../../queue/driver.js';
import { onAbort } from '../../shared/abort.js';
import { Deadline } from '../../shared/deadline.js';
import type { BeanstalkdReservation } from './reservation.js';
import { toSeconds } from './tubes.js';

/** The server ends a reserve on time; only when it does not, a call that waits for it is answered by our own clock. */
const GRACE_MS = 200;

/** Two clocks are not read in the same moment. */
const TOLERANCE_MS = 20;

/** The listener to a signal, for all calls with that signal. */
interface Listener {
  readonly signal: AbortSignal;
  readonly stop: () => void;
  /** How many calls wait with it. */
  waiting: number;
}

/** A call of `reserve` that is not answered yet. */
interface Waiter {
  /** The consumer that was called. */
  readonly owner: unknown;
  /** Whether it does not wait: it is answered with what is ready. */
  readonly isInstant: boolean;
  /** By `performance.now()`; Infinity where it waits for ever. */
  readonly dueAt: number;
  readonly resolve: (reservation: BeanstalkdReservation | null) => void;
  readonly reject: (error: unknown) => void;
  readonly listener: Listener | undefined;
  deadline: Deadline | undefined;
}

/** The calls that wait for a message, in the order of the calls. */
export class Waiters {
  readonly #waiters: Waiter[] = [];
  /** A signal is listened to until another comes: workers reserve with the same one again and again. */
  #listeners: Listener[] = [];
  readonly #onRemoved: () => void;

  /** @param onRemoved called when one does not wait any more that was given nothing: its time was over, or its signal aborted */
  constructor(onRemoved: () => void) {
    this.#onRemoved = onRemoved;
  }

  get size(): number {
    return this.#waiters.length;
  }

  /** Whether anybody waits for as long as it takes, and not only for what is ready. */
  get isPatient(): boolean {
    return this.#waiters.some(({ isInstant }) => !isInstant);
  }

  get instantCount(): number {
    let count = 0;
    for (const { isInstant } of this.#waiters) if (isInstant) count++;
    return count;
  }

  /** How long the most patient one still waits, in whole seconds; undefined: for ever. */
  get longestSeconds(): number | undefined {
    let dueAt = 0;
    for (const waiter of this.#waiters) dueAt = Math.max(dueAt, waiter.dueAt);
    return dueAt === Number.POSITIVE_INFINITY ? undefined : toSeconds(Math.max(1, dueAt - performance.now()));
  }

  /** @returns what the call is answered with */
  add(owner: unknown, { timeoutMs, signal }: ReserveOptions): Promise<BeanstalkdReservation | null> {
    const waitMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : toSeconds(timeoutMs) * 1000;
    return new Promise((resolve, reject) => {
      const listener = signal && this.#listenTo(signal);
      const dueAt = performance.now() + waitMs;
      const waiter: Waiter = { owner, isInstant: waitMs === 0, dueAt, resolve, reject, listener, deadline: undefined };
      if (waitMs > 0 && waitMs < Number.POSITIVE_INFINITY) {
        waiter.deadline = new Deadline(waitMs + GRACE_MS, () => this.#expire(waiter));
      }
      this.#waiters.push(waiter);
    });
  }

  /** Gives the one that waits longest what has come. @returns false when nobody waits */
  give(reservation: BeanstalkdReservation, preferInstant: boolean): boolean {
    const instant = preferInstant ? this.#waiters.find(({ isInstant }) => isInstant) : undefined;
    const waiter = instant ?? this.#waiters[0];
    if (waiter === undefined) return false;
    this.#remove(waiter);
    reservation.owner = waiter.owner;
    waiter.resolve(reservation);
    return true;
  }

  /** Nothing is ready: answers one that does not wait. */
  resolveEmpty(): void {
    const waiter = this.#waiters.find(({ isInstant }) => isInstant);
    if (waiter === undefined) return;
    this.#remove(waiter);
    waiter.resolve(null);
  }

  /** Nothing came in time: answers those whose time is over. */
  endDue(): void {
    const now = performance.now() + TOLERANCE_MS;
    this.#removeAll(
      ({ dueAt, isInstant }) => !isInstant && dueAt <= now,
      ({ resolve }) => resolve(null),
    );
  }

  /** Answers all those of one consumer with null. */
  end(owner: unknown): void {
    this.#removeAll(
      (waiter) => waiter.owner === owner,
      ({ resolve }) => resolve(null),
    );
  }

  endAll(): void {
    this.#removeAll(
      () => true,
      ({ resolve }) => resolve(null),
    );
  }

  rejectAll(error: unknown): void {
    this.#removeAll(
      () => true,
      ({ reject }) => reject(error),
    );
  }

  #listenTo(signal: AbortSignal): Listener {
    let listener = this.#listeners.find((each) => each.signal === signal);
    if (listener === undefined) {
      for (const each of this.#listeners) if (each.waiting === 0) each.stop();
      listener = { signal, stop: onAbort(signal, () => this.#abort(signal)), waiting: 0 };
      this.#listeners = [...this.#listeners.filter(({ waiting }) => waiting > 0), listener];
    }
    listener.waiting++;
    return listener;
  }

  #abort(signal: AbortSignal): void {
    this.#removeAll(
      ({ listener }) => listener?.signal === signal,
      ({ reject }) => reject(signal.reason),
    );
    this.#onRemoved();
  }

  #expire(waiter: Waiter): void {
    if (!this.#remove(waiter)) return;
    waiter.resolve(null);
    this.#onRemoved();
  }

  #removeAll(matches: (waiter: Waiter) => boolean, answer: (waiter: Waiter) => void): void {
    for (const waiter of this.#waiters.filter(matches)) {
      this.#remove(waiter);
      answer(waiter);
    }
  }

  #remove(waiter: Waiter): boolean {
    const position = this.#waiters.indexOf(waiter);
    if (position < 0) return false;
    if (position === 0) this.#waiters.shift();
    else this.#waiters.splice(position, 1);
    waiter.deadline?.cancel();
    if (waiter.listener !== undefined) waiter.listener.waiting--;
    return true;
  }
}
