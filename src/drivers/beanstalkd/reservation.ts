import type { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import type { Job } from '../../client/job.js';
import type { ReservedMessage, Settlement, SettlementResult } from '../../queue/driver.js';
import { EngineError, LeaseLostError } from '../../queue/errors.js';
import type { Failure } from '../../queue/failure.js';
import { DONE, type Outcome } from '../../queue/outcome.js';
import { Budgets } from './budget.js';
import { isDisconnection, toEngineError, toHaricotError } from './errors.js';
import type { JobStats, JournalRecord } from './journal.js';
import type { Journals, QueueJournal } from './journals.js';
import { type Tubes, toSeconds } from './tubes.js';

type Release = Extract<Settlement, { kind: 'release' }>;
type Bury = Extract<Settlement, { kind: 'bury' }>;

/** What `stats-job` tells of a reserved job, and RESERVED does not. */
export type DeliveryStats = Pick<JobStats, 'pri' | 'ttr' | 'reserves' | 'buries' | 'kicks'>;

/** While the TTR is unknown it is taken for the shortest that there is. */
const SHORTEST_TTR_MS = 1000;

/** A lease is renewed when this part of it is over. */
const RENEW_AFTER = 0.4;

const done = (): Outcome => DONE;

/** What all reservations of a driver share. */
export interface DeliveryContext {
  readonly tubes: Tubes;
  readonly journals: Journals;
}

/** The connection that holds a job. */
export interface Holder {
  readonly client: Client;
  /** The largest body that the server takes, once `learnMaxJobSize` has resolved. */
  readonly maxJobSize: number | undefined;
  learnMaxJobSize(): Promise<void>;
  /** The job is no longer held: the command that settles it is on its way, or it is lost. */
  onSettled(reservation: BeanstalkdReservation): void;
  /** The server has refused that command, and the job is held as before. */
  onRefused(reservation: BeanstalkdReservation): void;
}

/** A job, with the connection that holds it. */
export class BeanstalkdReservation implements ReservedMessage {
  readonly jobId: string;
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
  #lost: AbortController | undefined;
  /** Why it can no longer be settled. */
  #end: string | undefined;
  /** The command that settles it waits for an answer to a question. */
  #isUnsent = false;
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
    this.jobId = job.id;
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

  /** Sends the command before it returns, except where the server must be asked first. Never rejects. */
  settle(settlement: Settlement): Promise<Outcome> {
    if (this.#end !== undefined) return Promise.resolve([{ error: this.#lostError() }]);
    switch (settlement.kind) {
      case 'ack':
        this.#end = 'it was acknowledged';
        return this.#ack();
      case 'release':
        this.#end = 'it was released';
        return settlement.priority === undefined && this.#stats === undefined
          ? this.#onceKnown(this.#ask(), () => this.#release(settlement))
          : this.#release(settlement);
      case 'bury':
        this.#end = 'it was buried';
        return this.#stats === undefined || !this.#knowsSizeFor(settlement)
          ? this.#onceKnown(this.#askForBurial(settlement), () => this.#bury(settlement))
          : this.#bury(settlement);
    }
  }

  async touch(): Promise<Outcome> {
    if (this.#end !== undefined) return [{ error: this.#lostError() }];
    const sentAt = performance.now();
    const touching = this.#job.touch();
    // In the same write: from now on the TTR is known.
    if (this.#stats === undefined) this.#ask().catch(() => {});
    try {
      await touching;
      await this.#asking;
    } catch (error) {
      if (error instanceof NotFoundError) this.markLost('its lease had ended');
      return [{ error: this.#isLost ? this.#lostError(error) : toHaricotError(error) }];
    }
    if (this.#isLost) return [{ error: this.#lostError() }];
    this.#leasedAt = sentAt;
    return DONE;
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
    if (this.#end !== undefined && !this.#isUnsent) return;
    this.#end = why;
    this.#isUnsent = false;
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

  /** The command follows when the server has told what it needs; until then the connection holds the job. */
  async #onceKnown(known: Promise<unknown>, command: () => Promise<Outcome>): Promise<Outcome> {
    this.#isUnsent = true;
    try {
      await known;
    } catch (error) {
      // Nothing was sent. A connection that is gone has made it lost, or is about to.
      if (isDisconnection(error)) this.markLost('its connection closed');
      if (this.#isLost) return [{ error: this.#lostError(error) }];
      this.#end = undefined;
      this.#isUnsent = false;
      return [{ error: toHaricotError(error, true) }];
    }
    if (this.#isLost) return [{ error: this.#lostError() }];
    this.#isUnsent = false;
    return command();
  }

  #ack(): Promise<Outcome> {
    const deleted = this.#job.delete();
    this.#forgetRecord();
    return this.#settled(deleted);
  }

  #release({ priority = this.#stats?.pri, delayMs = 0 }: Release): Promise<Outcome> {
    return this.#settled(this.#job.release({ priority, delay: toSeconds(delayMs) }));
  }

  /** The record goes ahead, in the same write; what becomes of it does not hinder the burial. */
  async #bury({ priority = this.#stats?.pri, failure }: Bury): Promise<Outcome> {
    const { client, maxJobSize } = this.#holder;
    const { journal } = this.#journal;
    const recording = journal.put(client, this.#burialRecord(failure), maxJobSize);
    const burying = this.#settled(this.#job.bury({ priority }));
    this.#forgetRecord();
    let recordId: string | undefined;
    let failureError: EngineError | undefined;
    try {
      recordId = await recording;
    } catch (error) {
      failureError = toEngineError(error);
    }
    const outcome = await burying;
    if (outcome === DONE) return failureError && failure ? [{ failureError }] : DONE;
    // It is not buried by us, so the record tells nothing.
    if (recordId !== undefined) journal.forget(client, recordId).catch(() => {});
    return outcome;
  }

  /** A record with a failure must not be too large for the server; the connection asks once. */
  #knowsSizeFor({ failure }: Bury): boolean {
    return failure === undefined || this.#holder.maxJobSize !== undefined;
  }

  async #askForBurial(settlement: Bury): Promise<void> {
    await Promise.all([this.#ask(), this.#knowsSizeFor(settlement) || this.#holder.learnMaxJobSize()]);
  }

  #burialRecord(failure: Failure | undefined): JournalRecord {
    const { kicks = 0, reserves = 0, buries = 0 } = this.#stats ?? {};
    return { jobId: this.jobId, kicks, reserves, buries: buries + 1, attempts: this.#attempt, failure };
  }

  /** The record of an earlier burial, once the message is gone or has a newer one. The next listing finds what is left. */
  #forgetRecord(): void {
    if (this.#recordId !== undefined) this.#journal.journal.forget(this.#holder.client, this.#recordId).catch(() => {});
  }

  get #journal(): QueueJournal {
    return this.#journals.of(this.queue);
  }

  /** The command is on its way. */
  #settled(answer: Promise<void>): Promise<Outcome> {
    this.#holder.onSettled(this);
    return answer.then(done, (error: unknown) => [{ error: this.#onRefused(error) }]);
  }

  #onRefused(error: unknown): NonNullable<SettlementResult['error']> {
    if (error instanceof NotFoundError) return this.#loseAfter('its lease had ended', error);
    const translated = toHaricotError(error);
    if (!(translated instanceof EngineError) || translated.outcome !== 'nothing') return translated;
    // It was not sent, and the server gives back what a lost connection held.
    if (isDisconnection(error)) return this.#loseAfter('its connection closed', error);
    this.#end = undefined;
    this.#holder.onRefused(this);
    return translated;
  }

  #loseAfter(why: string, cause: unknown): LeaseLostError {
    this.#end = undefined;
    this.markLost(why);
    return this.#lostError(cause);
  }

  #lostError(cause?: unknown): LeaseLostError {
    return new LeaseLostError(
      `cannot settle or renew message ${this.jobId} of queue "${this.queue}": it is no longer held: ${this.#end}`,
      { cause },
    );
  }
}
