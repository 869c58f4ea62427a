/** A test, as runners call it. Mocha passes what it knows of the test as `this`, others as the first argument. */
export type Test = (this: unknown, ...context: readonly unknown[]) => Promise<void>;

/**
 * What declares the tests: mocha's `describe`, `it` and `after`, those of `node:test`, or vitest's with `after: afterAll`.
 * A test has no parameters of its own, so that no runner takes it for one with a callback. Each is given its time limit in
 * milliseconds as a third argument, and each hook as a second, which vitest heeds and the others ignore.
 */
export interface TestRunner {
  /** Declares a group of tests. */
  describe(title: string, declare: () => void): unknown;
  /** Declares a test. */
  it(title: string, test: Test): unknown;
  /** Declares what runs after the tests of a group. */
  after(hook: Test): unknown;
}

/** Of a test as a whole, where the runner has a limit. What may hang has a limit of its own, which tells more. */
export const LIMIT_MS = 600_000;

/** What tests can do with their runner, whichever it is. */
export class RunnerAdapter {
  readonly #runner: TestRunner;

  constructor(runner: TestRunner) {
    this.#runner = runner;
  }

  describe(title: string, declare: () => void): void {
    this.#runner.describe(title, declare);
  }

  /** @param run resolves to the reason why the test says nothing, where that is so: it is reported as skipped */
  it(title: string, run: () => Promise<string | undefined>): void {
    const test: Test = async function (...args) {
      const context = contextOf(this, args);
      setLimit(context);
      const pending = await run();
      if (pending !== undefined) skip(context, pending);
    };
    (this.#runner.it as (title: string, test: Test, limitMs: number) => unknown)(title, test, LIMIT_MS);
  }

  after(hook: () => Promise<void>): void {
    const limited: Test = async function (...args) {
      setLimit(contextOf(this, args));
      await hook();
    };
    (this.#runner.after as (hook: Test, limitMs: number) => unknown)(limited, LIMIT_MS);
  }
}

/** The part of a runner's context that is used: mocha has all but the argument of `skip`. */
interface TestContext {
  timeout?(ms: number): unknown;
  slow?(ms: number): unknown;
  skip?(why?: string): unknown;
  readonly test?: { title: string } | undefined;
}

function contextOf(self: unknown, [first]: readonly unknown[]): TestContext {
  return isContext(first) ? first : isContext(self) ? self : {};
}

function isContext(value: unknown): value is TestContext {
  return typeof value === 'object' && value !== null && ('skip' in value || 'timeout' in value);
}

/** Mocha's own limit is two seconds. */
function setLimit(context: TestContext): void {
  if (typeof context.timeout === 'function') context.timeout(LIMIT_MS);
  if (typeof context.slow === 'function') context.slow(LIMIT_MS);
}

/** Mocha and vitest throw what ends the test as skipped. */
function skip(context: TestContext, why: string): void {
  if (typeof context.timeout === 'function' && context.test) context.test.title += ` (${why})`;
  context.skip?.(why);
}

/** The runner whose file is being loaded. @throws Error where there is none */
export function findRunner(): TestRunner {
  const {
    describe,
    it,
    after,
    afterAll = after,
  } = globalThis as Partial<TestRunner & { afterAll: TestRunner['after'] }>;
  if (describe !== undefined && it !== undefined && afterAll !== undefined) return { describe, it, after: afterAll };
  throw new Error(
    'testDriver() found no test runner: call it in a test file that mocha loads with its "bdd" interface, which has the global functions describe, it and after; or hand them in, from node:test or vitest: testDriver(name, { open, runner: { describe, it, after } })',
  );
}
