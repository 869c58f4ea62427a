import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import { checkDecimalId } from '../../queue/checks.js';
import { EngineError } from '../../queue/errors.js';
import { type Failure, parseFailure, serializeFailure } from '../../queue/failure.js';
import type { Tubes } from './tubes.js';

/** What the server tells of a job. */
export type JobStats = NonNullable<Awaited<ReturnType<Client['statsJob']>>>;

const MAX_RECORD_BYTES = 16 * 1024;
/** Most that a record takes beside its failure. */
const COUNTERS_BYTES = 200;

/** How long a listing waits for the one before it, in seconds. */
const LOCK_TIMEOUT = 5;

/** A listing that crashed has closed its connection, and the server has what it held back: so no TTR has to end. */
const RECORD_TTR = 600;

/** Records or jobs that are asked for in one write: some tens would do, thousands would wait in memory. */
const BATCH = 500;

/** Tries until a listing saw every record. Another one that broke the lock's rule is over after the first. */
const MAX_TRIES = 20;

/** What is recorded of a job when it is buried, or at the first delivery of a new budget. */
export interface JournalRecord {
  readonly jobId: string;
  /** `kicks` and `reserves` of the job at that time: what comes beyond belongs to the next budget. */
  readonly kicks: number;
  readonly reserves: number;
  /** Burials until then, this one included: what comes beyond was done by other programs. */
  readonly buries: number;
  readonly failure?: Failure | undefined;
}

/** A record that was read, without its failure: `failureOf` reads that. */
export interface JournalEntry extends Omit<JournalRecord, 'failure'> {
  /** Its own job id: the newest record of a job is the one with the highest. */
  readonly recordId: string;
  /** The job as it is. */
  readonly job: JobStats;
  /** Whether this record tells of the burial in which the job is. */
  readonly isBurial: boolean;
}

/**
 * What beanstalkd does not keep of buried jobs: why they were buried, which there are, and how many deliveries each had.
 * Each queue has a tube of records, one for each burial, and a tube with one empty job that is the lock of listings
 * (protocol-notes, decisions: the journal).
 */
export class Journal {
  readonly #queueTube: string;
  readonly #tube: string;
  readonly #lock: string;
  readonly #connect: () => Promise<Client>;

  /** @param connect a connection of its own for each listing */
  constructor(tubes: Tubes, queue: string, connect: () => Promise<Client>) {
    const { records, lock } = tubes.journalOf(queue);
    this.#queueTube = tubes.tubeOf(queue);
    this.#tube = records;
    this.#lock = lock;
    this.#connect = connect;
  }

  /**
   * Sends a record, to be called right before the command that buries: both are one write then.
   * @returns its id @throws BeanstalkdError
   */
  put(client: Client, record: JournalRecord): Promise<string> {
    return client.tube(this.#tube).put(serialize(record), { priority: 0, ttr: RECORD_TTR });
  }

  /**
   * All records whose jobs are still there, oldest first. Deletes those that tell nothing any more: their job is gone, or a
   * newer record exists.
   * @throws EngineError, retryable, where another listing holds the lock for 5 s
   */
  async list(): Promise<JournalEntry[]> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const client = await this.#connect();
      try {
        await this.#takeLock(client);
        const records = await this.#takeRecords(client);
        // Others that hold some would keep them from us; what is put meanwhile is only ready.
        const stats = await client.statsTube(this.#tube);
        if ((stats?.currentJobsReserved ?? 0) === records.length) return await this.#processRecords(client, records);
      } finally {
        // Not in order: the server takes the lock and all records back at once.
        client.destroy();
      }
      await sleep(randomInt(10, 100));
    }
    throw new EngineError(
      `cannot list the failed messages of "${this.#queueTube}": other programs hold records of them`,
      {
        retryable: true,
      },
    );
  }

  /** The failure in a record, undefined where it has none or is gone. */
  async failureOf(client: Client, recordId: string): Promise<Failure | undefined> {
    const stored = await client.peek(recordId);
    return stored === null ? undefined : parse(stored.body).failure;
  }

  /** Deletes a record that tells nothing any more; one that is gone, or with a listing, is left to the next one. */
  async forget(client: Client, recordId: string): Promise<void> {
    await client.delete(recordId).catch(ifGone);
  }

