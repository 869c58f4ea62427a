import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import { createDebug } from '../../debug.js';
import { checkDecimalId } from '../../queue/checks.js';
import { EngineError } from '../../queue/errors.js';
import { type Failure, parseFailure, serializeFailure } from '../../queue/failure.js';
import { BINLOG_MARGIN, type Tubes } from './tubes.js';

const debug = createDebug('haricot:beanstalkd');

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

/** Less of a failure says nothing. */
const LEAST_FAILURE_BYTES = 1024;

/** What is recorded of a job when it is buried, or at the first delivery of a new budget. */
export interface JournalRecord {
  readonly jobId: string;
  /** `kicks` and `reserves` of the job at that time: what comes beyond belongs to the next budget. */
  readonly kicks: number;
  readonly reserves: number;
  /** Burials until then, this one included: what comes beyond was done by other programs. */
  readonly buries: number;
  /** Deliveries since it was put or retried. */
  readonly attempts?: number | undefined;
  readonly failure?: Failure | undefined;
}

/** A record that was read, without its failure: `failureOf` reads that. */
export interface JournalEntry extends Omit<JournalRecord, 'failure'> {
  /** Its own job id: the newest record of a job is the one with the highest. */
  readonly recordId: string;
  /** Whether the job was still in the burial that it tells of when it was read. */
  readonly isBurial: boolean;
}

/** The newest record of each job, in the order in which they were put. */
export type JournalEntries = ReadonlyMap<string, JournalEntry>;

