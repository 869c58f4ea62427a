/** What `stats-job` tells of the deliveries of a job. */
export interface Counters {
  readonly reserves: number;
  readonly buries: number;
  readonly kicks: number;
}

interface Budget {
  readonly kicks: number;
  /** Deliveries before the kick that granted it. */
  readonly reservesBefore: number;
}

/** More jobs that were kicked are not remembered; the oldest are forgotten first, and are granted another budget. */
const MAX_BUDGETS = 10_000;

/**
 * Counts the attempts of jobs. The server goes on counting `reserves` after a kick, but a kick grants a fresh budget. So the
 * first delivery that is seen after a kick is attempt 1: never less than a whole budget, and more only where another process
 * has seen deliveries before.
 */
export class Budgets {
  readonly #budgets = new Map<string, Budget>();

  attemptOf(jobId: string, { reserves, buries, kicks }: Counters): number {
    // A kick of a delayed job grants nothing.
    if (kicks === 0 || buries === 0) return reserves;
    let budget = this.#budgets.get(jobId);
    if (budget === undefined || budget.kicks !== kicks) {
      budget = { kicks, reservesBefore: reserves - 1 };
      this.#remember(jobId, budget);
    }
    return Math.max(1, reserves - budget.reservesBefore);
  }

  /** The job is deleted. */
  forget(jobId: string): void {
    if (this.#budgets.size > 0) this.#budgets.delete(jobId);
  }

  #remember(jobId: string, budget: Budget): void {
    this.#budgets.delete(jobId);
    this.#budgets.set(jobId, budget);
    const [oldest] = this.#budgets.keys();
    if (this.#budgets.size > MAX_BUDGETS && oldest !== undefined) this.#budgets.delete(oldest);
  }
}
