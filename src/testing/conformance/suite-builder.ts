import { TimingError } from './assertions.js';
import { type Condition, whyPending } from './condition.js';
import { Fixture } from './fixture.js';
import { Overlap } from './overlap.js';
import type { RunnerAdapter } from './runner.js';
import { Stress } from './stress.js';
import type { Engine, Timing } from './timing.js';

export type TestBody = (fixture: Fixture) => Promise<void>;

/** Declares the tests of the suite, each with a fixture of its own. */
export class SuiteBuilder {
  readonly #runner: RunnerAdapter;
  readonly #engine: Engine;
  readonly #timing: Timing;
  /** What decides when the tests run that are being declared. */
  #scheduler: Overlap | Stress | undefined;

  constructor(runner: RunnerAdapter, engine: Engine, timing: Timing) {
    this.#runner = runner;
    this.#engine = engine;
    this.#timing = timing;
  }

  describe(title: string, declare: () => void): void {
    this.#runner.describe(title, declare);
  }

  /** @param condition of the engines about which the test says something; it is reported as skipped for others */
  it(title: string, body: TestBody, condition: Condition = {}): void {
    const run = (): Promise<string | undefined> => this.#run(body, condition);
    this.#runner.it(title, this.#scheduler?.add(run) ?? run);
  }

  /** Tests that mostly wait: the first of them that runs starts the others, and each reports how it went itself. */
  overlapping(declare: () => void): void {
    this.#schedule(new Overlap(this.#timing.atOnce), declare);
  }

  /** Tests that are run so many times at once: the first of them that runs starts all. */
  stressed(times: number, declare: () => void): void {
    this.#schedule(new Stress(times), declare);
  }

  #schedule(scheduler: Overlap | Stress, declare: () => void): void {
    this.#scheduler = scheduler;
    declare();
    this.#scheduler = undefined;
    this.#runner.after(() => scheduler.end());
  }

  /** @returns why it says nothing about this engine, where that is so */
  async #run(body: TestBody, condition: Condition): Promise<string | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#runOnce(body, condition);
      } catch (error) {
        if (!(error instanceof TimingError) || tries >= this.#timing.tries) throw error;
      }
    }
  }

  async #runOnce(body: TestBody, condition: Condition): Promise<string | undefined> {
    const fixture = await Fixture.begin(this.#engine, this.#timing);
    const pending = whyPending(fixture.driver, condition);
    if (pending !== undefined) return fixture.end(pending);
    try {
      await body(fixture);
    } catch (error) {
      // It says more than what may go wrong behind it.
      await fixture.end(undefined).catch(() => {});
      throw error;
    }
    return fixture.end(undefined);
  }
}
