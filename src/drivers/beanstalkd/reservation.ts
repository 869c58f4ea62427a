import { NotFoundError } from '../../client/errors.js';
import type { Job } from '../../client/job.js';
import type { Reservation } from '../../queue/driver.js';
import { LeaseLostError, UnsupportedError } from '../../queue/errors.js';
import { checkPriority } from '../../queue/priority.js';
import type { Budgets } from './budget.js';
import { toSeconds } from './tubes.js';

type JobStats = NonNullable<Awaited<ReturnType<Job['stats']>>>;

/** What `stats-job` tells of a reserved job, and RESERVED does not. */
export type Known = Pick<JobStats, 'pri' | 'ttr' | 'reserves' | 'buries' | 'kicks'>;

/** While the TTR is unknown it is taken for the shortest that there is. */
const SHORTEST_TTR_MS = 1000;

/** What holds jobs: a connection. */
export interface Holder {
  /** Whether it reserves while it holds jobs. */
  readonly isShared: boolean;
  /** It has been given a job: whoever held that before holds it no longer. */
  comes(jobId: string): void;
  /** The job is no longer held: the command that settles it is on its way, or it is lost. */
  letGo(reservation: BeanstalkdReservation): void;
}

/** A job, with the connection that holds it. */
export class BeanstalkdReservation implements Reservation {
  readonly id: string;
  readonly queue: string;
  readonly body: Buffer;
  readonly #job: Job;
  readonly #holder: Holder;
  readonly #budgets: Budgets;
  #attempt: number | undefined;
  /** The lease began then, or later. */
  #leasedAt: number;
  #known: Known | undefined;
  #lost: AbortController | undefined;
  /** Why it can no longer be settled. */
  #over: string | undefined;
  #isLost = false;

  /**
   * @param known nothing: it is asked for when it is needed
   * @param leasedAt by `performance.now()`, not later than the server's
   */
  constructor(job: Job, queue: string, known: Known | undefined, holder: Holder, leasedAt: number, budgets: Budgets) {
    this.id = job.id;
    this.queue = queue;
    this.body = job.body;
    this.#job = job;
    this.#holder = holder;
    this.#leasedAt = leasedAt;
    this.#budgets = budgets;
    if (known !== undefined) this.#learn(known);
  }

  get attempt(): number | undefined {
    return this.#attempt;
  }

  get ttrMs(): number {
    return this.#known === undefined ? SHORTEST_TTR_MS : this.#known.ttr * 1000;
  }

  get leaseEndsAt(): number {
    return this.#leasedAt + this.ttrMs;
  }

  // Made when it is asked for: most messages are done before anybody does.
  get lost(): AbortSignal {
    if (this.#lost === undefined) {
      this.#lost = new AbortController();
      if (this.#isLost) this.#lost.abort(this.#lostError());
    }
    return this.#lost.signal;
  }

  async track(): Promise<void> {
    if (this.#over !== undefined) throw this.#lostError();
    if (this.#known !== undefined) return;
    const stats = await this.#job.stats();
    if (stats?.state !== 'reserved') {
      this.lose('its lease had ended');
      throw this.#lostError();
    }
    this.#learn(stats);
  }

  #learn(known: Known): void {
    this.#known = known;
    this.#attempt = this.#budgets.attemptOf(this.id, known);
  }

  ack(): Promise<void> {
    this.#budgets.forget(this.id);
    return this.#settle('it was acknowledged', () => this.#job.delete());
  }

  async release({ priority, delayMs = 0 }: Parameters<Reservation['release']>[0] = {}): Promise<void> {
    // Refused before anything is given up: then the message is still held.
    const delay = toSeconds(delayMs);
    if (priority !== undefined) checkPriority(priority);
    else if (this.#known === undefined) await this.track();
    return this.#settle('it was released', () => this.#job.release({ priority: priority ?? this.#known?.pri, delay }));
  }

  async bury({ priority, failure }: Parameters<Reservation['bury']>[0] = {}): Promise<void> {
    if (failure !== undefined) throw new UnsupportedError('beanstalkd keeps no failure with a job that is buried');
    if (priority !== undefined) checkPriority(priority);
    else if (this.#known === undefined) await this.track();
    return this.#settle('it was buried', () => this.#job.bury({ priority: priority ?? this.#known?.pri }));
  }

  async touch(): Promise<void> {
    if (this.#over !== undefined) throw this.#lostError();
    const sentAt = performance.now();
    try {
      await this.#job.touch();
    } catch (error) {
      throw this.#translate(error);
    }
    if (this.#isLost) throw this.#lostError();
    this.#leasedAt = sentAt;
  }

  /** It is known to be lost. Does nothing once the command that settles it was sent. */
  lose(why: string): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#isLost = true;
    this.#lost?.abort(this.#lostError());
    this.#holder.letGo(this);
  }

  async #settle(how: string, command: () => Promise<void>): Promise<void> {
    if (this.#mayBeAnothers()) await this.touch();
    if (this.#over !== undefined) throw this.#lostError();
    this.#over = how;
    const answer = command();
    this.#holder.letGo(this);
    try {
      await answer;
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /**
   * A lease that is over may have begun anew for somebody else on a shared connection, for whom the server would take the command.
   * When the answer to a touch is here, every reserve that was sent before is answered too, and has told.
   */
  #mayBeAnothers(): boolean {
    return this.#holder.isShared && performance.now() > this.#leasedAt + this.ttrMs / 2;
  }

  #translate(error: unknown): unknown {
    if (!(error instanceof NotFoundError)) return error;
    this.#over = undefined;
    this.lose('its lease had ended');
    return this.#lostError(error);
  }

  #lostError(cause?: unknown): LeaseLostError {
    return new LeaseLostError(`message ${this.id} of queue "${this.queue}" is no longer held: ${this.#over}`, {
      cause,
    });
  }
}
