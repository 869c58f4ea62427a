import { Loop } from './loop.js';
import type { NewRow, SqlStore } from './store.js';

interface Operation {
  readonly rows: readonly NewRow[];
  readonly bytes: number;
  readonly resolve: (ids: readonly string[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers what is put while one statement is under way, or in one tick, into the next: what a commit costs is shared by all. */
export class Puts {
  readonly #store: SqlStore;
  #pending: Operation[] = [];
  readonly #loop = new Loop(
    () => this.#pending.length > 0,
    () => this.#put(this.#take()),
  );

  constructor(store: SqlStore) {
    this.#store = store;
  }

  /** Stores all of them or none. @returns the ids, in order @throws EngineError */
  add(rows: readonly NewRow[]): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ rows, bytes: bytesOf(rows), resolve, reject });
      this.#loop.start();
    });
  }

  /** Waits for what was put before. */
  async close(): Promise<void> {
    await this.#loop.ended();
  }

  /** Never rejects. */
  async #put(operations: readonly Operation[]): Promise<void> {
    try {
      const ids = await this.#store.put(operations.flatMap(({ rows }) => rows));
      let at = 0;
      for (const { rows, resolve } of operations) {
        resolve(ids.slice(at, at + rows.length));
        at += rows.length;
      }
    } catch (error) {
      for (const { reject } of operations) reject(error);
    }
  }

  #take(): Operation[] {
    const { putRows, putBytes } = this.#store;
    let [count, rows, bytes] = [0, 0, 0];
    for (const operation of this.#pending) {
      rows += operation.rows.length;
      bytes += operation.bytes;
      if (count > 0 && (rows > putRows || bytes > putBytes)) break;
      count++;
    }
    return this.#pending.splice(0, count);
  }
}

function bytesOf(rows: readonly NewRow[]): number {
  let bytes = 0;
  for (const { body } of rows) bytes += body.length;
  return bytes;
}
