import { AsyncResource } from 'node:async_hooks';
import type { Reservation } from '../queue/driver.js';
import { LeaseLostError, SchemaError, SlotTimeoutError } from '../queue/errors.js';
import { toFailure } from '../queue/failure.js';
import { type Message, validate } from '../queue/message.js';
import type { Queue } from '../queue/queue.js';
import { isA } from '../shared/is-a.js';
import { preview } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { SlotCall } from '../signals/message-slots.js';
import type { FailureReason } from '../signals/signals.js';
import { DeliveryContext } from './context.js';
import type { DeadlineTimer, HasDeadline } from './deadline-timer.js';
import { LeaseKeeper } from './lease.js';
import type { Settings } from './options.js';

/** What a delivery needs of its worker. */
export interface DeliveryEnvironment {
  readonly queue: Queue;
  readonly signals: SignalDispatcher;
  readonly settings: Settings;
  readonly timer: DeadlineTimer;
  /** Whether the engine keeps the failure of a buried message. */
  readonly keepsFailure: boolean;
}

/** How a delivery ended, once the engine has confirmed it. `lost`: it will be delivered again, whatever its slots did. */
export type Outcome = 'finished' | 'released' | 'failed' | 'lost';

/** What is to become of the message. */
export type Disposition =
  | { readonly outcome: 'finished'; readonly message: Message; readonly durationMs: number }
  | { readonly outcome: 'released'; readonly message: Message; readonly delayMs: number; readonly error: unknown }
  | {
      readonly outcome: 'failed';
      readonly message: Message | undefined;
      readonly reason: FailureReason;
      readonly error: unknown;
    }
  | { readonly outcome: 'lost'; readonly message: Message | undefined };

/** After an error of our own or of a custom backoff, which says no delay. */
export const FALLBACK_DELAY_MS = 1000;

/** 100 years, which every engine can hold. */
const LONGEST_DELAY_MS = 100 * 365 * 24 * 3_600_000;

/**
 * One message on its way through the slots: read, checked, handed to each slot, then acknowledged, released or buried.
 *
 * All that is ended early when the lease is lost, when it takes too long, and when the worker must stop now: the slots'
 * signal aborts, and one that does not heed it is waited for no longer. What becomes of it is not applied.
 */
export class Delivery {
  readonly #reservation: Reservation;
  readonly #environment: DeliveryEnvironment;
  readonly #began = performance.now();
  /** Undefined while it is unknown. */
  #attempt: number | undefined;
  #message: Message | undefined;
  #context: DeliveryContext | undefined;
  #lease: LeaseKeeper | undefined;
  #timeout: HasDeadline | undefined;
  #isDecided = false;
  #resolve: (disposition: Disposition | Promise<Disposition>) => void = () => {};

  constructor(reservation: Reservation, environment: DeliveryEnvironment) {
    this.#reservation = reservation;
    this.#environment = environment;
    this.#attempt = reservation.attempt;
  }

