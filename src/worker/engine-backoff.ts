import { setTimeout as sleep } from 'node:timers/promises';
import { retryDelay } from './retry.js';

/** Between two tries while the engine cannot be reached. */
const recoveryDelay = retryDelay({ initial: '200ms', max: '5s', jitter: 'none' });

/** Waits while an engine fails. All calls that fail wait together, and each round is reported once. */
export class EngineBackoff {
  readonly #report: (error: unknown) => void;
  readonly #signal: AbortSignal;
  /** Rounds since the engine last answered. */
  #rounds = 0;
  #waiting: Promise<void> | undefined;

  /** @param signal ends the waiting */
  constructor(report: (error: unknown) => void, signal: AbortSignal) {
    this.#report = report;
    this.#signal = signal;
  }

  /** The engine has answered. */
  end(): void {
    this.#rounds = 0;
  }

  /** Resolves when the engine may be tried again, or when the signal has aborted. */
  wait(error: unknown): Promise<void> {
    this.#waiting ??= this.#waitOut(error).finally(() => {
      this.#waiting = undefined;
    });
    return this.#waiting;
  }

  async #waitOut(error: unknown): Promise<void> {
    this.#report(error);
    // Half of it at random, so that the workers of an installation do not return in the same moment.
    const delayMs = recoveryDelay(++this.#rounds, error) * (0.5 + Math.random() / 2);
    try {
      await sleep(delayMs, undefined, { signal: this.#signal });
    } catch {
      // Stopped meanwhile, which the callers see for themselves.
    }
  }
}
