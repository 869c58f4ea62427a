import { checkInteger } from '../../queue/checks.js';
import type { Driver } from '../../queue/driver.js';
import { attempts, attemptsOfCrashes } from './attempts.js';
import { bodies } from './bodies.js';
import { cancellation } from './cancellation.js';
import { closing } from './closing.js';
import { delaysAndPauses } from './delays-and-pauses.js';
import { deleteAndFlush } from './delete-and-flush.js';
import { denied } from './denied.js';
import { exclusivity } from './exclusivity.js';
import { failures } from './failures.js';
import { blockedHolders, lateSettlements } from './late-settlements.js';
import { leases } from './leases.js';
import { limits } from './limits.js';
import { list } from './list.js';
import { move } from './move.js';
import { expiry, optionalFeatures } from './optional-features.js';
import { order } from './order.js';
import { processes } from './processes.js';
import { put } from './put.js';
import { promote, retry } from './retry-and-promote.js';
import { findRunner, RunnerAdapter, type TestRunner } from './runner.js';
import { settle } from './settle.js';
import { settleMany } from './settle-many.js';
import { severalQueues } from './several-queues.js';
import { stats } from './stats.js';
import { SuiteBuilder } from './suite-builder.js';
import { TIMING, type Timing } from './timing.js';
import { transactions, transactionsAndLeases } from './transactions.js';
import { waiting } from './waiting.js';

type Area = (builder: SuiteBuilder) => void;

const QUICK: readonly Area[] = [
  put,
  bodies,
  order,
  exclusivity,
  settle,
  settleMany,
  failures,
  attempts,
  severalQueues,
  list,
  stats,
  retry,
  promote,
  deleteAndFlush,
  move,
  transactions,
  optionalFeatures,
  limits,
  denied,
  closing,
];

/** Leases, delays, pauses and timeouts take their time, whatever the engine. */
const SLOW: readonly Area[] = [
  leases,
  lateSettlements,
  attemptsOfCrashes,
  transactionsAndLeases,
  delaysAndPauses,
  expiry,
];

/** They measure, or start processes: not while others run. */
const ALONE: readonly Area[] = [blockedHolders, waiting, cancellation, processes];

/** How the suite opens the engine, and what it runs on. */
export interface DriverTestOptions {
  /**
   * Opens the engine anew, without a prefix. Drivers that are opened so share their messages, as those of several
   * processes would. What is in the engine already is left alone.
   */
  readonly open: () => Promise<Driver>;
  /**
   * A module whose default export is such an `open`, for the tests with a second process: a URL or an absolute path,
   * such as `new URL('./open.js', import.meta.url)`. That process has the environment of this one. Needed when
   * `capabilities.shared`.
   */
  readonly processModule?: string | URL | undefined;
  /** The functions that declare the tests. Default: the global ones, which mocha has. */
  readonly runner?: TestRunner | undefined;
  /**
   * Declares, instead of the whole suite, its quick part, and runs it so many times at once, with queues of their own each.
   * As many drivers are open at a time.
   */
  readonly stress?: number | undefined;
}

/**
 * Declares tests of all that an engine must promise (see `Driver`), to be called in a test file. They bring their
 * own queues, with random names, and remove what they put there. What the driver's `capabilities` say no to is reported
 * as skipped, with the capability; asking for it must throw UnsupportedError. The arguments of drivers are checked as
 * `openDriver` does it.
 *
 * Some tests wait for leases and delays to end, many of them at once; all take about half a minute. They set the timeouts
 * they need: on a busy machine nothing fails for being slow, and what a driver never does fails after a minute. The engine must take bodies of 1 MiB.
 * @param name the engine's, for the report
 * @throws Error where there is no test runner
 * @example With mocha:
 * testDriver('array', { open: () => openArray('array:test', { prefix: '' }) });
 * @example With vitest; for node:test, `import { after, describe, it } from 'node:test'`:
 * import { afterAll, describe, it } from 'vitest';
 * testDriver('array', { open, runner: { describe, it, after: afterAll } });
 */
export function testDriver(name: string, options: DriverTestOptions): void {
  declareTests(name, options, TIMING);
}

/** @param timing of an engine with a clock finer than a second, for the tests of these tests */
export function declareTests(
  name: string,
  { open, processModule, runner = findRunner(), stress }: DriverTestOptions,
  timing: Timing,
): void {
  const builder = new SuiteBuilder(new RunnerAdapter(runner), { open, processModule }, timing);
  const declare = (areas: readonly Area[]) => (): void => {
    for (const area of areas) area(builder);
  };
  if (stress !== undefined) {
    const times = checkInteger('stress', stress, 1);
    builder.describe(`What a driver promises: ${name}, ${times} times at once`, () => {
      builder.stressed(times, declare(QUICK));
    });
    return;
  }
  builder.describe(`What a driver promises: ${name}`, () => {
    declare(QUICK)();
    builder.overlapping(declare(SLOW));
    declare(ALONE)();
  });
}
