import type { Driver, PutOptions } from '../../../src/queue/driver.js';

/** A way in which a driver can be wrong. */
export interface Fault {
  readonly what: string;
  /** The tests of the suite that must fail. */
  readonly fails: readonly [string, ...string[]];
  /** What the first of them must say. */
  readonly because: RegExp;
  /** The engine that is broken. Default: memory; SQLite for what memory has not. */
  readonly engine?: 'sqlite';
  /** Called for each driver that is opened. */
  readonly breaks: (driver: Driver) => Driver;
}

/** A plain message put by the fault itself. */
export const PLAIN: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

/** Behind the messages of the suite that have the priority in the middle. */
export const LATER: number = 2 ** 31 + 1_000_000;

export const LEAST_TTR_MS = 1000;
