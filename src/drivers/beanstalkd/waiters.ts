import type { ReserveOptions } from '../../queue/driver.js';
import { onAbort } from '../../shared/abort.js';
import { Deadline } from '../../shared/deadline.js';
import type { BeanstalkdReservation } from './reservation.js';
import { toSeconds } from './tubes.js';

/** The server ends a reserve on time; only when it does not, a call that waits for it is answered by our own clock. */
const GRACE_MS = 200;

/** What servers of all versions take as a timeout, in seconds. */
const MAX_RESERVE_SECONDS = 2_147_483_647;

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
  /** How many messages it still may be answered with: each empty answer makes it one less. */
  max: number;
  readonly isBatch: boolean;
  /** What came already, while more may be on its way. */
  received: readonly BeanstalkdReservation[];
  readonly resolve: (reservations: readonly BeanstalkdReservation[]) => void;
  readonly reject: (error: unknown) => void;
  readonly listener: Listener | undefined;
  deadline: Deadline | undefined;
}

const NONE: readonly BeanstalkdReservation[] = Object.freeze([]);

/** The calls that wait for messages, in the order of the calls. */
export class Waiters {
  readonly #waiters: Waiter[] = [];
  /** How many messages all of them take that have not come yet. */
  #missing = 0;
  /** How many of them take several. */
  #batches = 0;
  /** A signal is listened to until another comes: workers reserve with the same one again and again. */
  #listeners: Listener[] = [];
  readonly #onRemoved: () => void;
  readonly #onUnwanted: (reservation: BeanstalkdReservation) => void;

  /**
   * @param onRemoved called when one does not wait any more that was given nothing: its time was over, or its signal aborted
   * @param onUnwanted takes what a call had received whose signal aborted
   */
  constructor(onRemoved: () => void, onUnwanted: (reservation: BeanstalkdReservation) => void) {
    this.#onRemoved = onRemoved;
    this.#onUnwanted = onUnwanted;
  }

  /** How many messages could be given at once. */
  get missing(): number {
    return this.#missing;
  }

  get isEmpty(): boolean {
    return this.#waiters.length === 0;
  }

  /** Whether anybody waits for as long as it takes, and not only for what is ready. */
  get isPatient(): boolean {
    return this.#waiters.some(({ isInstant }) => !isInstant);
  }

  /** Of those messages, how many for calls that do not wait. */
  get instantlyMissing(): number {
    let count = 0;
    for (const { isInstant, max, received } of this.#waiters) if (isInstant) count += max - received.length;
    return count;
  }

  /** How long the most patient one still waits, in whole seconds; undefined: for ever. */
  get longestSeconds(): number | undefined {
    let dueAt = 0;
    for (const waiter of this.#waiters) dueAt = Math.max(dueAt, waiter.dueAt);
    return dueAt === Number.POSITIVE_INFINITY ? undefined : longestOnWire(dueAt - performance.now());
  }

  /** @returns what the call is answered with */
  add(owner: unknown, { max = 1, timeoutMs, signal }: ReserveOptions): Promise<readonly BeanstalkdReservation[]> {
    const waitMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : toSeconds(timeoutMs) * 1000;
    return new Promise((resolve, reject) => {
      const listener = signal && this.#listenTo(signal);
      const dueAt = performance.now() + waitMs;
      const isInstant = waitMs === 0;
      const isBatch = max > 1;
      const waiter: Waiter = {
        owner,
        isInstant,
        dueAt,
        max,
        isBatch,
        received: NONE,
        resolve,
        reject,
        listener,
        deadline: undefined,
      };
      this.#missing += max;
      if (isBatch) this.#batches++;
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
    reservation.owner = waiter.owner;
    this.#missing--;
    waiter.received = waiter.received.length === 0 ? [reservation] : [...waiter.received, reservation];
    if (waiter.received.length === waiter.max) this.#resolve(waiter);
    return true;
  }

  /** Nothing more is on its way: answers those that have received some of several messages. */
  endBatches(): void {
    if (this.#batches > 0) this.#resolveAll(({ received }) => received.length > 0);
  }

  /** Nothing is ready: one that does not wait, or takes several, is answered with one less. */
  takeEmpty(): void {
    const waiter = this.#waiters.find(({ isInstant }) => isInstant) ?? this.#waiters.find(({ max }) => max > 1);
    if (waiter === undefined) return;
    waiter.max--;
    this.#missing--;
    if (waiter.received.length >= waiter.max) this.#resolve(waiter);
  }

  /** Nothing came in time: answers those whose time is over. */
  endDue(): void {
    const now = performance.now() + TOLERANCE_MS;
    this.#resolveAll(({ dueAt, isInstant }) => !isInstant && dueAt <= now);
  }

  /** Answers all those of one consumer. */
  end(owner: unknown): void {
    this.#resolveAll((waiter) => waiter.owner === owner);
  }

  endAll(): void {
    this.#resolveAll(() => true);
  }

  /** What has come before the failure is delivered all the same. */
  rejectAll(error: unknown): void {
    this.endBatches();
    for (const waiter of [...this.#waiters]) {
      this.#remove(waiter);
      waiter.reject(error);
    }
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
    for (const waiter of this.#waiters.filter(({ listener }) => listener?.signal === signal)) {
      this.#remove(waiter);
      waiter.reject(signal.reason);
      for (const reservation of waiter.received) this.#onUnwanted(reservation);
    }
    this.#onRemoved();
  }

  #expire(waiter: Waiter): void {
    if (!this.#waiters.includes(waiter)) return;
    this.#resolve(waiter);
    this.#onRemoved();
  }

  #resolveAll(matches: (waiter: Waiter) => boolean): void {
    for (const waiter of this.#waiters.filter(matches)) this.#resolve(waiter);
  }

  #resolve(waiter: Waiter): void {
    this.#remove(waiter);
    waiter.resolve(waiter.received);
  }

  #remove(waiter: Waiter): void {
    const position = this.#waiters.indexOf(waiter);
    if (position < 0) return;
    if (position === 0) this.#waiters.shift();
    else this.#waiters.splice(position, 1);
    const { received, max, isBatch, deadline, listener } = waiter;
    this.#missing -= max - received.length;
    if (isBatch) this.#batches--;
    deadline?.cancel();
    if (listener !== undefined) listener.waiting--;
  }
}

function longestOnWire(ms: number): number {
  return Math.min(MAX_RESERVE_SECONDS, toSeconds(Math.max(1, ms)));
}
