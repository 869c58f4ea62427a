import assert from 'node:assert/strict';

type Run = () => Promise<string | undefined>;

/** Runs all tests several times at once, each time beginning with another one, so that different ones meet. */
export class Stress {
  readonly #times: number;
  readonly #tests: { readonly run: Run; readonly outcomes: PromiseWithResolvers<string | undefined>[] }[] = [];
  #running: Promise<unknown> | undefined;

  constructor(times: number) {
    this.#times = times;
  }

  /** @returns what the test is to run in its turn: it waits for all of its runs */
  add(run: Run): Run {
    const outcomes = Array.from({ length: this.#times }, () => withResolvers<string | undefined>());
    this.#tests.push({ run, outcomes });
    return async () => {
      this.#running ??= Promise.all(outcomes.map((_, index) => this.#runAll(index)));
      const settled = await Promise.allSettled(outcomes.map(({ promise }) => promise));
      const failed = settled.filter((outcome) => outcome.status === 'rejected');
      const [first] = failed;
      if (first !== undefined) throw new StressError(failed.length, this.#times, first.reason);
      return outcomes[0]?.promise;
    };
  }

  /** Where some have been left out, others may still run. */
  async end(): Promise<void> {
    await this.#running;
  }

  async #runAll(index: number): Promise<void> {
    const start = Math.floor((index * this.#tests.length) / this.#times);
    for (const { run, outcomes } of [...this.#tests.slice(start), ...this.#tests.slice(0, start)]) {
      const outcome = outcomes[index];
      // The test tells how it went.
      await run().then(outcome?.resolve, outcome?.reject);
    }
  }
}

/** Some of the runs of a test have failed. */
class StressError extends assert.AssertionError {
  constructor(failed: number, times: number, first: unknown) {
    const why = first instanceof Error ? first.message : String(first);
    super({ message: `${failed} of ${times} runs at once failed, the first with: ${why}` });
    this.cause = first;
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** `Promise.withResolvers`, which Node 20 does not have. A rejection is no unhandled one: its test looks at it later. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
