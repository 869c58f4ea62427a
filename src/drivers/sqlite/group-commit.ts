import { createDebug } from '../../debug.js';
import { DriverClosedError } from '../../queue/errors.js';
import { runOutside } from '../../shared/async-context.js';
import { MOST_AT_ONCE } from './batch-statement.js';
import { isLocked, lockedError, type Phase, toEngineError } from './errors.js';
import type { SqliteFile } from './file.js';
import { LockWait } from './lock-wait.js';
import type { Messages } from './messages.js';

const debug = createDebug('haricot:sqlite');

/** What takes part in every transaction besides the operations: the reserves that wait. */
export interface Claimants {
  /** Whether somebody waits for a message. */
  readonly isWaiting: boolean;
  /** Whether somebody would like to look for one now. */
  readonly hasPendingClaims: boolean;
  /** Looks, without a transaction, whether it is worth one. */
  look(now: number): boolean;
  /** Takes messages, in the transaction. @param until when to stop, by `performance.now()` */
  claim(now: number, until: number): void;
  /** Hands over what was taken, now that it is certain. @param claimedAt when the transaction began, by `performance.now()` */
  deliver(claimedAt: number): void;
  /** The transaction was rolled back. */
  undo(): void;
  /** The engine cannot be asked, and does not recover by itself. */
  fail(error: unknown): void;
}

export type Work<T> = (messages: Messages, now: number) => T;

/** A delivery whose message is done: removes it, where nobody else has taken it since. */
export interface Ack {
  readonly rowId: number;
  readonly token: number;
}

/** Work that is done step by step. What it returns is the result. */
export type Steps<T> = (messages: Messages, now: number) => Generator<void, T>;

interface Operation {
  readonly work: Work<unknown>;
  /** Instead of `work`: it has a transaction of its own, during which the event loop turns. */
  readonly steps: Steps<unknown> | undefined;
  /** Instead of `work`: done together with those beside it that have the same token. */
  readonly ack: Ack | undefined;
  /** Whether it is one SQL statement. */
  readonly single: boolean;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  result: unknown;
}

const nothing = (): void => {};

/** How long a transaction may take before the rest has to wait for the next one. */
const SLICE_MS = 5;

/**
 * After so many transactions, or so much time, without a turn of the event loop, it gets one: a caller that awaits each put
 * would never let it.
 */
const TRANSACTIONS_IN_A_TURN = 32;
const TURN_MS = 10;

/**
 * Gathers what is called in one tick into one transaction: what a commit costs is shared by all, and nobody is answered before
 * it. Long work is cut into several, so that neither the event loop nor other processes are held up.
 */
export class GroupCommit {
  readonly #file: SqliteFile;
  readonly #claimants: Claimants;
  #pending: Operation[] = [];
  /** The first of the pending ones, which has begun. */
  #running: Generator<void, unknown> | undefined;
  #isScheduled = false;
  #inThisTurn = 0;
  #msInThisTurn = 0;
  #retry: NodeJS.Timeout | undefined;
  #lockWait: LockWait | undefined;
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
   * @throws EngineError, DriverClosedError
   */
  add<T>(work: Work<T>, single = false): Promise<T> {
    return this.#add(work, undefined, undefined, single);
  }

  /**
   * Does all the steps in one transaction of their own. The event loop turns between them; everything else has to wait for
   * the end, in other processes too.
   * @throws EngineError, DriverClosedError
   */
  addSteps<T>(steps: Steps<T>): Promise<T> {
    return this.#add(nothing, steps, undefined, false);
  }

  /**
   * Removes a message in the next transaction.
   * @returns whether it was still that delivery
   * @throws EngineError, DriverClosedError
   */
  ack(ack: Ack): Promise<boolean> {
    return this.#add(nothing, undefined, ack, false);
  }

