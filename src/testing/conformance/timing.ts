import type { Driver } from '../../queue/driver.js';

/** What is tested. */
export interface Engine {
  readonly open: () => Promise<Driver>;
  readonly processModule: string | URL | undefined;
}

/** How long things take, and may take, in a run of the suite. */
export interface Timing {
  /** The unit of all delays, leases and pauses: one that the engine's clock knows. No lease is shorter than two of them. */
  readonly secondMs: number;
  /** How long an answer or a message may take before a test gives up. Only what hangs takes so long. */
  readonly patienceMs: number;
  /** How often a test is run before a `TimingError` counts. */
  readonly tries: number;
  /** How many of the tests that mostly wait run together. Each has a driver or two, and those their connections. */
  readonly atOnce: number;
}

/** Seconds, because some engines know no shorter time. */
export const TIMING: Timing = { secondMs: 1000, patienceMs: 60_000, tries: 5, atOnce: 8 };
