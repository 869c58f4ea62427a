import type { Capabilities } from '../queue/driver.js';
import { TimingError } from './checks.js';
import type { Engine, Pace } from './engine.js';
import type { Runner, TestContext } from './runner.js';
import { Trial } from './trial.js';

export type TestBody = (trial: Trial) => Promise<void>;

/** A test that says something only about engines with, or without, one of the capabilities. */
export interface Condition {
  readonly needs?: keyof Capabilities;
  readonly lacks?: keyof Capabilities;
}

/** Of a test as a whole. What may hang has a limit of its own, which tells more when it is exceeded. */
const LIMIT_MS = 600_000;

/** How the tests of the suite are declared: each with a trial of its own. */
export class Declaration {
  readonly #runner: Runner;
  readonly #engine: Engine;
  readonly #pace: Pace;
  #overlap: Overlap | undefined;

  constructor(runner: Runner, engine: Engine, pace: Pace) {
    this.#runner = runner;
    this.#engine = engine;
    this.#pace = pace;
  }

  describe(title: string, declare: () => void): void {
    this.#runner.describe(title, declare);
  }

  it(title: string, body: TestBody, condition: Condition = {}): void {
    const run = (): Promise<string | undefined> => this.#run(body, condition);
    this.#declare(title, this.#overlap?.add(run) ?? run);
  }

  /** Tests that mostly wait: the first of them that runs starts the others, and each reports how it went itself. */
  overlapping(declare: () => void): void {
    const overlap = new Overlap(this.#pace.atOnce);
    this.#overlap = overlap;
    declare();
    this.#overlap = undefined;
    this.#runner.after(async function () {
      this.timeout(LIMIT_MS);
      await overlap.end();
    });
  }

  #declare(title: string, run: () => Promise<string | undefined>): void {
    this.#runner.it(title, async function (this: TestContext) {
      this.timeout(LIMIT_MS);
      this.slow(LIMIT_MS);
      const pending = await run();
      if (pending === undefined) return;
      if (this.test) this.test.title += ` (${pending})`;
      this.skip();
    });
  }

  /** @returns why it says nothing about this engine, where that is so */
  async #run(body: TestBody, condition: Condition): Promise<string | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#runOnce(body, condition);
      } catch (error) {
        if (!(error instanceof TimingError) || tries >= this.#pace.tries) throw error;
      }
    }
  }

  async #runOnce(body: TestBody, { needs, lacks }: Condition): Promise<string | undefined> {
    const trial = await Trial.begin(this.#engine, this.#pace);
    const { capabilities } = trial.driver;
    if (needs !== undefined && !has(capabilities, needs)) return trial.end(`the engine lacks ${needs}`);
    if (lacks !== undefined && has(capabilities, lacks)) return trial.end(`the engine has ${lacks}`);
    try {
      await body(trial);
    } catch (error) {
      // It says more than what may go wrong behind it.
      await trial.end(undefined).catch(() => {});
      throw error;
    }
    return trial.end(undefined);
  }
}

/** A capability that is missing, or graded `none`, is one that the engine lacks. */
function has(capabilities: Capabilities, name: keyof Capabilities): boolean {
  return ![undefined, false, 'none'].includes(capabilities[name]);
}

/** Runs tests several at a time. */
class Overlap {
  readonly #atOnce: number;
  readonly #waiting: (() => Promise<unknown>)[] = [];
  readonly #running: Promise<void>[] = [];

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** @returns what the test is to run in its turn: it may have begun, or ended, long before */
  add(run: () => Promise<string | undefined>): () => Promise<string | undefined> {
    let outcome: Promise<string | undefined> | undefined;
    const start = (): Promise<string | undefined> => {
      outcome ??= run();
      return outcome;
    };
    this.#waiting.push(start);
    return () => {
      const own = start();
      while (this.#running.length < this.#atOnce) this.#running.push(this.#lane());
      return own;
    };
  }

  /** Where some have been left out, others may still run. */
  async end(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all(this.#running);
  }

  async #lane(): Promise<void> {
    for (let start = this.#waiting.shift(); start; start = this.#waiting.shift()) {
      // Its own test tells how it went, perhaps later.
      await start().catch(() => {});
    }
  }
}
