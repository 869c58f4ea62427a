import { setTimeout as sleep } from 'node:timers/promises';
import type { Test, TestRunner } from '../../src/testing/conformance/runner.js';
import { type DriverTestOptions, declareTests } from '../../src/testing/conformance/suite.js';
import type { Timing } from '../../src/testing/conformance/timing.js';

/** How a test of the suite went. */
export interface Outcome {
  /** As it was reported: a pending one tells why. */
  readonly title: string;
  readonly state: 'passed' | 'failed' | 'pending';
  /** Why it failed. */
  readonly error?: unknown;
}

interface DeclaredTest {
  readonly title: string;
  readonly body: Test;
}

/** As mocha's, as far as the suite knows it. */
interface TestContext {
  readonly test: { title: string };
  timeout(ms: number): void;
  slow(ms: number): void;
  skip(): never;
  expired(end: AbortSignal): Promise<never>;
}

/** For an engine with a fine clock, and for failures that come soon; one test after another, and none that was not asked for. */
const QUICK: Timing = { secondMs: 500, patienceMs: 1300, tries: 1, atOnce: 0 };

/**
 * Where a busy machine has made a test end too soon, at a step that is all right, or look too late for a fault that shows for
 * a while only: with more patience, and with longer times.
 */
const PATIENT: readonly Timing[] = [
  { ...QUICK, patienceMs: 20_000 },
  { ...QUICK, secondMs: 2000, patienceMs: 20_000 },
  { ...QUICK, secondMs: 6000, patienceMs: 60_000 },
];

class Skipped extends Error {}

/**
 * Runs tests of the conformance suite, as mocha would.
 * @param only the titles of those that are to run; default: all
 */
export async function runSuite(
  options: DriverTestOptions,
  { only, timing = QUICK }: { readonly only?: readonly string[]; readonly timing?: Timing } = {},
): Promise<Outcome[]> {
  const { tests, after } = declare(options, timing);
  const outcomes: Outcome[] = [];
  for (const test of tests) {
    if (only === undefined || only.includes(test.title)) outcomes.push(await run(test));
  }
  for (const hook of after) await hook();
  return outcomes;
}

/** Runs tests that a broken driver fails: quickly, and with more patience where they have not failed as expected. */
export async function runFailing(
  options: DriverTestOptions,
  only: readonly string[],
  areExpected: (outcomes: readonly Outcome[]) => boolean,
): Promise<Outcome[]> {
  const run = async (timing: Timing): Promise<Outcome[]> => {
    return (await Promise.all(only.map((title) => runSuite(options, { only: [title], timing })))).flat();
  };
  let outcomes = await run(QUICK);
  for (const timing of PATIENT) {
    if (areExpected(outcomes)) break;
    outcomes = await run(timing);
  }
  return outcomes;
}

/** Why a test has failed. */
export function messageOf({ error }: Outcome): string {
  return String((error as Error | undefined)?.message);
}

/** The titles of all tests, in order. */
export function allTitles(): string[] {
  const open = () => Promise.reject(new Error('not to be opened'));
  return declare({ open }, QUICK).tests.map(({ title }) => title);
}

/** Collects what is declared. */
function declare(
  options: DriverTestOptions,
  timing: Timing,
): { tests: DeclaredTest[]; after: (() => Promise<void>)[] } {
  const tests: DeclaredTest[] = [];
  const after: (() => Promise<void>)[] = [];
  const runner: TestRunner = {
    describe: (_title, body) => body(),
    it: (title, body) => tests.push({ title, body }),
    after: (hook) => after.push(() => hook.call(contextOf(''))),
  };
  declareTests('engine', { ...options, runner }, timing);
  return { tests, after };
}

async function run({ title, body }: DeclaredTest): Promise<Outcome> {
  const context = contextOf(title);
  const ended = new AbortController();
  try {
    await Promise.race([body.call(context), context.expired(ended.signal)]);
    return { title: context.test.title, state: 'passed' };
  } catch (error) {
    if (error instanceof Skipped) return { title: context.test.title, state: 'pending' };
    return { title: context.test.title, state: 'failed', error };
  } finally {
    ended.abort();
  }
}

function contextOf(title: string): TestContext {
  let limitMs = 2000;
  return {
    test: { title },
    timeout: (ms) => {
      limitMs = ms;
    },
    slow: () => {},
    skip: () => {
      throw new Skipped();
    },
    expired: async (signal) => {
      // Behind the first turn, in which the test sets its limit.
      await Promise.resolve();
      await sleep(limitMs, undefined, { signal }).catch(() => new Promise<never>(() => {}));
      throw new Error(`the test took longer than its limit, ${limitMs} ms`);
    },
  };
}
