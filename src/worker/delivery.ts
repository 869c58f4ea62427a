import type { Codec } from '../queue/codec.js';
import type { Reservation } from '../queue/driver.js';
import { LeaseLostError, SlotTimeoutError } from '../queue/errors.js';
import { type Message, validate } from '../queue/message.js';
import type { FailureReason, SlotContext } from '../signals/catalogue.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import { LeaseKeeper } from './lease.js';
import type { Settings } from './options.js';

/** What a delivery needs of its worker. */
export interface DeliveryEnvironment {
  readonly codec: Codec;
  readonly signals: SignalDispatcher;
  readonly settings: Settings;
  /** Whether the engine keeps the reason of a burial. */
  readonly keepsReason: boolean;
}

/** How a delivery ended, once the engine has confirmed it. `lost`: it will be delivered again, whatever its slots did. */
export type Outcome = 'finished' | 'released' | 'failed' | 'lost';

/** What is to become of the message. */
type Verdict =
  | { readonly outcome: 'finished'; readonly message: Message; readonly durationMs: number }
  | { readonly outcome: 'released'; readonly message: Message; readonly delayMs: number; readonly error: unknown }
  | {
      readonly outcome: 'failed';
      readonly message: Message | undefined;
      readonly reason: FailureReason;
      readonly error: unknown;
    }
  | { readonly outcome: 'lost'; readonly message: Message };

/** Why slots were ended from outside. */
interface Interruption {
  readonly kind: 'lost' | 'timeout' | 'stopped';
  /** What the slot's signal and `messageReleased` tell. */
  readonly reason: Error;
}

/** After an error of our own or of a custom backoff, which says no delay. */
const FALLBACK_DELAY_MS = 1000;

/** 100 years, which every engine can hold. */
const LONGEST_DELAY_MS = 100 * 365 * 24 * 3_600_000;

/**
 * One message on its way through the slots: read, checked, handed to each slot, then acknowledged, released or buried.
 *
 * Slots are ended early when the lease is lost, when they take too long, and when the worker must stop now: their signal
 * aborts, and one that does not heed it is waited for no longer. What becomes of it is not applied.
 */
export class Delivery {
  readonly #reservation: Reservation;
  readonly #environment: DeliveryEnvironment;
  readonly #attempt: number;
  #interruption: Interruption | undefined;
  #abortSlots: (reason: Error) => void = () => {};

  constructor(reservation: Reservation, environment: DeliveryEnvironment) {
    this.#reservation = reservation;
    this.#environment = environment;
    this.#attempt = attemptOf(reservation, environment.settings.attempts);
  }

  /** Ends the slots now; the message is released at once. */
  stop(): void {
    this.#interrupt('stopped', new Error('the worker was stopped before the slot had finished'));
  }

