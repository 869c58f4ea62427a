import type { JobStats } from '../protocol/stats.js';
import { LONGEST_TIMER_MS } from '../shared/deadline.js';

/** What the watch needs of a connection. */
export interface HoldingConnection {
  /** Whether the server reads what is sent: not while a reserve waits. */
  readonly isListening: boolean;
  /** Asks the server about a job; any command makes it look at the clock. */
  askAbout(jobId: string): Promise<JobStats | null>;
  /** The job is no longer held. */
  forget(jobId: string): void;
}

/** A job held no longer than this costs nothing. */
const FIRST_LOOK_MS = 1000;

/** Any command makes the server look at all jobs of the connection: with thousands held, a few at a time will do. */
const MOST_AT_ONCE = 10;

/** `time-left` is in whole seconds, rounded toward zero. */
const ROUNDING_MS = 1000;

/**
 * Makes the server notice that the TTR of a held job has passed.
 *
 * Servers 1.10 to 1.13 often miss it while the holder's connection is silent: the job stays reserved, for nobody, until
 * the next command comes down that connection (protocol-notes, TTR and DEADLINE_SOON). So a connection that has held a job
 * for a while asks for its `stats-job`, learns the time left, and asks again when that has passed. While a reserve waits
 * there is nothing to do: the server answers it DEADLINE_SOON in the last second.
 */
export class ExpiryWatch {
  readonly #connection: HoldingConnection;
  /** When to ask about each job. */
  readonly #looks = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: HoldingConnection) {
    this.#connection = connection;
  }

  add(jobId: string): void {
    this.#looks.set(jobId, performance.now() + FIRST_LOOK_MS);
    if (this.#timer === undefined) this.#schedule();
  }

  delete(jobId: string): void {
    this.#looks.delete(jobId);
  }

  stop(): void {
    this.#looks.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    this.#timer = undefined;
    if (this.#looks.size === 0) return;
    let soonest = Number.POSITIVE_INFINITY;
    for (const at of this.#looks.values()) soonest = Math.min(soonest, at);
    // Not more often than that, however many jobs are held; nor does it keep the process alive.
    const ms = Math.max(FIRST_LOOK_MS / 2, soonest - performance.now());
    this.#timer = setTimeout(() => void this.#look(), Math.min(ms, LONGEST_TIMER_MS)).unref();
  }

  async #look(): Promise<void> {
    const now = performance.now();
    if (this.#connection.isListening) {
      const due = [...this.#looks].filter(([, at]) => at <= now).slice(0, MOST_AT_ONCE);
      await Promise.all(due.map(([jobId]) => this.#ask(jobId)));
    }
    this.#schedule();
  }

  async #ask(jobId: string): Promise<void> {
    try {
      const stats = await this.#connection.askAbout(jobId);
      if (!this.#looks.has(jobId)) return;
      // Overdue or gone: this command has made the server notice, and there is nothing left to wait for.
      if (stats?.state !== 'reserved' || stats.timeLeft < 0) {
        this.#looks.delete(jobId);
        this.#connection.forget(jobId);
      } else {
        this.#looks.set(jobId, performance.now() + stats.timeLeft * 1000 + ROUNDING_MS);
      }
    } catch {
      // The connection is going, and the watch with it.
      this.#looks.delete(jobId);
    }
  }
}