  #add<T>(work: Work<unknown>, steps: Steps<T> | undefined, ack: Ack | undefined, single: boolean): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) throw new DriverClosedError('cannot use the driver: it is closed');
      // Field by field: spreading an object costs a tenth of a put.
      this.#pending.push({ work, steps, ack, single, resolve, reject, result: undefined });
      this.schedule();
    });
  }

  /** Lets the claimants look soon. */
  schedule(): void {
    if (this.#isScheduled || this.#retry !== undefined) return;
    if (++this.#inThisTurn > TRANSACTIONS_IN_A_TURN || this.#msInThisTurn > TURN_MS) {
      this.#scheduleInNextTurn();
      return;
    }
    this.#isScheduled = true;
    process.nextTick(this.#run);
  }

  /** A lock of ours is free again: tries at once what waits for it. */
  retryNow(): void {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    this.#runInNextTurn();
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
    this.#msInThisTurn = 0;
    this.#retry = undefined;
    this.#run();
  };

  readonly #run = (): void => {
    this.#isScheduled = false;
    if (this.#isClosed || (this.#pending.length === 0 && !this.#claimants.hasPendingClaims)) return;
    const began = performance.now();
    const done = this.#transact(began);
    this.#msInThisTurn += performance.now() - began;
    if (done === undefined) return;
    this.#lockWait = undefined;
    // The event loop and other processes come first.
    if (this.#pending.length > 0) this.#scheduleInNextTurn();
    // Only now: nothing that is called from here may be taken for a failure of the transaction.
    for (const { resolve, result } of done) resolve(result as never);
    this.#claimants.deliver(began);
    this.#tellIdle();
  };

  /** @returns the operations that were done, the others are pending; undefined when it failed, which is dealt with */
  #transact(began: number): readonly Operation[] | undefined {
    const now = Date.now();
    const [first] = this.#pending;
    let phase: Phase = 'work';
    try {
      if (first?.steps !== undefined) return this.#continue(first, first.steps, now, began + SLICE_MS);
      if (first === undefined) {
        this.#file.guard.check(began);
        if (!this.#claimants.look(now)) return [];
      }
      if (first?.single && this.#pending.length === 1 && !this.#claimants.isWaiting) {
        this.#file.guard.check(began);
        phase = 'commit';
        first.result = first.work(this.#file.messages, now);
        return this.#done(1);
      }
      this.#file.begin();
      const count = this.#work(now, began + SLICE_MS);
      this.#claimants.claim(now, began + SLICE_MS);
      this.#file.messages.rememberRemoved();
      phase = 'commit';
      this.#file.commit();
      return this.#done(count);
    } catch (error) {
      this.#file.rollBack();
      this.#claimants.undo();
      this.#fail(error, phase);
      return undefined;
    }
  }

  /** @returns how many were done before the time was up */
  #work(now: number, until: number): number {
    const { messages } = this.#file;
    let done = 0;
    while (done < this.#pending.length) {
      const operation = this.#pending[done];
      if (operation === undefined || operation.steps !== undefined) break;
      if (operation.ack !== undefined) {
        done += this.#ackFrom(done, operation.ack.token);
      } else {
        operation.result = operation.work(messages, now);
        done++;
      }
      if (performance.now() > until) break;
    }
    return done;
  }

  /** Acks that follow each other and have one token, in one statement. @returns how many */
  #ackFrom(start: number, token: number): number {
    const ids: number[] = [];
    for (let at = start; ids.length < MOST_AT_ONCE; at++) {
      const ack = this.#pending[at]?.ack;
      if (ack?.token !== token) break;
      ids.push(ack.rowId);
    }
    const held = this.#file.messages.ackMany(ids, token);
    for (const [index, isHeld] of held.entries()) {
      const operation = this.#pending[start + index];
      if (operation !== undefined) operation.result = isHeld;
    }
    return ids.length;
  }

  /** Some steps of an operation that takes a whole transaction. Its errors are its own. */
  #continue(operation: Operation, steps: Steps<unknown>, now: number, until: number): readonly Operation[] {
    let phase: Phase = 'work';
    if (this.#running === undefined) this.#file.begin();
    try {
      this.#running ??= steps(this.#file.messages, now);
      for (;;) {
        const { done, value } = this.#running.next();
        if (done) {
          this.#file.messages.rememberRemoved();
          phase = 'commit';
          this.#file.commit();
          this.#running = undefined;
          operation.result = value;
          return this.#done(1);
        }
        if (performance.now() > until) return [];
      }
    } catch (error) {
      this.#running = undefined;
      this.#file.rollBack();
      this.#pending = this.#pending.slice(1);
      operation.reject(toEngineError(error, this.#file.address.path, phase));
      return [];
    }
  }

  #done(count: number): readonly Operation[] {
    const done = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    this.onCommit();
    return done;
  }

  #fail(error: unknown, phase: Phase): void {
    const { path, busyTimeoutMs } = this.#file.address;
    if (!isLocked(error)) {
      this.#rejectAll(toEngineError(error, path, phase));
      return;
    }
    if (this.#lockWait === undefined) debug('%s is locked by another process', path);
    this.#lockWait ??= new LockWait(busyTimeoutMs);
    const wait = this.#lockWait;
    if (!wait.isOver()) {
      this.#retry = runOutside(() => setTimeout(this.#runInNextTurn, wait.delayMs()));
      return;
    }
    this.#lockWait = undefined;
    this.#rejectAll(lockedError(path, wait.passedMs, error));
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

  #scheduleInNextTurn(): void {
    if (this.#isScheduled || this.#retry !== undefined) return;
    this.#isScheduled = true;
    setImmediate(this.#runInNextTurn);
  }
}