  /**
   * Resolves when the command that settles the message has been issued, so that the next reserve can share its write.
   * `settled` tells how the delivery ended, once the engine has answered; it rejects when the engine fails.
   */
  async run(): Promise<{ readonly settled: Promise<Outcome> }> {
    return { settled: this.#settle(await this.#judge()) };
  }

  async #judge(): Promise<Verdict> {
    const { codec, signals, settings } = this.#environment;
    let message: Message;
    try {
      message = codec.decode(this.#reservation.body);
    } catch (error) {
      return { outcome: 'failed', reason: 'undecodable', message: undefined, error };
    }
    if (this.#attempt > settings.attempts) {
      const error = new Error(`this is delivery ${this.#attempt}, and ${settings.attempts} are allowed`);
      return { outcome: 'failed', reason: 'attempts', message, error };
    }
    try {
      const call = await signals.prepare(message, validate);
      return call === null ? this.#unhandled(message) : await this.#runSlots(message, call);
    } catch (error) {
      // What slots throw is a verdict of #runSlots: only the check of the data can come here.
      return { outcome: 'failed', reason: 'invalid', message, error };
    }
  }

  async #runSlots(message: Message, call: (context: SlotContext) => Promise<void>): Promise<Verdict> {
    const reservation = this.#reservation;
    const { signals, settings } = this.#environment;
    const began = performance.now();
    const context = new DeliveryContext(reservation, this.#attempt);
    const lease = new LeaseKeeper(reservation, (error) => signals.emit('workerError', { error }));
    const onLost = (): void => this.#interrupt('lost', reservation.lost.reason);
    reservation.lost.addEventListener('abort', onLost, { once: true });
    const timer = settings.slotTimeoutMs === undefined ? undefined : this.#limitTo(settings.slotTimeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#abortSlots = (reason) => {
          context.abort(reason);
          reject(reason);
        };
        if (reservation.lost.aborted) onLost();
        if (this.#interruption) this.#abortSlots(this.#interruption.reason);
        else call(context).then(resolve, reject);
      });
      return { outcome: 'finished', message, durationMs: performance.now() - began };
    } catch (error) {
      return this.#failedSlots(message, error);
    } finally {
      this.#abortSlots = () => {};
      reservation.lost.removeEventListener('abort', onLost);
      clearTimeout(timer);
      lease.stop();
    }
  }

  #failedSlots(message: Message, error: unknown): Verdict {
    const kind = this.#interruption?.kind;
    if (kind === 'lost') return { outcome: 'lost', message };
    if (kind === 'stopped') return { outcome: 'released', message, delayMs: 0, error };
    if (this.#attempt >= this.#environment.settings.attempts) {
      return { outcome: 'failed', reason: 'attempts', message, error };
    }
    return { outcome: 'released', message, delayMs: this.#delayAfter(error), error };
  }

  #unhandled(message: Message): Verdict {
    const { settings } = this.#environment;
    const error = new Error(`no slot is connected for messages of type "${message.type}"`);
    if (settings.unhandled === 'ignore') return { outcome: 'finished', message, durationMs: 0 };
    if (settings.unhandled === 'release' && this.#attempt < settings.attempts) {
      return { outcome: 'released', message, delayMs: this.#delayAfter(error), error };
    }
    return { outcome: 'failed', reason: 'unhandled', message, error };
  }

  #delayAfter(failure: unknown): number {
    try {
      return Math.min(this.#environment.settings.retryDelay(this.#attempt, failure), LONGEST_DELAY_MS);
    } catch (error) {
      this.#environment.signals.emit('workerError', { error });
      return FALLBACK_DELAY_MS;
    }
  }

  async #settle(verdict: Verdict): Promise<Outcome> {
    const { signals, keepsReason } = this.#environment;
    const reservation = this.#reservation;
    const about = { queue: reservation.queue, jobId: reservation.id, attempt: this.#attempt };
    try {
      switch (verdict.outcome) {
        case 'finished':
          await reservation.ack();
          signals.emit('messageFinished', { ...about, message: verdict.message, durationMs: verdict.durationMs });
          break;
        case 'released':
          await reservation.release({ delayMs: verdict.delayMs });
          signals.emit('messageReleased', {
            ...about,
            message: verdict.message,
            delayMs: verdict.delayMs,
            error: verdict.error,
          });
          break;
        case 'failed':
          await reservation.bury(keepsReason ? { reason: textOf(verdict.error) } : {});
          signals.emit('messageFailed', {
            ...about,
            message: verdict.message,
            body: reservation.body,
            reason: verdict.reason,
            error: verdict.error,
          });
          break;
        case 'lost':
          signals.emit('messageExpired', { ...about, message: verdict.message });
          break;
      }
      return verdict.outcome;
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
      if (verdict.message) signals.emit('messageExpired', { ...about, message: verdict.message });
      return 'lost';
    }
  }

  #limitTo(ms: number): NodeJS.Timeout {
    return setTimeout(
      () => this.#interrupt('timeout', new SlotTimeoutError(`the slots took longer than ${ms} ms`)),
      ms,
    );
  }

  #interrupt(kind: Interruption['kind'], reason: Error): void {
    if (this.#interruption) return;
    this.#interruption = { kind, reason };
    this.#abortSlots(reason);
  }
}

class DeliveryContext implements SlotContext {
  readonly queue: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly #reservation: Reservation;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  constructor(reservation: Reservation, attempt: number) {
    this.queue = reservation.queue;
    this.jobId = reservation.id;
    this.attempt = attempt;
    this.#reservation = reservation;
  }

  // Made when it is asked for: most slots never do.
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  touch(): Promise<void> {
    return this.#reservation.touch();
  }
}

/** A kick grants a fresh budget; on engines that go on counting, it adds one to what is allowed. */
function attemptOf({ attempt, kicks = 0 }: Reservation, attempts: number): number {
  return Math.max(1, attempt - kicks * attempts);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