  async #takeLock(client: Client): Promise<void> {
    await Promise.all([client.watch(this.#lock), client.ignore('default')]);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const lock = client.tube(this.#lock);
      const before = await lock.stats();
      if ((before?.currentJobsReady ?? 0) + (before?.currentJobsReserved ?? 0) === 0)
        await lock.put('', { ttr: RECORD_TTR });
      const job = await client.reserve({ timeout: LOCK_TIMEOUT });
      if (job === null) break;
      const stats = await lock.stats();
      if ((stats?.currentJobsReady ?? 0) + (stats?.currentJobsReserved ?? 0) === 1) return;
      // Two listings have each made one: whoever holds one too many removes it.
      await job.delete();
      await sleep(randomInt(5, 100));
    }
    throw new EngineError(
      `cannot list the failed messages of "${this.#queueTube}": another listing has not ended for ${LOCK_TIMEOUT} s; try again`,
      { retryable: true },
    );
  }

  /** Holds every record there is, so that none is met twice. */
  async #takeRecords(client: Client): Promise<(JournalRecord & { readonly recordId: string })[]> {
    await Promise.all([client.watch(this.#tube), client.ignore(this.#lock)]);
    const records: (JournalRecord & { readonly recordId: string })[] = [];
    for (let isDone = false; !isDone; ) {
      const answers = await Promise.all(Array.from({ length: BATCH }, () => client.reserve({ timeout: 0 })));
      for (const job of answers) {
        if (job === null) isDone = true;
        else records.push({ ...withoutFailure(parse(job.body)), recordId: job.id });
      }
    }
    return records;
  }

  async #processRecords(
    client: Client,
    records: readonly (JournalRecord & { readonly recordId: string })[],
  ): Promise<JournalEntry[]> {
    const newest = new Map<string, string>();
    for (const { jobId, recordId } of records) {
      const known = newest.get(jobId);
      if (known === undefined || isNewer(recordId, known)) newest.set(jobId, recordId);
    }
    const entries: JournalEntry[] = [];
    for (let at = 0; at < records.length; at += BATCH) {
      const batch = records.slice(at, at + BATCH);
      const answers = await Promise.all(batch.map(({ jobId }) => (isId(jobId) ? client.statsJob(jobId) : null)));
      const deletions: Promise<void>[] = [];
      answers.forEach((job, index) => {
        const record = batch[index];
        if (record === undefined) return;
        const { jobId, recordId, kicks } = record;
        if (job === null || job.tube !== this.#queueTube || newest.get(jobId) !== recordId) {
          deletions.push(this.forget(client, recordId));
        } else {
          entries.push({ ...record, job, isBurial: job.state === 'buried' && job.kicks === kicks });
        }
      });
      await Promise.all(deletions);
    }
    return entries.sort((a, b) => (isNewer(a.recordId, b.recordId) ? 1 : -1));
  }
}

/** Ids are u64 in decimal: the longer one is the greater one. */
function isNewer(id: string, than: string): boolean {
  return id.length === than.length ? id > than : id.length > than.length;
}

/** Whether the server may be asked for it: it refuses, and we do, what is no u64. */
function isId(id: string): boolean {
  try {
    return checkDecimalId(id) === id;
  } catch {
    return false;
  }
}

function ifGone(error: unknown): void {
  if (!(error instanceof NotFoundError)) throw error;
}

function withoutFailure({ jobId, kicks, reserves, buries }: JournalRecord): JournalRecord {
  return { jobId, kicks, reserves, buries };
}

function serialize({ failure, ...counters }: JournalRecord): string {
  if (failure === undefined) return JSON.stringify(counters);
  const kept = serializeFailure(failure, MAX_RECORD_BYTES - COUNTERS_BYTES);
  return JSON.stringify({ ...counters, failure: JSON.parse(kept) });
}

/** What other programs put there becomes a record of no job, which the next listing deletes. */
function parse(body: Buffer): JournalRecord {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    // As said.
  }
  const { jobId, kicks, reserves, buries, failure } = (value ?? {}) as Partial<Record<keyof JournalRecord, unknown>>;
  const isOurs = typeof jobId === 'string' && [kicks, reserves, buries].every(Number.isSafeInteger);
  return {
    jobId: isOurs ? jobId : '',
    kicks: Number(kicks),
    reserves: Number(reserves),
    buries: Number(buries),
    failure: failure === undefined ? undefined : parseFailure(JSON.stringify(failure)),
  };
}
