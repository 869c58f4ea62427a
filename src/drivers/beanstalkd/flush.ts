import type { Client } from '../../client/client.js';
import { DrainingError, NotFoundError, OutOfMemoryError } from '../../client/errors.js';
import type { StoredJob } from '../../client/job.js';
import type { Tube } from '../../client/tube.js';
import type { MessageState } from '../../queue/capabilities.js';

type State = Exclude<MessageState, 'reserved'>;

const LARGEST_WINDOW = 512;
const SMALLEST_WINDOW = 1;

/** Of ids in a row without a job of the tube, after which a search for jobs that are hidden ends. */
const MAX_FRUITLESS_IDS = 1_000_000;

/** The server's longest delay: the marker is never delivered. */
const NEVER = 4_294_967_295;

/**
 * Removes the jobs of a tube in some states that are there when it begins.
 *
 * The server shows only the first job of each state, so that each would cost a round trip. But ids ascend over all tubes, and
 * those of a tube lie close together: from the first job on, `stats-job` asks for many ids in one write, and those that
 * are in the tube are deleted in the next. Nothing is reserved or kicked, so no other message is changed.
 */
export class Flush {
  readonly #client: Client;
  readonly #tube: Tube;
  readonly #states: readonly State[];
  readonly #markerTube: string;
  /** The first id that was not there when it began. */
  #end = 0n;
  #window = 16;
  #count = 0;

  /** @param markerTube where a job is put for a moment, whose id tells what is older */
  constructor(client: Client, tube: string, states: readonly State[], markerTube: string) {
    this.#client = client;
    this.#tube = client.tube(tube);
    this.#states = states;
    this.#markerTube = markerTube;
  }

  /** @returns how many were removed */
  async run(): Promise<number> {
    const stats = await this.#tube.stats();
    if (stats === null) return 0;
    const counts = {
      ready: stats.currentJobsReady,
      delayed: stats.currentJobsDelayed,
      buried: stats.currentJobsBuried,
    };
    const atRest = this.#states.reduce((sum, state) => sum + counts[state], 0);
    if (atRest === 0) return 0;
    this.#end = await this.#nextId();
    let isHidden = false;
    for (const state of this.#states) {
      if (!(await this.#removeFrom(state))) isHidden = true;
    }
    if (isHidden) await this.#search(atRest);
    return this.#count;
  }

  /** @returns false when a younger job hides those behind it */
  async #removeFrom(state: State): Promise<boolean> {
    for (let head = await peek(this.#tube, state); head !== null; head = await peek(this.#tube, state)) {
      const first = BigInt(head.id);
      if (first >= this.#end) return false;
      await this.#removeFollowing(first);
    }
    return true;
  }

  /** From a job on, as long as most ids are of the tube. */
  async #removeFollowing(first: bigint): Promise<void> {
    for (let id = first; id < this.#end; ) {
      const size = this.#window;
      const removed = await this.#removeRange(id, size);
      id += BigInt(size);
      if (removed * 2 >= size) this.#window = Math.min(LARGEST_WINDOW, size * 2);
      if (removed * 4 >= size) continue;
      this.#window = Math.max(SMALLEST_WINDOW, size >> 1);
      return;
    }
  }

  /** Goes through all older ids, the youngest first, until as many were removed as there were. */
  async #search(atRest: number): Promise<void> {
    let fruitless = 0;
    for (let id = this.#end; id > 0n && this.#count < atRest && fruitless < MAX_FRUITLESS_IDS; ) {
      const first = id > BigInt(LARGEST_WINDOW) ? id - BigInt(LARGEST_WINDOW) : 0n;
      const removed = await this.#removeRange(first, Number(id - first));
      fruitless = removed === 0 ? fruitless + LARGEST_WINDOW : 0;
      id = first;
    }
  }

  /** @returns how many of the ids were jobs of the tube that could be removed */
  async #removeRange(first: bigint, size: number): Promise<number> {
    const ids: string[] = [];
    for (let id = first; id < first + BigInt(size) && id < this.#end; id++) ids.push(String(id));
    const found = await Promise.all(ids.map((id) => this.#client.statsJob(id)));
    const own = ids.filter((_, index) => {
      const stats = found[index];
      return stats?.tube === this.#tube.name && this.#isIncluded(stats.state);
    });
    const deleted = await Promise.all(own.map((id) => removeJob(this.#client, id)));
    const removed = deleted.filter(Boolean).length;
    this.#count += removed;
    return removed;
  }

  #isIncluded(state: string): boolean {
    return (this.#states as readonly string[]).includes(state);
  }

  /** An id that no job has had yet: a job is put for that, and removed. */
  async #nextId(): Promise<bigint> {
    try {
      const id = await this.#client.tube(this.#markerTube).put('', { delay: NEVER });
      await removeJob(this.#client, id);
      return BigInt(id);
    } catch (error) {
      // Then nobody can put anything.
      if (error instanceof DrainingError || error instanceof OutOfMemoryError) return 2n ** 64n;
      throw error;
    }
  }
}

export function peek(tube: Tube, state: State): Promise<StoredJob | null> {
  if (state === 'ready') return tube.peekReady();
  return state === 'delayed' ? tube.peekDelayed() : tube.peekBuried();
}

/** @returns whether there was such a job that nobody held */
export async function removeJob(client: Client, id: string): Promise<boolean> {
  try {
    await client.delete(id);
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}
