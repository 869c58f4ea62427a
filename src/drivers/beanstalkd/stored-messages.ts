import type { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import type { MessageState } from '../../queue/capabilities.js';
import { checkDecimalId } from '../../queue/checks.js';
import type { ListOptions, MessagePage, RetrySelection, Selection, StoredMessage } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import type { Failure } from '../../queue/failure.js';
import { preview } from '../../shared/text.js';
import { peek, removeJob } from './flush.js';
import { isBuriedAs, isNewer, type JobStats, type JournalEntry } from './journal.js';
import type { QueueJournal } from './journals.js';
import type { Publisher } from './publisher.js';

/** Jobs that are asked for, kicked or deleted in one write. */
const BATCH = 500;

/** A cursor behind no record: jobs without one come first. */
const BEGINNING = '0';

/** What the server keeps of one queue, looked at and operated on by id and by state. Rejects with the client's errors. */
export class StoredMessages {
  readonly #client: Client;
  readonly #queue: string;
  readonly #tube: string;
  readonly #journal: QueueJournal;

  constructor(client: Client, queue: string, tube: string, journal: QueueJournal) {
    this.#client = client;
    this.#queue = queue;
    this.#tube = tube;
    this.#journal = journal;
  }

  async list({ state, limit, after }: ListOptions): Promise<MessagePage> {
    if (limit === 0) return { messages: [] };
    if (state === 'buried') return this.#listBuried(limit, after);
    const first = after === undefined && state !== 'reserved' ? await this.#first(state) : null;
    return { messages: first === null ? [] : [first] };
  }

  async find(jobId: string): Promise<StoredMessage | null> {
    const stats = await this.#statsOf(jobId);
    if (stats === null || !isState(stats.state)) return null;
    const stored = await this.#client.peek(jobId);
    if (stored === null) return null;
    const entry = stats.state === 'buried' ? await this.#burialOf(stats) : undefined;
    if (entry === undefined) return this.#message(stats, stored.body, await this.#journal.budgets.attemptsOf(stats));
    return this.#buriedMessage(stats, stored.body, entry, await this.#journal.journal.failureOf(this.#client, entry));
  }

  /** @param publisher stores the message that takes the place of one whose body is changed */
  async retry(selection: RetrySelection, publisher: Publisher): Promise<number> {
    if ('body' in selection && selection.body !== undefined)
      return this.#replace(selection.ids[0], selection.body, publisher);
    return 'ids' in selection ? this.#kick('buried', selection.ids) : this.#retryFirst(selection.limit);
  }

  async promote(selection: Selection): Promise<number> {
    if ('ids' in selection) return this.#kick('delayed', selection.ids);
    const delayed = (await this.#client.statsTube(this.#tube))?.currentJobsDelayed ?? 0;
    const tube = this.#client.tube(this.#tube);
    let count = 0;
    // The server tells only the next one: each costs a question. A `kick` would make buried ones ready.
    for (let left = Math.min(selection.limit, delayed); left > 0; left--) {
      const next = await tube.peekDelayed();
      if (next === null) break;
      if (await this.#kickJob(next.id)) count++;
    }
    return count;
  }

  /** Deletes the records of buried ones as well, as far as it is known which those are: a listing finds the others. */
  async delete(jobIds: readonly string[]): Promise<number> {
    const { journal } = this.#journal;
    return this.#each(jobIds, async (jobId) => {
      if ((await this.#statsOf(jobId)) === null || !(await removeJob(this.#client, jobId))) return false;
      const recordId = journal.last?.get(jobId)?.recordId;
      if (recordId !== undefined) await journal.forget(this.#client, recordId);
      return true;
    });
  }

  /** In the order of burial, which is that of the records. The journal is read for the first page, and where it ends. */
  async #listBuried(limit: number, after: string | undefined): Promise<MessagePage> {
    const { journal } = this.#journal;
    const messages: StoredMessage[] = [];
    let cursor = after === undefined ? BEGINNING : checkCursor(after);
    // Before the journal is read: what has a record, and is buried by now, will be found there.
    const head = after === undefined ? await this.#client.tube(this.#tube).peekBuried() : null;
    const known = after === undefined ? undefined : journal.last;
    let entries = known ?? (await journal.list());
    let isNew = known === undefined;
    if (head !== null && !entries.get(head.id)?.isBurial) messages.push(...(await this.#withoutRecord(head.id)));
    for (;;) {
      const burials = [...entries.values()].filter(({ isBurial, recordId }) => isBurial && isNewer(recordId, cursor));
      while (messages.length < limit && burials.length > 0) {
        const page = burials.splice(0, Math.min(BATCH, limit - messages.length));
        for (const message of await Promise.all(page.map((entry) => this.#buried(entry)))) {
          if (message !== null) messages.push(message);
        }
        cursor = page.at(-1)?.recordId ?? cursor;
      }
      if (burials.length > 0) return { messages, next: cursor };
      if (isNew) return { messages };
      entries = await journal.list();
      isNew = true;
    }
  }

  /** Buried by another program, or when no record could be put. */
  async #withoutRecord(jobId: string): Promise<StoredMessage[]> {
    const [stats, stored] = await Promise.all([this.#statsOf(jobId), this.#client.peek(jobId)]);
    if (stats?.state !== 'buried' || stored === null) return [];
    return [this.#message(stats, stored.body, await this.#journal.budgets.attemptsOf(stats))];
  }

  /** @returns null when it is not buried any more */
  async #buried(entry: JournalEntry): Promise<StoredMessage | null> {
    const [stats, stored, failure] = await Promise.all([
      this.#statsOf(entry.jobId),
      this.#client.peek(entry.jobId),
      this.#journal.journal.failureOf(this.#client, entry),
    ]);
    if (stats === null || stored === null || !isBuriedAs(entry, stats)) return null;
    return this.#buriedMessage(stats, stored.body, entry, failure);
  }

  #buriedMessage(
    stats: JobStats,
    body: Buffer,
    { attempts }: JournalEntry,
    failure: Failure | undefined,
  ): StoredMessage {
    return this.#message(stats, body, attempts ?? (stats.kicks === 0 ? stats.reserves : undefined), failure);
  }

  /** The record of the burial in which a job is. */
  async #burialOf(job: JobStats): Promise<JournalEntry | undefined> {
    const { journal } = this.#journal;
    const known = journal.last?.get(job.id);
    if (known !== undefined && isBuriedAs(known, job)) return known;
    const found = (await journal.list()).get(job.id);
    return found !== undefined && isBuriedAs(found, job) ? found : undefined;
  }

  async #first(state: 'ready' | 'delayed'): Promise<StoredMessage | null> {
    for (;;) {
      const head = await peek(this.#client.tube(this.#tube), state);
      if (head === null) return null;
      const stats = await this.#statsOf(head.id);
      // Delivered meanwhile: then another is the first.
      if (stats?.state === state) return this.#message(stats, head.body, await this.#journal.budgets.attemptsOf(stats));
    }
  }

  /** `kick` would be in order, but makes delayed jobs ready as soon as none is buried. */
  async #retryFirst(limit: number): Promise<number> {
    if (limit === 0) return 0;
    const tube = this.#client.tube(this.#tube);
    let head = await tube.peekBuried();
    if (head === null) return 0;
    const listed = [...(await this.#journal.journal.list()).values()].filter(({ isBurial }) => isBurial);
    const jobIds = listed.map(({ jobId }) => jobId);
    // What was retried here may have failed and be buried again.
    const seen = new Set(jobIds);
    let count = 0;
    for (let at = 0; head !== null && count < limit; head = await tube.peekBuried()) {
      if (at < jobIds.length && seen.has(head.id)) {
        const batch = jobIds.slice(at, at + limit - count);
        at += batch.length;
        count += await this.#kick('buried', batch);
      } else {
        // Jobs without a record show one by one, when all that were buried before them are ready.
        if (seen.has(head.id)) break;
        seen.add(head.id);
        count += await this.#kick('buried', [head.id]);
      }
    }
    return count;
  }

  /** The server can change no body: another message takes its place. */
  async #replace(jobId: string, body: Uint8Array, publisher: Publisher): Promise<number> {
    const stats = await this.#statsOf(jobId);
    if (stats?.state !== 'buried') return 0;
    const options = { priority: stats.pri, delayMs: 0, ttrMs: stats.ttr * 1000 };
    const stored = await publisher.put([{ tube: this.#tube, body, options }]);
    if ((await this.delete([jobId])) === 1) return 1;
    // Retried meanwhile, and delivered: it must not be worked on twice.
    for (const id of stored) await removeJob(this.#client, id);
    return 0;
  }

  /** Makes those ready that are of this queue and in this state. */
  #kick(state: 'buried' | 'delayed', jobIds: readonly string[]): Promise<number> {
    return this.#each(jobIds, async (jobId) => {
      return (await this.#statsOf(jobId))?.state === state && this.#kickJob(jobId);
    });
  }

  async #kickJob(jobId: string): Promise<boolean> {
    try {
      await this.#client.kickJob(jobId);
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      throw error;
    }
  }

  /** Many at once. @returns of how many it was true */
  async #each(jobIds: readonly string[], action: (jobId: string) => Promise<boolean>): Promise<number> {
    for (const jobId of jobIds) checkDecimalId(jobId);
    let count = 0;
    for (let at = 0; at < jobIds.length; at += BATCH) {
      const answers = await Promise.all(jobIds.slice(at, at + BATCH).map(action));
      count += answers.filter(Boolean).length;
    }
    return count;
  }

  /** Null where there is no such job in this queue. @throws InvalidOptionError */
  async #statsOf(jobId: string): Promise<JobStats | null> {
    const stats = await this.#client.statsJob(checkDecimalId(jobId));
    return stats?.tube === this.#tube ? stats : null;
  }

  #message(stats: JobStats, body: Buffer, attempts: number | undefined, failure?: Failure): StoredMessage {
    const { id, state, pri, ttr, age, timeLeft } = stats;
    const now = Date.now();
    return {
      jobId: id,
      queue: this.#queue,
      // It was checked to be one.
      state: state as MessageState,
      body,
      priority: pri,
      ttrMs: ttr * 1000,
      attempts,
      createdAt: new Date(now - age * 1000),
      // The server rounds down to whole seconds.
      dueAt: state === 'delayed' || state === 'reserved' ? new Date(now + (timeLeft + 1) * 1000) : undefined,
      failure,
    };
  }
}

/** Not of a job that is still being uploaded. */
function isState(state: string): state is MessageState {
  return state === 'ready' || state === 'delayed' || state === 'reserved' || state === 'buried';
}

function checkCursor(after: string): string {
  if (/^(0|[1-9][0-9]{0,19})$/.test(after)) return after;
  throw new InvalidOptionError(`after must be the next of a page of the same queue and state, got ${preview(after)}`);
}
