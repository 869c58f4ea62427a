import { createDebug } from '../../debug.js';
import { DriverClosedError } from '../../queue/errors.js';
import { explained, isLocked, locked } from './errors.js';
import { lockDelayMs, type SqliteFile } from './file.js';
import type { Messages } from './messages.js';

const debug = createDebug('haricot:sqlite');

/** What takes part in every transaction besides the operations: the reserves that wait. */
export interface Claimants {
  /** Whether somebody waits for a message. */
  readonly waiting: boolean;
  /** Whether somebody would like to look for one now. */
  readonly hungry: boolean;
  /** Looks, without a transaction, whether it is worth one. */
  look(now: number): boolean;
  /** Takes messages, in the transaction. */
  claim(now: number): void;
  /** Hands over what was taken, now that it is certain. */
  deliver(): void;
  /** The transaction was rolled back. */
  undo(): void;
  /** The engine cannot be asked, and does not recover by itself. */
  fail(error: unknown): void;
}

export type Work<T> = (messages: Messages, now: number) => T;

interface Operation {
  readonly work: Work<unknown>;
  /** Whether it is one SQL statement. */
  readonly single: boolean;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  result: unknown;
}

/** How long a transaction may take before the rest has to wait for the next one. */
const SLICE_MS = 5;

/** After so many transactions without a turn of the event loop, it gets one: a caller that awaits each put would never let it. */
const TRANSACTIONS_IN_A_TURN = 32;

/**
 * Gathers what is called in one tick into one transaction: what a commit costs is shared by all, and nobody is answered before
 * it. Long work is cut into several, so that neither the event loop nor other processes are held up.
 */
export class Transactions {
  readonly #file: SqliteFile;
  readonly #claimants: Claimants;
  #pending: Operation[] = [];
  #scheduled = false;
  #inThisTurn = 0;
  #retry: NodeJS.Timeout | undefined;
  #lockedSince: number | undefined;
  /** Told of every commit. */
  onCommit: () => void = () => {};
  #onIdle: (() => void) | undefined;
  #isClosed = false;

  constructor(file: SqliteFile, claimants: Claimants) {
    this.#file = file;
    this.#claimants = claimants;
  }

  /**
   * Does the work in the next transaction.
   * @param single whether it is one SQL statement: alone, it needs no BEGIN and COMMIT
   * @returns what `work` returns, once it is committed
   * @throws EngineError: then nothing was done; DriverClosedError
   */
  add<T>(work: Work<T>, single = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) throw new DriverClosedError('the driver is closed');
      this.#pending.push({ work, single, resolve, reject, result: undefined });
      this.schedule();
    });
  }

  /** Lets the claimants look soon. */
  schedule(): void {
    if (this.#scheduled || this.#retry !== undefined) return;
    this.#scheduled = true;
    if (++this.#inThisTurn <= TRANSACTIONS_IN_A_TURN) {
      process.nextTick(this.#run);
      return;
    }
    setImmediate(this.#runInNextTurn);
  }

  /** Does what was called before, and nothing any more after that. */
  async close(): Promise<void> {
    while (this.#pending.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  readonly #runInNextTurn = (): void => {
    this.#inThisTurn = 0;
    this.#run();
  };

  readonly #run = (): void => {
    this.#scheduled = false;
    this.#retry = undefined;
    if (this.#isClosed || (this.#pending.length === 0 && !this.#claimants.hungry)) return;
    let done: readonly Operation[] = [];
    try {
      const now = Date.now();
      if (this.#pending.length > 0 || this.#claimants.look(now)) done = this.#transact(now);
    } catch (error) {
      this.#claimants.undo();
      this.#failed(error);
      return;
    }
    this.#lockedSince = undefined;
    if (this.#pending.length > 0) this.#continue();
    // Only now: nothing that is called from here may be taken for a failure of the transaction.
    for (const { resolve, result } of done) resolve(result as never);
    this.#claimants.deliver();
    this.#tellIdle();
  };

  /** @returns the operations that were done; the others are pending */
  #transact(now: number): readonly Operation[] {
    const operations = this.#pending;
    const [first] = operations;
    let done = 1;
    if (operations.length === 1 && first?.single && !this.#claimants.waiting) {
      first.result = first.work(this.#file.messages, now);
    } else {
      this.#file.transaction(() => {
        done = this.#work(operations, now);
        this.#claimants.claim(now);
      });
    }
    this.#pending = operations.slice(done);
    this.onCommit();
    return operations.slice(0, done);
  }

  /** @returns how many were done before the time was up */
  #work(operations: readonly Operation[], now: number): number {
    const { messages } = this.#file;
    const end = performance.now() + SLICE_MS;
    let done = 0;
    for (const operation of operations) {
      operation.result = operation.work(messages, now);
      done++;
      if (performance.now() > end) break;
    }
    return done;
  }

  #failed(error: unknown): void {
    const { path, busyTimeoutMs } = this.#file.location;
    if (!isLocked(error)) {
      this.#rejectAll(explained(error, path));
      return;
    }
    const now = performance.now();
    if (this.#lockedSince === undefined) debug('%s is locked by another process', path);
    this.#lockedSince ??= now;
    const passedMs = now - this.#lockedSince;
    if (passedMs < busyTimeoutMs) {
      this.#retry = setTimeout(this.#runInNextTurn, lockDelayMs());
      return;
    }
    this.#lockedSince = undefined;
    this.#rejectAll(locked(path, passedMs, error));
  }

  #rejectAll(error: unknown): void {
    const operations = this.#pending;
    this.#pending = [];
    for (const { reject } of operations) reject(error);
    this.#claimants.fail(error);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#pending.length === 0) this.#onIdle?.();
  }

  /** The event loop and other processes come first. */
  #continue(): void {
    if (this.#scheduled || this.#retry !== undefined) return;
    this.#scheduled = true;
    setImmediate(this.#runInNextTurn);
  }
}
