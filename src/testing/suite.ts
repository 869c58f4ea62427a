import type { Driver } from '../queue/driver.js';
import { aborting } from './aborting.js';
import { attempts } from './attempts.js';
import { bodies } from './bodies.js';
import { closing } from './closing.js';
import { Declaration } from './declaration.js';
import { PACE, type Pace } from './engine.js';
import { exclusivity } from './exclusivity.js';
import { blockedHolders, lateSettlements } from './late-settlements.js';
import { leases } from './leases.js';
import { looking } from './looking.js';
import { operating } from './operating.js';
import { order } from './order.js';
import { processes } from './processes.js';
import { putting } from './putting.js';
import { refusing } from './refusing.js';
import { findRunner } from './runner.js';
import { settling } from './settling.js';
import { severalQueues } from './several-queues.js';
import { times } from './times.js';
import { waiting } from './waiting.js';

type Theme = (declaration: Declaration) => void;

const QUICK: readonly Theme[] = [
  putting,
  bodies,
  order,
  exclusivity,
  settling,
  attempts,
  severalQueues,
  operating,
  looking,
  refusing,
  closing,
];

/** Leases, delays, pauses and timeouts take their time, whatever the engine. */
const SLOW: readonly Theme[] = [leases, lateSettlements, times];

/** They measure, or start processes: not while others run. */
const ALONE: readonly Theme[] = [blockedHolders, waiting, aborting, processes];

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
}

/**
 * Declares mocha tests of all that an engine must promise (see `Driver`), to be called in a test file. They bring their
 * own queues, with random names, and remove what they put there. What the driver's `capabilities` say no to is reported
 * as pending, under a title that says so; for the rest, asking for it must throw.
 *
 * Some tests wait for leases and delays to end, many of them at once; all take about half a minute. They set the timeouts
 * they need: on a busy machine nothing fails for being slow, and what a driver never does fails after a minute. The engine must take bodies of 1 MiB.
 * @param name the engine's, for the report
 * @throws Error where there is no mocha
 */
export function testDriver(name: string, options: DriverTestOptions): void {
  declareTests(name, options, PACE);
}

/** @param pace of an engine with a clock finer than a second, for the tests of these tests */
export function declareTests(name: string, { open, processModule }: DriverTestOptions, pace: Pace): void {
  const declaration = new Declaration(findRunner(), { open, processModule }, pace);
  declaration.describe(`What a driver promises: ${name}`, () => {
    for (const theme of QUICK) theme(declaration);
    declaration.overlapping(() => {
      for (const theme of SLOW) theme(declaration);
    });
    for (const theme of ALONE) theme(declaration);
  });
}
