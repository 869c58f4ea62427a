import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, ReservedMessage, Settlement, SettlementResult } from '../queue/driver.js';
import { DriverClosedError, EngineError, InvalidOptionError, UnsupportedError } from '../queue/errors.js';
import { Deadline } from '../shared/deadline.js';
import { isA } from '../shared/is-a.js';
import type { EngineBackoff } from './engine-backoff.js';

/** How long the engine may take to answer once the slots were ended by force; then the consumer is closed. */
const SETTLE_MS = 2000;

/** How long that may take. */
const CLOSE_MS = 5000;

/** A reserve without a time limit that is answered with nothing within this time: the engine may be closed. */
const EMPTY_ANSWER_MS = 50;

/** How long what waited for the engine may take to reject once the consumer is closed. */
const ABANDON_MS = 100;

/** So often in a row it is. */
const MOST_EMPTY_ANSWERS = 3;

/** What an engine says to what it will never do: waiting would not help. */
const REFUSALS: readonly (abstract new (...args: never[]) => Error)[] = [
  InvalidOptionError,
  UnsupportedError,
  DriverClosedError,
];

export interface WorkerConsumerOptions {
  readonly consume: () => Promise<Consumer>;
  readonly backoff: EngineBackoff;
  /** Aborts when the worker stops. */
  readonly stopping: AbortSignal;
  readonly onError: (error: unknown) => void;
  /** The engine was closed by somebody else. */
  readonly onClosed: () => void;
}

/** The consumer of a worker, whatever the engine does: nothing here rejects but `open`, and nothing hangs for ever at the end. */
export class WorkerConsumer {
  readonly #options: WorkerConsumerOptions;
  #consumer: Consumer | undefined;
  #closing: Promise<void> | undefined;
  #timer: Deadline | undefined;
  #abandon: () => void = () => {};
  readonly #abandoned: Promise<void>;
  #isEnded = false;
  #emptyAnswers = 0;
  #emptyPause: Promise<void> | undefined;

  constructor(options: WorkerConsumerOptions) {
    this.#options = options;
    this.#abandoned = new Promise((resolve) => {
      this.#abandon = resolve;
    });
  }

  /** Waits for an engine that cannot be reached yet, but not for one that refuses. Resolves also when the worker stops. */
  async open(): Promise<void> {
    const { consume, backoff, stopping } = this.#options;
    while (this.#consumer === undefined && !stopping.aborted) {
      try {
        this.#consumer = await consume();
      } catch (error) {
        if (REFUSALS.some((Refusal) => isA(Refusal, error))) throw error;
        await backoff.wait(error);
      }
    }
    // It came when nobody waited for it any more.
    if (this.#isEnded) await this.#close();
  }

  /**
   * The next message; null when there is none for whatever reason, which was told and waited for.
   * @param askedAt now, by `performance.now()`
   */
  async reserve(signal: AbortSignal, askedAt: number): Promise<ReservedMessage | null> {
    const { backoff, stopping, onClosed } = this.#options;
    const wasDown = backoff.isDown;
    try {
      // After a failure the answer must not wait for a message: it tells that the engine is back.
      const messages = await this.#consumer?.reserve(wasDown ? { signal, timeoutMs: 0 } : { signal });
      backoff.recover();
      const message = messages?.[0];
      if (message !== undefined) {
        this.#emptyAnswers = 0;
        return message;
      }
      if (!wasDown && !stopping.aborted) await this.#onEmptyAnswer(askedAt);
    } catch (error) {
      if (isA(DriverClosedError, error)) onClosed();
      else if (!stopping.aborted) await backoff.wait(error);
    }
    return null;
  }

  /** Settles a message; issues the command before it returns. Pass the result to `resultOf`. */
  settle(settlement: Settlement): Promise<readonly SettlementResult[]> {
    return this.#held.settle([settlement]);
  }

  /** Renews a lease. @throws LeaseLostError, EngineError */
  async touch(message: ReservedMessage): Promise<void> {
    resultOf(await this.#held.touch([message]));
  }

  /** Whether a message is still held whose `ack` was part of a transaction. @throws EngineError */
  async isHeld(message: ReservedMessage): Promise<boolean> {
    const consumer = this.#held;
    if (consumer.isHeld === undefined) throw missingMethod('isHeld');
    return consumer.isHeld(message);
  }

  /** The consumer that has reserved the messages. */
  get #held(): Consumer {
    if (this.#consumer === undefined) throw new EngineError('cannot reach the engine: it was not opened');
    return this.#consumer;
  }

  /** Only an engine that is closed answers so at once, time and again. */
  async #onEmptyAnswer(askedAt: number): Promise<void> {
    if (performance.now() - askedAt >= EMPTY_ANSWER_MS) this.#emptyAnswers = 0;
    this.#emptyPause ??= this.#pause();
    await this.#emptyPause;
  }

  async #pause(): Promise<void> {
    const { stopping, onClosed } = this.#options;
    try {
      await sleep(EMPTY_ANSWER_MS, undefined, { signal: stopping });
      this.#emptyAnswers++;
      if (this.#emptyAnswers >= MOST_EMPTY_ANSWERS) onClosed();
    } catch {
      // Stopped meanwhile.
    }
    this.#emptyPause = undefined;
  }

  /** What `work` resolves with, or nothing once the engine was waited for long enough. */
  async orAbandoned(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.#abandoned]);
  }

  /** Closes it when the engine has had time to answer. What it then still does not answer is waited for no longer. */
  closeSoon(): void {
    this.#timer ??= new Deadline(SETTLE_MS, () => void this.#closeAndAbandon());
  }

  async #closeAndAbandon(): Promise<void> {
    await this.#closed();
    if (!this.#isEnded) this.#timer = new Deadline(ABANDON_MS, () => this.#abandonWork());
  }

  #abandonWork(): void {
    this.#options.onError(hangError('the engine has not answered since the worker stopped'));
    this.#abandon();
  }

  /** What is still held goes back. An engine that fails or hangs is told to `onError`, and waited for no longer. */
  async end(): Promise<void> {
    await this.#closed();
    this.#isEnded = true;
    this.#timer?.cancel();
  }

  #closed(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#consumer === undefined) return;
    let deadline: Deadline | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      deadline = new Deadline(CLOSE_MS, () => reject(hangError(`it was not closed within ${CLOSE_MS} ms`)));
    });
    try {
      await Promise.race([this.#consumer.close(), late]);
    } catch (error) {
      this.#options.onError(error);
    } finally {
      deadline?.cancel();
    }
  }
}

/** The result for a single message. @throws the error of the result */
export function resultOf([result]: readonly SettlementResult[]): SettlementResult {
  if (result === undefined)
    throw new EngineError('the engine did not tell what became of a message', { outcome: 'unknown' });
  if (result.error !== undefined) throw result.error;
  return result;
}

function missingMethod(name: string): UnsupportedError {
  return new UnsupportedError(`cannot finish a message in a transaction: the consumer of this engine has no ${name}`);
}

function hangError(why: string): EngineError {
  return new EngineError(`cannot wait for the engine: ${why}; what it still holds comes back when the leases end`, {
    retryable: true,
    outcome: 'unknown',
  });
}
