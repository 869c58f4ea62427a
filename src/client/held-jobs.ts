import { createDebug } from '../debug.js';
import { NotFoundError } from '../protocol/errors.js';
import type { JobStats } from '../protocol/stats.js';
import { ConnectionLostError } from './errors.js';
import { giveBackJob, statsJob, touchJob } from './operations.js';
import type { Delivery, Request, Sender } from './request.js';
import { TtrWatchdog, type WatchedConnection } from './ttr-watchdog.js';

const debug = createDebug('haricot:connection');

/** The shortest TTR that the server grants. A younger delivery cannot have been followed by another one. */
const SHORTEST_TTR_MS = 1000;

/** How many former deliveries are remembered. Older ones count as delivered again. */
const MAX_FORMER_DELIVERIES = 1000;

/** The connection that holds the jobs. */
export interface Holder extends Sender {
  /** Whether the server reads what is sent. It does not while a reserve waits. */
  readonly isListening: boolean;
  readonly isOpen: boolean;
  /** Whether a reserve is pending that may deliver a job to a caller. */
  readonly awaitsJobs: boolean;
  /** Called when a job is no longer held. */
  onSettled(): void;
}

/**
 * The jobs that a connection has reserved and for which no settling command was sent.
 *
 * The server identifies a holder by its connection only. When the same job is delivered twice on one connection, only the client can
 * tell which delivery a command belongs to.
 */
export class HeldJobs implements WatchedConnection {
  readonly #holder: Holder;
  readonly #deliveries = new Map<string, Delivery>();
  /**
   * Deliveries that were released, buried or expired and were not followed by another on this connection. The server decides which
   * commands their jobs still accept.
   */
  readonly #formerDeliveries = new Map<string, Delivery>();
  readonly #watchdog: TtrWatchdog;
  /** Each function sends at once a command that waits for the reply to a touch. */
  readonly #confirming = new Set<() => void>();

  constructor(holder: Holder) {
    this.#holder = holder;
    this.#watchdog = new TtrWatchdog(this);
  }

  get size(): number {
    return this.#deliveries.size;
  }

  get isListening(): boolean {
    return this.#holder.isListening;
  }

  has(jobId: string): boolean {
    return this.#deliveries.has(jobId);
  }

  get(jobId: string): Delivery | undefined {
    return this.#deliveries.get(jobId);
  }

  /** Adds a delivery, which ends an earlier one of the same job. */
  add(jobId: string, requestedAt: number): void {
    this.#deliveries.set(jobId, { jobId, requestedAt });
    if (this.#formerDeliveries.size > 0) this.#formerDeliveries.delete(jobId);
    this.#watchdog.add(jobId);
  }

  /** Removes a job that was deleted. No further command for it is accepted. */
  delete(jobId: string): void {
    if (this.#formerDeliveries.size > 0) this.#formerDeliveries.delete(jobId);
    if (!this.#deliveries.delete(jobId)) return;
    this.#watchdog.delete(jobId);
    this.#holder.onSettled();
  }

  /** Removes a job that is no longer held but may still exist. */
  forget(jobId: string): void {
    const delivery = this.#deliveries.get(jobId);
    if (delivery === undefined) return;
    this.#deliveries.delete(jobId);
    this.#watchdog.delete(jobId);
    this.#formerDeliveries.set(jobId, delivery);
    const [oldest] = this.#formerDeliveries.keys();
    if (this.#formerDeliveries.size > MAX_FORMER_DELIVERIES && oldest !== undefined) {
      this.#formerDeliveries.delete(oldest);
    }
    this.#holder.onSettled();
  }

  clear(): void {
    this.#watchdog.stop();
    this.#deliveries.clear();
    this.#formerDeliveries.clear();
    this.confirmAll();
  }

  statsJob(jobId: string): Promise<JobStats | null> {
    return statsJob(this.#holder, jobId);
  }

  /** Releases a job that was delivered to no caller. */
  giveBack(jobId: string): void {
    giveBackJob(this.#holder, jobId).catch((error) => {
      debug('could not give back %s: %o', jobId, error);
      this.forget(jobId);
    });
  }

  /**
   * Sends a command of the holder of a delivery.
   * @throws NotFoundError when that delivery is over; then nothing is sent
   */
  sendFor<T>(delivery: Delivery | undefined, request: Request<T>): Promise<T> {
    if (delivery !== undefined && this.#isCurrent(delivery)) {
      return this.#mayBeDeliveredAgain(delivery) ? this.#sendConfirmed(delivery, request) : this.#holder.send(request);
    }
    // A connection that is ending rejects commands about jobs that it does not hold with its own error.
    const isRefused = !this.#holder.isOpen && !this.#deliveries.has(request.jobId ?? '');
    return isRefused ? this.#holder.send(request) : Promise.reject(deliveryOver(request));
  }

  /** Sends the commands that wait for a touch: no job will be delivered any more. */
  confirmAll(): void {
    for (const confirm of this.#confirming) confirm();
  }

  #isCurrent(delivery: Delivery): boolean {
    const { jobId } = delivery;
    return this.#deliveries.get(jobId) === delivery || this.#formerDeliveries.get(jobId) === delivery;
  }

  /** Whether a pending reserve may deliver the job again before the server reads a command that is sent now. */
  #mayBeDeliveredAgain({ jobId, requestedAt }: Delivery): boolean {
    if (!this.#holder.awaitsJobs) return false;
    return this.#formerDeliveries.has(jobId) || performance.now() - requestedAt >= SHORTEST_TTR_MS;
  }

  /** Sends a touch first. Its reply comes after those of the pending reserves, and confirms that the job is held for a while. */
  async #sendConfirmed<T>(delivery: Delivery, request: Request<T>): Promise<T> {
    const { command, jobId } = request;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#confirming.add(resolve);
        touchJob(this.#holder, delivery.jobId)
          .finally(() => this.#confirming.delete(resolve))
          .then(resolve, reject);
      });
    } catch (cause) {
      if (cause instanceof ConnectionLostError) {
        throw new ConnectionLostError(cause.message, false, { command, jobId, cause });
      }
      if (!(cause instanceof NotFoundError)) throw cause;
      this.delete(delivery.jobId);
    }
    if (this.#isCurrent(delivery) || !this.#holder.isOpen) return this.#holder.send(request);
    throw deliveryOver(request);
  }
}

/** Nothing was sent, because another holder may have the job, possibly on the same connection. */
function deliveryOver({ command, jobId }: Request<unknown>): NotFoundError {
  return new NotFoundError('the job is not held any more: it was settled, or its TTR is over', { command, jobId });
}
