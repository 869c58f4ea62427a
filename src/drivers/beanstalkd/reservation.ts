import type { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import type { Job } from '../../client/job.js';
import { checkSettlement } from '../../queue/checks.js';
import type { Reservation } from '../../queue/driver.js';
import { type EngineError, LeaseLostError } from '../../queue/errors.js';
import type { Failure } from '../../queue/failure.js';
import { Budgets } from './budget.js';
import { isDisconnection, toHaricotError } from './errors.js';
import type { JobStats } from './journal.js';
import type { Journals, QueueJournal } from './journals.js';
import { type Tubes, toSeconds } from './tubes.js';

/** What `stats-job` tells of a reserved job, and RESERVED does not. */
export type DeliveryStats = Pick<JobStats, 'pri' | 'ttr' | 'reserves' | 'buries' | 'kicks'>;

/** While the TTR is unknown it is taken for the shortest that there is. */
const SHORTEST_TTR_MS = 1000;

/** A lease is renewed when this part of it is over. */
const RENEW_AFTER = 0.4;

/** What all reservations of a driver share. */
export interface DeliveryContext {
  readonly tubes: Tubes;
  readonly journals: Journals;
}

/** The connection that holds a job. */
export interface Holder {
  readonly client: Client;
  /** The job is no longer held: the command that settles it is on its way, or it is lost. */
  onSettled(reservation: BeanstalkdReservation): void;
}

/** A job, with the connection that holds it. */
export class BeanstalkdReservation implements Reservation {
  readonly id: string;
  readonly body: Buffer;
  /** The consumer to which it was handed out. */
  owner: unknown;
  /** What the server counts of the job, this delivery included; undefined until it is asked for. */
  #stats: DeliveryStats | undefined;
  #attempt: number | undefined;
  readonly #job: Job;
  readonly #tubes: Tubes;
  readonly #journals: Journals;
  readonly #holder: Holder;
  #tube: string;
  /** The lease began then, or later. */
  #leasedAt: number;
  /** The question for `stats` that is on its way. */
  #asking: Promise<void> | undefined;
  /** The record from which the attempts are counted, after a kick. */
  #recordId: string | undefined;
  #failureError: EngineError | undefined;
  #lost: AbortController | undefined;
  /** Why it can no longer be settled. */
  #end: string | undefined;
  #isLost = false;

  /**
   * @param tube undefined where the server must be asked
   * @param leasedAt by `performance.now()`, not later than the server's
   */
  constructor(
    job: Job,
    { tubes, journals }: DeliveryContext,
    tube: string | undefined,
    holder: Holder,
    leasedAt: number,
  ) {
    this.id = job.id;
    this.body = job.body;
    this.#job = job;
    this.#tubes = tubes;
    this.#journals = journals;
    this.#tube = tube ?? '';
    this.#holder = holder;
    this.#leasedAt = leasedAt;
  }

  get tube(): string {
    return this.#tube;
  }

  get queue(): string {
    return this.#tubes.queueOf(this.#tube);
  }

  get attempt(): number | undefined {
    return this.#attempt;
  }

  get ttrMs(): number {
    return this.#stats === undefined ? SHORTEST_TTR_MS : this.#stats.ttr * 1000;
  }

  get leaseEndsAt(): number {
    return this.#leasedAt + this.ttrMs;
  }

  /** Made when it is asked for: most messages are done before anybody does. Who asks needs to know the TTR soon. */
  get lost(): AbortSignal {
    if (this.#lost === undefined) {
      this.#lost = new AbortController();
      if (this.#isLost) this.#lost.abort(this.#lostError());
      else this.#ask().catch(() => {});
    }
    return this.#lost.signal;
  }

  /** Whether it was settled or is lost. */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  get failureError(): EngineError | undefined {
    return this.#failureError;
  }

  /** What the server counts is known from now on. */
  learn(stats: DeliveryStats): void {
    this.#stats = stats;
    this.#attempt = stats.reserves;
  }

  /** Asks for what RESERVED does not tell. @returns false when it is not held any more @throws EngineError */
  async describe(): Promise<boolean> {
    try {
      await this.#ask();
    } catch (error) {
      this.markLost('its connection failed');
      throw error;
    }
    return !this.#isLost;
  }

  async track(): Promise<void> {
    if (this.#end !== undefined) throw this.#lostError();
    await this.#ask();
    if (this.#isLost) throw this.#lostError();
  }

  ack(): Promise<void> {
    return this.#settle('it was acknowledged', () => {
      const deleted = this.#job.delete();
      this.#forgetRecord();
      return deleted;
    });
  }

  async release(options: Parameters<Reservation['release']>[0] = {}): Promise<void> {
    checkSettlement(options);
    const { priority, delayMs = 0 } = options;
    const delay = toSeconds(delayMs);
    // Nothing is waited for that need not be: the command shares its write with the next reserve.
    if (priority === undefined && this.#stats === undefined) await this.track();
    const kept = priority ?? this.#stats?.pri;
    return this.#settle('it was released', () => this.#job.release({ priority: kept, delay }));
  }

  async bury(options: Parameters<Reservation['bury']>[0] = {}): Promise<void> {
    checkSettlement(options);
    const { priority, failure } = options;
    if (this.#stats === undefined && (priority === undefined || failure !== undefined)) await this.track();
    const kept = priority ?? this.#stats?.pri;
    if (failure === undefined) return this.#settle('it was buried', () => this.#job.bury({ priority: kept }));
    return this.#settle('it was buried', () => this.#buryWith(failure, kept));
  }

  async touch(): Promise<void> {
    if (this.#end !== undefined) throw this.#lostError();
    const sentAt = performance.now();
    const touching = this.#job.touch();
    // In the same write: from now on the TTR is known.
    if (this.#stats === undefined) this.#ask().catch(() => {});
    try {
      await touching;
      await this.#asking;
    } catch (error) {
      throw this.#translate(error);
    }
    if (this.#isLost) throw this.#lostError();
    this.#leasedAt = sentAt;
  }

  /** Puts it back as it was, when its holder has gone: for that holder it is lost. */
  async giveBack(why: string): Promise<void> {
    if (this.#stats === undefined) await this.track();
    if (this.#end !== undefined) return;
    const released = this.#job.release({ priority: this.#stats?.pri });
    this.markLost(why);
    await released;
  }

  /** It is known to be lost. Does nothing once the command that settles it was sent. */
  markLost(why: string): void {
    if (this.#end !== undefined) return;
    this.#end = why;
    this.#isLost = true;
    this.#lost?.abort(this.#lostError());
    this.#holder.onSettled(this);
  }

  /** Asks for what RESERVED does not tell, once. */
  #ask(): Promise<void> {
    // Some of it may be known before the rest is: an attempt that is counted from a kick on, for one.
    if (this.#asking === undefined && this.#stats !== undefined) return Promise.resolve();
    this.#asking ??= this.#askServer().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askServer(): Promise<void> {
    let stats: JobStats | null;
    try {
      stats = await this.#job.stats();
    } catch (error) {
      throw toHaricotError(error, true);
    }
    if (stats?.state !== 'reserved') {
      this.markLost('its lease had ended');
      return;
    }
    this.#tube = stats.tube;
    this.learn(stats);
    if (Budgets.isPlain(stats)) return;
    // Kicked: the server counts deliveries on, and the journal knows where the new budget began.
    const { budgets } = this.#journal;
    const known = await this.#renewedDuring(budgets.attemptOf(this.#holder.client, stats, this.#leasedAt));
    this.#attempt = known.attempt;
    this.#recordId = known.recordId;
  }

  /** Reading the journal may take longer than a lease: it is renewed, or nobody would ever get the message in time. */
  async #renewedDuring<T>(work: Promise<T>): Promise<T> {
    const timer = setInterval(() => {
      const sentAt = performance.now();
      this.#job.touch().then(
        () => {
          this.#leasedAt = sentAt;
        },
        (error: unknown) => {
          if (error instanceof NotFoundError) this.markLost('its lease had ended');
        },
      );
    }, this.ttrMs * RENEW_AFTER);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  }

  /** The record goes ahead, in the same write; what becomes of it does not hinder the burial. */
  async #buryWith(failure: Failure, priority: number | undefined): Promise<void> {
    const { client } = this.#holder;
    const { journal } = this.#journal;
    const { kicks = 0, reserves = 0, buries = 0 } = this.#stats ?? {};
    const recording = journal.put(client, { jobId: this.id, kicks, reserves, buries: buries + 1, failure });
    const burying = this.#job.bury({ priority });
    this.#forgetRecord();
    const recordId = await recording.catch((error: unknown) => {
      this.#failureError = toHaricotError(error) as EngineError;
    });
    try {
      await burying;
    } catch (error) {
      // It is not buried by us, so the record tells nothing.
      if (typeof recordId === 'string') journal.forget(client, recordId).catch(() => {});
      throw error;
    }
  }

  /** The record of an earlier burial, once the message is gone or has a newer one. The next listing finds what is left. */
  #forgetRecord(): void {
    if (this.#recordId !== undefined) this.#journal.journal.forget(this.#holder.client, this.#recordId).catch(() => {});
  }

  get #journal(): QueueJournal {
    return this.#journals.of(this.queue);
  }

  async #settle(how: string, command: () => Promise<void>): Promise<void> {
    if (this.#end !== undefined) throw this.#lostError();
    this.#end = how;
    const answer = command();
    this.#holder.onSettled(this);
    try {
      await answer;
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    // What could not be sent has changed nothing, and the server gives back what a lost connection held.
    const isOver = error instanceof NotFoundError || (isDisconnection(error) && this.#isLost);
    if (!isOver) return toHaricotError(error);
    if (error instanceof NotFoundError) {
      this.#end = undefined;
      this.markLost('its lease had ended');
    }
    return this.#lostError(error);
  }

  #lostError(cause?: unknown): LeaseLostError {
    return new LeaseLostError(
      `cannot settle or renew message ${this.id} of queue "${this.queue}": it is no longer held: ${this.#end}`,
      {
        cause,
      },
    );
  }
}