type ReadRecord = Omit<JournalRecord, 'failure'> & { readonly recordId: string };

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
  #last: JournalEntries | undefined;

  /** @param connect a connection of its own for each listing */
  constructor(tubes: Tubes, queue: string, connect: () => Promise<Client>) {
    const { records, lock } = tubes.journalOf(queue);
    this.#queueTube = tubes.tubeOf(queue);
    this.#tube = records;
    this.#lock = lock;
    this.#connect = connect;
  }

  /** What the last complete listing found: jobs may have been buried, retried or deleted since. */
  get last(): JournalEntries | undefined {
    return this.#last;
  }

  /**
   * Sends a record, to be called right before the command that buries: both are one write then.
   * @param maxJobSize of the server; undefined where the record has no failure
   * @returns its id @throws BeanstalkdError; EngineError where the failure did not fit, and was left out
   */
  put(client: Client, record: JournalRecord, maxJobSize: number = Number.POSITIVE_INFINITY): Promise<string> {
    const { text, isComplete } = serialize(record, maxJobSize - BINLOG_MARGIN);
    const stored = client.tube(this.#tube).put(text, { priority: 0, ttr: RECORD_TTR });
    return isComplete ? stored : stored.then(() => Promise.reject(tooSmall(maxJobSize)));
  }

  /**
   * All records whose jobs are still there. Deletes those that tell nothing any more: their job is gone, or a
   * newer record exists.
   * @throws EngineError, retryable, where another listing holds the lock for 5 s
   */
  async list(): Promise<JournalEntries> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (tries > 0) await sleep(randomInt(10, 100));
      const client = await this.#connect();
      try {
        await this.#takeLock(client);
        const records = await this.#takeRecords(client);
        // Others that hold some would keep them from us; what is put meanwhile is only ready.
        const stats = await client.statsTube(this.#tube);
        if ((stats?.currentJobsReserved ?? 0) !== records.length) continue;
        this.#last = await this.#processRecords(client, records);
        return this.#last;
      } finally {
        // Not in order: the server takes the lock and all records back at once.
        client.destroy();
      }
    }
    throw new EngineError(
      `cannot list the failed messages of "${this.#queueTube}": other programs hold records of them`,
      {
        retryable: true,
      },
    );
  }

  /** The failure in a record, undefined where it has none or is gone. */
  async failureOf(client: Client, { recordId, jobId }: JournalEntry): Promise<Failure | undefined> {
    const stored = await client.peek(recordId);
    const record = stored && parse(stored.body.toString());
    // A server that was restarted without its log gives the same ids again.
    return record?.jobId === jobId ? record.failure : undefined;
  }

  /** Deletes a record that tells nothing any more; one that is gone, or with a listing, is left to the next one. */
  async forget(client: Client, recordId: string): Promise<void> {
    await client.delete(recordId).catch(ifGone);
  }

  /** Deletes the records of what was deleted. Does not reject: the next listing finds what is left. */
  async clean(client: Client): Promise<void> {
    try {
      const stats = await client.statsTube(this.#tube);
      if (stats !== null && stats.currentJobsReady > 0) await this.list();
    } catch (error) {
      debug('records of deleted messages are left in %s: %o', this.#tube, error);
    }
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
  async #takeRecords(client: Client): Promise<ReadRecord[]> {
    await Promise.all([client.watch(this.#tube), client.ignore(this.#lock)]);
    const records: ReadRecord[] = [];
    for (let isDone = false; !isDone; ) {
      const answers = await Promise.all(Array.from({ length: BATCH }, () => client.reserve({ timeout: 0 })));
      for (const job of answers) {
        if (job === null) isDone = true;
        else records.push({ ...parseCounters(job.body), recordId: job.id });
      }
    }
    return records;
  }

  async #processRecords(client: Client, records: readonly ReadRecord[]): Promise<JournalEntries> {
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
      for (const [index, record] of batch.entries()) {
        const job = answers[index];
        const { jobId, recordId } = record;
        if (job?.tube === this.#queueTube && newest.get(jobId) === recordId) {
          entries.push({ ...record, isBurial: isBuriedAs(record, job) });
        } else {
          deletions.push(this.forget(client, recordId));
        }
      }
      await Promise.all(deletions);
    }
    entries.sort((a, b) => (isNewer(a.recordId, b.recordId) ? 1 : -1));
    return new Map(entries.map((entry) => [entry.jobId, entry]));
  }
}

/** Whether a job of the queue is still in the burial that the record tells of. */
export function isBuriedAs({ kicks }: Pick<JournalRecord, 'kicks'>, job: JobStats): boolean {
  return job.state === 'buried' && job.kicks === kicks;
}

/** Ids are u64 in decimal: the longer one is the greater one. */
export function isNewer(id: string, than: string): boolean {
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

/** Without its failure, which is nearly all of a record and stands behind the counters. */
function parseCounters(body: Buffer): Omit<JournalRecord, 'failure'> {
  const head = body.toString('latin1', 0, COUNTERS_BYTES);
  const end = head.indexOf(',"failure":');
  const { jobId, kicks, reserves, buries, attempts } = parse(end < 0 ? body.toString() : `${head.slice(0, end)}}`);
  return { jobId, kicks, reserves, buries, attempts };
}

/** The stack goes first where it is too much; where hardly anything would be left, the whole failure. */
function serialize({ failure, ...counters }: JournalRecord, maxBytes: number): { text: string; isComplete: boolean } {
  const room = Math.min(MAX_RECORD_BYTES, maxBytes) - COUNTERS_BYTES;
  if (failure === undefined || room < LEAST_FAILURE_BYTES)
    return { text: JSON.stringify(counters), isComplete: failure === undefined };
  // Behind the counters, by which it is read without the failure.
  const text = `${JSON.stringify(counters).slice(0, -1)},"failure":${serializeFailure(failure, room)}}`;
  return { text, isComplete: true };
}

function tooSmall(maxJobSize: number): EngineError {
  return new EngineError(
    `cannot keep the failure: the server's max-job-size is ${maxJobSize}; start it with a larger -z`,
  );
}

/** What other programs put there becomes a record of no job, which the next listing deletes. */
function parse(text: string): JournalRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // As said.
  }
  const { jobId, kicks, reserves, buries, attempts, failure } = (value ?? {}) as Partial<
    Record<keyof JournalRecord, unknown>
  >;
  const isOurs = typeof jobId === 'string' && [kicks, reserves, buries].every(Number.isSafeInteger);
  return {
    jobId: isOurs ? jobId : '',
    kicks: Number(kicks),
    reserves: Number(reserves),
    buries: Number(buries),
    attempts: Number.isSafeInteger(attempts) ? Number(attempts) : undefined,
    failure: failure === undefined ? undefined : parseFailure(JSON.stringify(failure)),
  };
}
