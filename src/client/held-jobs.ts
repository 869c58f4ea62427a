import { createDebug } from '../debug.js';
import { NotFoundError } from '../protocol/errors.js';
import type { JobStats } from '../protocol/stats.js';
import { ConnectionLostError } from './errors.js';
import { ExpiryWatch, type HoldingConnection } from './expiry-watch.js';
import { giveBackJob, statsJob, touchJob } from './operations.js';
import type { Delivery, Request, Sender } from './request.js';

const debug = createDebug('haricot:connection');

/** The least TTR that the server grants: a delivery that is younger cannot have been followed by another. */
const LEAST_TTR_MS = 1000;

/** Of more former deliveries it is not kept whether the job has come again: their holders are told that it has. */
const MOST_FORMER = 1000;

/** The connection that holds the jobs. */
export interface Holder extends Sender {
  /** Whether the server reads what is sent: not while a reserve waits. */
  readonly isListening: boolean;
  readonly isOpen: boolean;
  /** Whether a reserve is out by which somebody may be given a job. */
  readonly awaitsJobs: boolean;
  /** A job is not held any more. */
  onLetGo(): void;
}

/**
 * The jobs that a connection has reserved, and for which no command was sent that gives them up.
 *
 * The server knows a holder by its connection alone. Only the client can tell whether a job is settled by the one it was
 * delivered to, or by one who had it before.
 */
export class HeldJobs implements HoldingConnection {
  readonly #holder: Holder;
  readonly #deliveries = new Map<string, Delivery>();
  /**
   * Released, buried or expired, and not delivered again down this connection: what may still be done with the job is for the
   * server to say.
   */
  readonly #former = new Map<string, Delivery>();
  readonly #expiryWatch: ExpiryWatch;
  /** Sends the commands at once that wait for a touch to be answered. */
  readonly #confirming = new Set<() => void>();

  constructor(holder: Holder) {
    this.#holder = holder;
    this.#expiryWatch = new ExpiryWatch(this);
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

  /** A job has come; an earlier delivery of it is over. */
  add(jobId: string, askedAt: number): void {
    this.#deliveries.set(jobId, { jobId, askedAt });
    if (this.#former.size > 0) this.#former.delete(jobId);
    this.#expiryWatch.add(jobId);
  }

  /** It was deleted: there is nothing that could still be done. */
  delete(jobId: string): void {
    if (this.#former.size > 0) this.#former.delete(jobId);
    if (!this.#deliveries.delete(jobId)) return;
    this.#expiryWatch.delete(jobId);
    this.#holder.onLetGo();
  }

  /** It is held no longer. */
  forget(jobId: string): void {
    const delivery = this.#deliveries.get(jobId);
    if (delivery === undefined) return;
    this.#deliveries.delete(jobId);
    this.#expiryWatch.delete(jobId);
    this.#former.set(jobId, delivery);
    const [oldest] = this.#former.keys();
    if (this.#former.size > MOST_FORMER && oldest !== undefined) this.#former.delete(oldest);
    this.#holder.onLetGo();
  }

  clear(): void {
    this.#expiryWatch.stop();
    this.#deliveries.clear();
    this.#former.clear();
    this.confirmAll();
  }

  askAbout(jobId: string): Promise<JobStats | null> {
    return statsJob(this.#holder, jobId);
  }

  /** Releases a job that nobody was given. */
  giveBack(jobId: string): void {
    giveBackJob(this.#holder, jobId).catch((error) => {
      debug('could not give back %s: %o', jobId, error);
      this.forget(jobId);
    });
  }

  /**
   * Sends a command of one who was delivered the job.
   * @throws NotFoundError when that delivery is over: then nothing is sent
   */
  sendFor<T>(delivery: Delivery | undefined, request: Request<T>): Promise<T> {
    if (delivery !== undefined && this.#isCurrent(delivery)) {
      return this.#mayComeAgain(delivery) ? this.#sendConfirmed(delivery, request) : this.#holder.send(request);
    }
    // A connection that ends has its own answer to commands about jobs that it does not hold.
    const isRefused = !this.#holder.isOpen && !this.#deliveries.has(request.jobId ?? '');
    return isRefused ? this.#holder.send(request) : Promise.reject(overDelivery(request));
  }

  /** Waits for no touch any more: nobody will be given a job. */
  confirmAll(): void {
    for (const confirm of this.#confirming) confirm();
  }

  #isCurrent(delivery: Delivery): boolean {
    const { jobId } = delivery;
    return this.#deliveries.get(jobId) === delivery || this.#former.get(jobId) === delivery;
  }

  /** Whether a reserve that is out may bring the job again before the server reads what is sent now. */
  #mayComeAgain({ jobId, askedAt }: Delivery): boolean {
    if (!this.#holder.awaitsJobs) return false;
    return this.#former.has(jobId) || performance.now() - askedAt >= LEAST_TTR_MS;
  }

  /** Behind a touch: when it is answered, those reserves are answered too, and the job is certainly held for a while. */
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
    throw overDelivery(request);
  }
}

/** Nothing is sent then: the job may be held by somebody else, down the same connection even. */
function overDelivery({ command, jobId }: Request<unknown>): NotFoundError {
  return new NotFoundError('the job is not held any more: it was settled, or its TTR is over', { command, jobId });
}