  /** Ends the slots now; the message is released at once. */
  stop(): void {
    this.#interrupt(
      new Error('cannot finish the message: the worker was stopped before its slots had finished'),
      (message, error) => {
        return this.#onceTracked(() => ({ outcome: 'released', message, delayMs: 0, error }));
      },
    );
  }

  /** Does the work, and says what is to become of the message. Never rejects. */
  process(): Promise<Disposition> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      // Of its own, so that a slot that enters an AsyncLocalStorage takes no other delivery with it.
      new AsyncResource('haricot.Delivery').runInAsyncScope(this.workOnDelivery, this);
    });
  }

  /** By its name `Worker.stop` knows that it is called by a slot, or by a schema. @internal */
  async workOnDelivery(): Promise<void> {
    const { queue, signals, settings } = this.#environment;
    let message: Message;
    try {
      message = queue.decode(this.#reservation);
    } catch (error) {
      this.#fail(undefined, 'undecodable', error);
      return;
    }
    this.#message = message;
    if (this.#attempt !== undefined && this.#attempt > settings.attempts) {
      const error = new Error(
        `cannot try the message again: this is delivery ${this.#attempt}, and ${settings.attempts} are allowed`,
      );
      this.#fail(message, 'attempts', error);
      return;
    }
    let call: SlotCall | null;
    try {
      this.#limit();
      call = await signals.prepare(message, validate);
    } catch (error) {
      // What the schema itself throws says nothing about the data: a look-up may have failed.
      if (isA(SchemaError, error)) this.#fail(message, 'invalid', error);
      else this.#retry(message, 'attempts', error);
      return;
    }
    if (this.#isDecided) return;
    if (call === null) this.#settleUnhandled(message);
    else await this.#callSlots(message, call);
  }

  async #callSlots(message: Message, call: SlotCall): Promise<void> {
    this.#context = new DeliveryContext(this.#reservation, this.#attempt, () => this.#lease?.watch());
    try {
      await call(this.#context);
    } catch (error) {
      this.#retry(message, 'attempts', error);
      return;
    }
    this.#decide(() => ({ outcome: 'finished', message, durationMs: performance.now() - this.#began }));
  }

  /** From now on it can be interrupted. */
  #limit(): void {
    const { timer, signals, settings } = this.#environment;
    this.#lease = new LeaseKeeper(this.#reservation, timer, {
      onLost: (reason) => this.#interrupt(reason, (message) => ({ outcome: 'lost', message })),
      onError: (error) => signals.emit('workerError', { error }),
    });
    const { slotTimeoutMs } = settings;
    if (slotTimeoutMs === undefined) return;
    this.#timeout = { deadlineAt: this.#began + slotTimeoutMs, onDeadline: () => this.#runOutOfTime(slotTimeoutMs) };
    timer.set(this.#timeout);
  }

  #runOutOfTime(ms: number): void {
    this.#interrupt(
      new SlotTimeoutError(`cannot finish the message: its slots took longer than ${ms} ms`),
      (message, error) => {
        return this.#onceTracked(() => this.#retried(message, 'attempts', error));
      },
    );
  }

  #interrupt(
    reason: Error,
    disposition: (message: Message, reason: Error) => Disposition | Promise<Disposition>,
  ): void {
    const message = this.#message;
    if (this.#isDecided || message === undefined) return;
    this.#context?.abort(reason);
    this.#decide(() => disposition(message, reason));
  }

  #settleUnhandled(message: Message): void {
    const { unhandled } = this.#environment.settings;
    const error = new Error(
      `cannot handle the message: no slot is connected for messages of type ${preview(message.type)}`,
    );
    if (unhandled === 'ignore') this.#decide(() => ({ outcome: 'finished', message, durationMs: 0 }));
    else if (unhandled === 'release') this.#retry(message, 'unhandled', error);
    else this.#fail(message, 'unhandled', error);
  }

  #fail(message: Message | undefined, reason: FailureReason, error: unknown): void {
    this.#decide(() => this.#onceTracked(() => ({ outcome: 'failed', message, reason, error })));
  }

  #retry(message: Message, reason: FailureReason, error: unknown): void {
    this.#decide(() => this.#onceTracked(() => this.#retried(message, reason, error)));
  }

  /** Released, or buried for `reason` where this was the last attempt. */
  #retried(message: Message, reason: FailureReason, error: unknown): Disposition {
    const isLast = this.#attempt !== undefined && this.#attempt >= this.#environment.settings.attempts;
    if (isLast) return { outcome: 'failed', message, reason, error };
    return { outcome: 'released', message, delayMs: this.#delayAfter(error), error };
  }

  #delayAfter(failure: unknown): number {
    try {
      return Math.min(this.#environment.settings.retryDelay(this.#attempt ?? 1, failure), LONGEST_DELAY_MS);
    } catch (error) {
      this.#environment.signals.emit('workerError', { error });
      return FALLBACK_DELAY_MS;
    }
  }

  /** The disposition of a message that has failed, for which the attempt must be known. */
  async #onceTracked(disposition: () => Disposition): Promise<Disposition> {
    try {
      if (this.#attempt === undefined) await this.#reservation.track?.();
      this.#attempt = this.#reservation.attempt;
    } catch (error) {
      if (isA(LeaseLostError, error)) return { outcome: 'lost', message: this.#message };
      this.#environment.signals.emit('workerError', { error });
    }
    return disposition();
  }

  /** The first one to say what is to become of the message is heeded. */
  #decide(disposition: () => Disposition | Promise<Disposition>): void {
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.#lease?.stop();
    if (this.#timeout) this.#environment.timer.cancel(this.#timeout);
    this.#resolve(disposition());
  }

  /**
   * Issues the command that settles the message at once, so that the next reserve can share its write.
   * @returns how the delivery ended, once the engine has answered; rejects when the engine fails
   */
  async settle(disposition: Disposition): Promise<Outcome> {
    const { outcome, message } = disposition;
    const { signals } = this.#environment;
    const { queue, id: jobId } = this.#reservation;
    const attempt = this.#attempt;
    if (outcome === 'lost') return this.#settleLost(message);
    try {
      if (outcome === 'finished') {
        await this.#reservation.ack();
        signals.emit('messageFinished', { queue, jobId, attempt, message, durationMs: disposition.durationMs });
      } else if (outcome === 'released') {
        const { delayMs, error } = disposition;
        this.#reconnectSlots();
        await this.#reservation.release({ delayMs });
        signals.emit('messageReleased', { queue, jobId, attempt, message, delayMs, error });
      } else {
        const { reason, error } = disposition;
        await this.#bury(reason, error);
        const { body, failureError } = this.#reservation;
        if (failureError !== undefined) signals.emit('workerError', { error: failureError });
        signals.emit('messageFailed', { queue, jobId, attempt, message, body, reason, error });
      }
    } catch (error) {
      if (!isA(LeaseLostError, error)) throw error;
      this.#tellLost(message);
      return 'lost';
    }
    return outcome;
  }

  #bury(reason: FailureReason, error: unknown): Promise<void> {
    const { keepsFailure } = this.#environment;
    if (!keepsFailure) return this.#reservation.bury({});
    return this.#reservation.bury({ failure: toFailure(error, { reason, attempt: this.#attempt }) });
  }

  /** Where only our own clock says that the lease is over, the engine may think otherwise, and wait for us. */
  async #settleLost(message: Message | undefined): Promise<Outcome> {
    this.#tellLost(message);
    if (!this.#reservation.lost.aborted) {
      await this.#reservation.release().catch(() => {
        // It was lost indeed, or the engine cannot be reached.
      });
    }
    return 'lost';
  }

  #tellLost(message: Message | undefined): void {
    const { queue, id: jobId } = this.#reservation;
    this.#reconnectSlots();
    if (message) this.#environment.signals.emit('messageExpired', { queue, jobId, attempt: this.#attempt, message });
  }

  /** It will be delivered again, and then needs its slots. */
  #reconnectSlots(): void {
    if (this.#context) this.#environment.signals.reconnect(this.#context);
  }
}
