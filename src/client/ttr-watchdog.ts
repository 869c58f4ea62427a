import type { JobStats } from '../protocol/stats.js';
import { LONGEST_TIMER_MS } from '../shared/deadline.js';

/** What the watchdog requires of a connection. */
export interface WatchedConnection {
  /** Whether the server reads what is sent. It does not while a reserve waits. */
  readonly isListening: boolean;
  /** Any command makes the server check its clock; this one also tells the time left. */
  statsJob(jobId: string): Promise<JobStats | null>;
  /** The job is no longer held. */
  forget(jobId: string): void;
}

/** A job that is held for less than this time is never checked. */
const FIRST_CHECK_MS = 1000;

/** How many jobs are checked at once. One command makes the server check all jobs of the connection, so a few are enough. */
const MAX_CHECKS_AT_ONCE = 10;

/** `time-left` is in whole seconds, rounded toward zero. */
const ROUNDING_MS = 1000;

/**
 * Makes the server notice that the TTR of a held job has passed.
 *
 * Servers 1.10 to 1.13 often miss it while the holder's connection is silent: the job stays reserved until the next command arrives
 * on that connection (protocol-notes, TTR and DEADLINE_SOON). The watchdog therefore sends `stats-job` for a job that has been held
 * for a while, reads the time left, and repeats the command when that time has passed. It does nothing while a reserve waits: the
 * server answers that with DEADLINE_SOON in the last second of a TTR.
 */
export class TtrWatchdog {
  readonly #connection: WatchedConnection;
  /** When to check each job, by `performance.now()`. */
  readonly #checkAt = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: WatchedConnection) {
    this.#connection = connection;
  }

  add(jobId: string): void {
    this.#checkAt.set(jobId, performance.now() + FIRST_CHECK_MS);
    if (this.#timer === undefined) this.#schedule();
  }

  delete(jobId: string): void {
    this.#checkAt.delete(jobId);
  }

  stop(): void {
    this.#checkAt.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    this.#timer = undefined;
    if (this.#checkAt.size === 0) return;
    let soonest = Number.POSITIVE_INFINITY;
    for (const at of this.#checkAt.values()) soonest = Math.min(soonest, at);
    // The minimum bounds the frequency, however many jobs are held. The timer does not keep the process alive.
    const ms = Math.max(FIRST_CHECK_MS / 2, soonest - performance.now());
    this.#timer = setTimeout(() => void this.#checkDueJobs(), Math.min(ms, LONGEST_TIMER_MS)).unref();
  }

  async #checkDueJobs(): Promise<void> {
    const now = performance.now();
    if (this.#connection.isListening) {
      const due = [...this.#checkAt].filter(([, at]) => at <= now).slice(0, MAX_CHECKS_AT_ONCE);
      await Promise.all(due.map(([jobId]) => this.#check(jobId)));
    }
    this.#schedule();
  }

  async #check(jobId: string): Promise<void> {
    try {
      const stats = await this.#connection.statsJob(jobId);
      if (!this.#checkAt.has(jobId)) return;
      // Overdue or gone: this command has made the server notice it.
      if (stats?.state !== 'reserved' || stats.timeLeft < 0) {
        this.#checkAt.delete(jobId);
        this.#connection.forget(jobId);
      } else {
        this.#checkAt.set(jobId, performance.now() + stats.timeLeft * 1000 + ROUNDING_MS);
      }
    } catch {
      // The connection is closing, and stops the watchdog.
      this.#checkAt.delete(jobId);
    }
  }
}
