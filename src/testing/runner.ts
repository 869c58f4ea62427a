/** What a test sees of its runner as `this`. */
export interface TestContext {
  timeout(ms: number): unknown;
  slow(ms: number): unknown;
  skip(): never;
  readonly test?: { title: string } | undefined;
}

/** What the suite needs of mocha. Typed here, so that those who write drivers need no types of a runner. */
export interface Runner {
  describe(title: string, declare: () => void): unknown;
  it(title: string, test: (this: TestContext) => Promise<void>): unknown;
  after(hook: (this: TestContext) => Promise<void>): unknown;
}

/** The runner whose file is being loaded. @throws Error where there is none */
export function findRunner(): Runner {
  const { describe, it, after } = globalThis as unknown as Partial<Runner>;
  if (describe === undefined || it === undefined || after === undefined) {
    throw new Error(
      'testDriver() declares its tests with the global functions describe, it and after: call it in a test file that mocha loads, with its "bdd" interface',
    );
  }
  return { describe, it, after };
}
