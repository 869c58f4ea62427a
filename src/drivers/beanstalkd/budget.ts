import type { Client } from '../../client/client.js';
import { createDebug } from '../../debug.js';
import type { JobStats, Journal, JournalRecord } from './journal.js';

const debug = createDebug('haricot:beanstalkd');

/** How long a delivery waits until the journal was read. */
const PATIENCE_MS = 5000;

/** Reading the journal of a queue takes no larger part of the time, */
const LISTING_SHARE = 1 / 20;
/** and is done no more often than this, */
const SHORTEST_PAUSE_MS = 20;
/** but need not be rarer. */
const LONGEST_PAUSE_MS = 1000;

/** So many budgets are remembered that could not be recorded. The oldest are forgotten first, and begin anew. */
const MAX_UNRECORDED = 10_000;

/** Of a delivery, what `stats-job` tells about earlier ones. */
export type DeliveryCounters = Pick<JobStats, 'id' | 'reserves' | 'kicks' | 'buries'>;

interface Baseline extends Omit<JournalRecord, 'failure'> {
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
  /** By job: the record with the highest `kicks`. */
  #baselines = new Map<string, Baseline>();
  /** Budgets whose beginning could not be recorded: this process alone knows them. */
  readonly #unrecorded = new Map<string, Baseline>();
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
    // Of the burial right before this kick: nothing newer can have been recorded.
    const current = this.#baselineOf(delivery, delivery.kicks - 1);
    if (current !== undefined) return since(current, delivery);
    const unrecorded = this.#unrecorded.get(delivery.id);
    if (unrecorded?.kicks === delivery.kicks - 1) return since(unrecorded, delivery);
    if (!(await this.#readSince(reservedAt))) {
      this.#remember(beginningOf(delivery));
      return { attempt: 1, recordId: undefined };
    }
    const earlier = this.#baselineOf(delivery, 0);
    // More kicks than one: of a delayed message, which grant nothing, or after a burial by another program.
    const goesOn = earlier !== undefined && (earlier.kicks === delivery.kicks - 1 || earlier.buries >= delivery.buries);
    return goesOn ? since(earlier, delivery) : this.#begin(client, delivery);
  }

  /** Buried by others, or while no record could be put: this is the first delivery of a new budget, and is recorded. */
  async #begin(client: Client, delivery: DeliveryCounters): Promise<Attempt> {
    const record = beginningOf(delivery);
    // Two deliveries cannot be at it at once: the message is with its holder.
    const recordId = await this.#journal.put(client, record).catch((error: unknown) => {
      debug('the first delivery of job %s after a kick is not recorded: %o', record.jobId, error);
      return undefined;
    });
    if (recordId === undefined) this.#remember(record);
    else this.#baselines.set(record.jobId, { ...record, recordId });
    return { attempt: 1, recordId };
  }

  /** A server that drains, or a journal that others hold, must not make every delivery the first of its budget. */
  #remember(record: JournalRecord): void {
    this.#unrecorded.delete(record.jobId);
    this.#unrecorded.set(record.jobId, { ...record, recordId: undefined });
    const [oldest] = this.#unrecorded.keys();
    if (this.#unrecorded.size > MAX_UNRECORDED && oldest !== undefined) this.#unrecorded.delete(oldest);
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
    const baselines = new Map<string, Baseline>();
    try {
      for (const { jobId, kicks, reserves, buries, recordId } of await this.#journal.list()) {
        baselines.set(jobId, { jobId, kicks, reserves, buries, recordId });
      }
      this.#baselines = baselines;
      this.#listedAt = startedAt;
    } finally {
      const now = performance.now();
      const fair = (now - startedAt) / LISTING_SHARE;
      this.#listFrom = now + Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, fair));
    }
  }

  #baselineOf({ id, kicks }: DeliveryCounters, leastKicks: number): Baseline | undefined {
    const baseline = this.#baselines.get(id);
    return baseline !== undefined && baseline.kicks < kicks && baseline.kicks >= leastKicks ? baseline : undefined;
  }
}

function beginningOf({ id, kicks, reserves, buries }: DeliveryCounters): JournalRecord {
  return { jobId: id, kicks: kicks - 1, reserves: reserves - 1, buries };
}

function since({ reserves, recordId }: Baseline, delivery: DeliveryCounters): Attempt {
  return { attempt: Math.max(1, delivery.reserves - reserves), recordId };
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
