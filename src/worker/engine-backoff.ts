import { setTimeout as sleep } from 'node:timers/promises';
import { retryDelay } from './retry.js';

/** Between two tries while the engine cannot be reached. */
const recoveryDelay = retryDelay({ initial: '200ms', max: '5s', jitter: 'none' });

export interface EngineBackoffEvents {
  /** Told once a round, however many calls fail in it. */
  readonly onFailure: (error: unknown) => void;
  /** The engine answers again. @param downMs since the first failure */
  readonly onRecovery: (downMs: number) => void;
}

/** Waits while an engine fails: all calls that fail wait together, and longer from round to round. */
export class EngineBackoff {
  readonly #events: EngineBackoffEvents;
  readonly #signal: AbortSignal;
  /** Rounds since the engine last answered. */
  #rounds = 0;
  #downSince: number | undefined;
  #waiting: Promise<void> | undefined;

  /** @param signal ends the waiting */
  constructor(events: EngineBackoffEvents, signal: AbortSignal) {
    this.#events = events;
    this.#signal = signal;
  }

  /** Whether the engine has not answered since a call failed. */
  get isDown(): boolean {
    return this.#downSince !== undefined;
  }

  /** The engine has answered. */
  recover(): void {
    if (this.#downSince === undefined) return;
    const downMs = performance.now() - this.#downSince;
    this.#rounds = 0;
    this.#downSince = undefined;
    this.#events.onRecovery(downMs);
  }

  /** Resolves when the engine may be tried again, or when the signal has aborted. */
  wait(error: unknown): Promise<void> {
    this.#downSince ??= performance.now();
    this.#waiting ??= this.#waitOut(error).finally(() => {
      this.#waiting = undefined;
    });
    return this.#waiting;
  }

  /** What the engine answers to `call`; undefined when it has failed, which was waited for. */
  async answerOf<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      await this.wait(error);
      return undefined;
    }
  }

  async #waitOut(error: unknown): Promise<void> {
    this.#events.onFailure(error);
    // Half of it at random, so that the workers of an installation do not return in the same moment.
    const delayMs = recoveryDelay(++this.#rounds, error) * (0.5 + Math.random() / 2);
    try {
      await sleep(delayMs, undefined, { signal: this.#signal });
    } catch {
      // Stopped meanwhile, which the callers see for themselves.
    }
  }
}
