import type { Client } from '../../client/client.js';
import { createDebug } from '../../debug.js';
import type { JobStats, Journal, JournalEntry, JournalRecord } from './journal.js';

const debug = createDebug('haricot:beanstalkd');

/** How long a delivery waits until the journal was read. */
const PATIENCE_MS = 5000;

/** Reading the journal of a queue takes no larger part of the time, */
const LISTING_SHARE = 1 / 20;
/** and is done no more often than this, */
const SHORTEST_PAUSE_MS = 20;
/** but need not be rarer. */
const LONGEST_PAUSE_MS = 1000;

/** So many budgets are remembered that began in this process. The oldest are forgotten first. */
const MAX_BEGUN = 10_000;

/** Of a delivery, what `stats-job` tells about earlier ones. */
export type DeliveryCounters = Pick<JobStats, 'id' | 'reserves' | 'kicks' | 'buries'>;

/** What a budget is counted from. */
interface Baseline extends Pick<JournalRecord, 'kicks' | 'reserves' | 'buries'> {
  readonly recordId: string | undefined;
}

/** Which attempt a delivery is. */
export interface Attempt {
  readonly attempt: number;
  /** The record that the acknowledgement makes superfluous. */
  readonly recordId: string | undefined;
}

/**
 * The attempts of messages that were kicked. The server counts deliveries on, over all kicks, and does not tell when the
 * budgets before were used up: the records of burials do.
 */
export class Budgets {
  readonly #journal: Pick<Journal, 'list' | 'put'>;
  /** By job, as the last listing has found them. */
  #baselines: ReadonlyMap<string, Pick<JournalEntry, keyof Baseline>> = new Map();
  /**
   * By job, those that began in this process since: a server that drains, or a journal that others hold, must not make
   * every delivery the first of its budget.
   */
  readonly #begun = new Map<string, Baseline>();
  #listing: Promise<void> | undefined;
  /** When the last listing began; it knows what was recorded until then. */
  #listedAt = Number.NEGATIVE_INFINITY;
  #listFrom = Number.NEGATIVE_INFINITY;

  constructor(journal: Pick<Journal, 'list' | 'put'>) {
    this.#journal = journal;
  }

  /** Whether the counters say it by themselves: then nothing has to be read. */
  static isPlain({ kicks, buries }: Pick<DeliveryCounters, 'kicks' | 'buries'>): boolean {
    // `buries` grows by itself when a server with a binlog is restarted: it says no more than "none" or "some".
    return kicks === 0 || buries === 0;
  }

  /**
   * The first of a new budget is 1. More than one budget is granted only where the journal cannot be read.
   * @param client holds the message: a record is put down it where there is none
   * @param reservedAt by `performance.now()`, not later than the delivery
   */
  async attemptOf(client: Client, delivery: DeliveryCounters, reservedAt: number): Promise<Attempt> {
    if (Budgets.isPlain(delivery)) return { attempt: delivery.reserves, recordId: undefined };
    const baseline = this.#current(delivery) ?? (await this.#find(delivery, reservedAt));
    if (baseline === null) return this.#begin(client, delivery);
    if (baseline === undefined) this.#remember(delivery.id, beginningOf(delivery), undefined);
    return {
      attempt: Math.max(1, delivery.reserves - (baseline ?? beginningOf(delivery)).reserves),
      recordId: baseline?.recordId,
    };
  }

  /** How often a job was delivered since it was put or retried; undefined where nothing tells. Changes nothing. */
  async attemptsOf(job: DeliveryCounters): Promise<number | undefined> {
    if (Budgets.isPlain(job)) return job.reserves;
    const baseline = this.#current(job) ?? (await this.#find(job, performance.now()));
    return baseline ? Math.max(0, job.reserves - baseline.reserves) : undefined;
  }

  /** Of the burial right before this kick: nothing newer can have been recorded. */
  #current({ id, kicks }: DeliveryCounters): Baseline | undefined {
    return [this.#baselines.get(id), this.#begun.get(id)].find((baseline) => baseline?.kicks === kicks - 1);
  }

  /** @returns null where nothing is recorded; undefined where that cannot be read */
  async #find(delivery: DeliveryCounters, since: number): Promise<Baseline | null | undefined> {
    if (!(await this.#readSince(since))) return undefined;
    const current = this.#current(delivery);
    if (current !== undefined) return current;
    const earlier = this.#baselines.get(delivery.id);
    // More kicks than one: of a delayed message, which grant nothing, or after a burial by another program.
    const goesOn = earlier !== undefined && earlier.kicks < delivery.kicks && earlier.buries >= delivery.buries;
    return goesOn ? earlier : null;
  }

  /** Buried by others, or while no record could be put: this is the first delivery of a new budget, and is recorded. */
  async #begin(client: Client, delivery: DeliveryCounters): Promise<Attempt> {
    const record = beginningOf(delivery);
    // Two deliveries cannot be at it at once: the message is with its holder.
    const recordId = await this.#journal.put(client, record).catch((error: unknown) => {
      debug('the first delivery of job %s after a kick is not recorded: %o', record.jobId, error);
      return undefined;
    });
    this.#remember(delivery.id, record, recordId);
    return { attempt: 1, recordId };
  }

  #remember(jobId: string, { kicks, reserves, buries }: JournalRecord, recordId: string | undefined): void {
    this.#begun.delete(jobId);
    this.#begun.set(jobId, { kicks, reserves, buries, recordId });
    const [oldest] = this.#begun.keys();
    if (this.#begun.size > MAX_BEGUN && oldest !== undefined) this.#begun.delete(oldest);
  }

  /** @returns whether what was recorded until `time` is known */
  async #readSince(time: number): Promise<boolean> {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#listedAt < time) {
      this.#listing ??= this.#list().finally(() => {
        this.#listing = undefined;
      });
      if (!(await within(this.#listing, deadline - performance.now()))) return false;
    }
    return true;
  }

  async #list(): Promise<void> {
    const pause = this.#listFrom - performance.now();
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    const startedAt = performance.now();
    try {
      this.#baselines = await this.#journal.list();
      this.#listedAt = startedAt;
    } finally {
      const now = performance.now();
      const fair = (now - startedAt) / LISTING_SHARE;
      this.#listFrom = now + Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, fair));
    }
  }
}

function beginningOf({ id, kicks, reserves, buries }: DeliveryCounters): JournalRecord {
  return { jobId: id, kicks: kicks - 1, reserves: reserves - 1, buries };
}

/** Whether the promise resolves in time. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, ms));
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } catch (error) {
    debug('the journal cannot be read: %o', error);
    return false;
  } finally {
    clearTimeout(timer);
  }
}
