import { runOutside } from '../../shared/async-context.js';
import { CLAIM_BYTES, type ClaimBudget } from './claims.js';
import type { SqliteConsumer } from './consumer.js';
import { isLocked, toEngineError } from './errors.js';
import type { SqliteFile } from './file.js';
import type { Claimants } from './group-commit.js';

/** How often a reserve that waits asks whether another process has changed the file. */
const POLL_MS = 25;

/** The same, when nothing has changed for a second: an idle worker costs less than one percent of a core. */
const QUIET_POLL_MS = 50;
const POLLS_UNTIL_QUIET = 40;

/** How often it asks whether the file is still there. */
const GUARD_MS = 1000;

/**
 * The reserves of all consumers: which of them look for a message, and when they look again. That is when a message is put
 * here, when another process has changed the file, and when a delay, lease or pause ends.
 */
export class ClaimScheduler implements Claimants {
  readonly #file: SqliteFile;
  readonly #schedule: () => void;
  readonly #consumers = new Set<SqliteConsumer>();
  /** Consumers that look for messages in the next transaction, the one that was served last at the end. */
  readonly #pending = new Set<SqliteConsumer>();
  /** Those that took part in the transaction that has just been made. */
  #served: SqliteConsumer[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timerEnds = 0;
  /** Of the file when we last looked. */
  #version: number | undefined;
  /** Whether we have changed the file since. */
  #isChanged = false;
  /** How often we have looked in vain. */
  #vainPolls = 0;
  /** When a delay, lease or pause ends, in ms since the epoch. */
  #nextDue = Number.POSITIVE_INFINITY;

  /** @param schedule lets those with pending claims look soon */
  constructor(file: SqliteFile, schedule: () => void) {
    this.#file = file;
    this.#schedule = schedule;
  }

  add(consumer: SqliteConsumer): void {
    this.#consumers.add(consumer);
  }

  remove(consumer: SqliteConsumer): void {
    this.#consumers.delete(consumer);
    this.#pending.delete(consumer);
  }

  get isWaiting(): boolean {
    for (const consumer of this.#consumers) if (consumer.isWaiting) return true;
    return false;
  }

  get hasPendingClaims(): boolean {
    return this.#pending.size > 0;
  }

  request(consumer: SqliteConsumer): void {
    this.#pending.add(consumer);
    this.#schedule();
  }

  /** There may be something in the queue now. */
  readonly ready = (queue: number): void => {
    for (const consumer of this.#consumers) {
      if (consumer.isWaiting && consumer.queues.some(({ id }) => id === queue)) this.#pending.add(consumer);
    }
  };

  /** There may be something in any queue now. */
  wake(): void {
    for (const consumer of this.#consumers) {
      if (consumer.isWaiting) this.#pending.add(consumer);
    }
    if (this.hasPendingClaims) this.#schedule();
  }

  /** We have changed the file. */
  onCommit(): void {
    this.#isChanged = true;
  }

  look(now: number): boolean {
    const { messages } = this.#file;
    for (const consumer of this.#pending) {
      let hasWork = false;
      for (const { id } of consumer.isWaiting ? consumer.queues : []) {
        const outlook = messages.outlook(id, now);
        this.#nextDue = Math.min(this.#nextDue, outlook.nextDue);
        hasWork ||= outlook.hasWork;
      }
      if (hasWork) continue;
      this.#pending.delete(consumer);
      consumer.resolveEmpty();
    }
    this.#watch();
    return this.hasPendingClaims;
  }

  claim(now: number, until: number): void {
    const budget: ClaimBudget = { bytes: CLAIM_BYTES };
    this.#served = [];
    for (const consumer of [...this.#pending]) {
      this.#pending.delete(consumer);
      this.#served.push(consumer);
      // Behind the others, where there is more for it.
      if (consumer.claim(this.#file.messages, budget, now)) this.#pending.add(consumer);
      if (budget.bytes <= 0 || performance.now() > until) break;
    }
  }

  deliver(claimedAt: number): void {
    const served = this.#served;
    if (served.length > 0) {
      this.#served = [];
      for (const consumer of served) {
        consumer.deliver(claimedAt);
        if (!this.#pending.has(consumer)) consumer.resolveEmpty();
      }
      this.#watch();
    }
    if (this.hasPendingClaims) this.#schedule();
  }

  undo(): void {
    for (const consumer of this.#served) {
      consumer.undo();
      this.#pending.add(consumer);
    }
    this.#served = [];
  }

  fail(error: unknown): void {
    const failed = [...this.#pending];
    this.#pending.clear();
    for (const consumer of failed) consumer.fail(error);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** As long as somebody waits, looks again when something may have changed. */
  #watch(): void {
    const now = Date.now();
    const pollMs = this.#vainPolls > POLLS_UNTIL_QUIET ? QUIET_POLL_MS : POLL_MS;
    const ends = now + Math.min(pollMs, Math.max(0, this.#nextDue - now));
    if (this.#timer !== undefined) {
      if (this.#timerEnds <= ends) return;
      clearTimeout(this.#timer);
    }
    this.#timerEnds = ends;
    this.#timer = runOutside(() => setTimeout(this.#poll, ends - now));
  }

  readonly #poll = (): void => {
    this.#timer = undefined;
    if (!this.isWaiting) return;
    try {
      this.#file.guard.check(performance.now(), GUARD_MS);
      this.#lookAgain();
    } catch (error) {
      // Locked for a moment, while somebody else opens or closes the file.
      if (!isLocked(error)) {
        const engineError = toEngineError(error, this.#file.address.path);
        for (const consumer of this.#consumers) consumer.fail(engineError);
      }
    }
    this.#watch();
  };

  #lookAgain(): void {
    const version = this.#file.dataVersion();
    const now = Date.now();
    if (version === this.#version && !this.#isChanged && now < this.#nextDue) {
      this.#vainPolls++;
      return;
    }
    this.#vainPolls = 0;
    this.#version = version;
    this.#isChanged = false;
    this.#nextDue = Number.POSITIVE_INFINITY;
    this.wake();
  }
}
