import { reserveLine } from '../protocol/commands.js';
import { DeadlineSoonError } from '../protocol/errors.js';
import { onAbort } from '../shared/abort.js';
import type { Job } from './job.js';
import { nothing } from './operations.js';
import type { Request } from './request.js';
import type { Session } from './session.js';

/** From one DEADLINE_SOON to the next that is told. */
const WARNING_INTERVAL_MS = 200;

/** How often the server is asked in between: a job that becomes ready then comes so much later at most. */
const WARNING_POLL_MS = 50;

/** What a reserve is answered: a job, or null when its time is over. */
export type ReserveAnswer = Request<Job | null>['decode'];

interface Wait {
  /** In seconds; undefined: for ever. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * The server answers DEADLINE_SOON at once, again and again, until the job in question is touched or its time is over: who
 * only asks again would do so thousands of times.
 */
export class DeadlineWarnings {
  #toldAt = Number.NEGATIVE_INFINITY;

  /** Whether it is time to tell again. */
  isDue(): boolean {
    const now = performance.now();
    if (now - this.#toldAt < WARNING_INTERVAL_MS) return false;
    this.#toldAt = now;
    return true;
  }
}

/**
 * One call of `reserve`.
 *
 * A server that waits for jobs says nothing, and neither does one that is gone without closing the connection. So a
 * reserve that would wait for long is sent as several, each of which the server must answer.
 */
export class ReserveCall {
  readonly #session: Session;
  readonly #decode: ReserveAnswer;
  readonly #warnings: DeadlineWarnings;
  readonly #wait: Wait;
  /** When the call ends at the latest, by `performance.now()`. */
  readonly #end: number;
  /** What was sent last. */
  #request: Request<Job | null> | undefined;
  #isOver = false;
  #resolve: (job: Job | null) => void = nothing;
  #onEnd: () => void = nothing;

  constructor(session: Session, decode: ReserveAnswer, warnings: DeadlineWarnings, wait: Wait) {
    this.#session = session;
    this.#decode = decode;
    this.#warnings = warnings;
    this.#wait = wait;
    this.#end = wait.timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + wait.timeout * 1000;
  }

  /** Sends it in this very tick. @throws InvalidArgumentError */
  start(onEnd: () => void): Promise<Job | null> {
    this.#onEnd = onEnd;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#ask(this.#wait.timeout, (error) => {
        this.#over();
        reject(error);
      });
    });
  }

  /** Resolves it with null. */
  stop(): void {
    if (this.#request !== undefined) this.#session.abandon(this.#request);
    this.#finish(null);
  }

  #finish(job: Job | null): void {
    this.#over();
    this.#resolve(job);
  }

  #over(): void {
    this.#isOver = true;
    this.#onEnd();
  }

  /** @param left seconds that it still waits; undefined: for ever */
  #ask(left: number | undefined, fail: (error: unknown) => void): void {
    const { signal } = this.#wait;
    const timeout = this.#timeoutOf(left);
    try {
      this.#request = this.#requestOf(timeout, left === timeout);
    } catch (error) {
      fail(error);
      return;
    }
    const answer =
      signal === undefined ? this.#session.send(this.#request) : this.#session.sendCancellable(this.#request, signal);
    answer
      .then(
        () => {
          if (this.#isOver) return;
          if (this.#session.isQuitting) this.#finish(null);
          else this.#ask(left === undefined || timeout === undefined ? undefined : left - timeout, fail);
        },
        (error) => this.#failed(error, fail),
      )
      .catch(fail);
  }

  /** How long the next request waits at the server, of the seconds that are left. */
  #timeoutOf(left: number | undefined): number | undefined {
    // While jobs are held one that can be given up asks second by second: their connection outlives it then, and what is
    // called for them has to wait a second at most.
    const isShort = this.#wait.signal !== undefined && this.#session.holdsJobs;
    const most = isShort ? 1 : this.#session.liveness.seconds;
    if (left !== undefined && !(left > most)) return left;
    return most === Number.POSITIVE_INFINITY ? left : most;
  }

  #requestOf(timeout: number | undefined, isLast: boolean): Request<Job | null> {
    const sentAt = performance.now();
    return {
      // As it was called: also one without a timeout travels with one.
      command: this.#wait.timeout === undefined ? 'reserve' : 'reserve-with-timeout',
      line: reserveLine(timeout),
      timeout,
      answerMs: this.#session.liveness.answerMs,
      decode: (reply, connection) => {
        const job = this.#decode(reply, connection);
        // At once, not when the promise of the request is: calls settle in the order of their replies.
        if (job !== null || isLast || isEarly(timeout, sentAt)) this.#finish(job);
        return job;
      },
    };
  }

  async #failed(error: unknown, fail: (error: unknown) => void): Promise<void> {
    const { timeout } = this.#wait;
    if (timeout === 0 || !(error instanceof DeadlineSoonError) || this.#warnings.isDue()) {
      fail(error);
      return;
    }
    this.#request = undefined;
    await this.#pause();
    if (this.#isOver) return;
    if (this.#session.isQuitting) this.#finish(null);
    else this.#ask(timeout === undefined ? undefined : this.#secondsLeft(), fail);
  }

  #secondsLeft(): number {
    return Math.max(0, Math.ceil((this.#end - performance.now()) / 1000));
  }

  /** Until it is time to ask again, or the client closes. @throws the signal's reason */
  async #pause(): Promise<void> {
    const { signal } = this.#wait;
    const removers: (() => void)[] = [];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, WARNING_POLL_MS);
      removers.push(() => clearTimeout(timer), onAbort(this.#session.closing, resolve));
      if (signal !== undefined) removers.push(onAbort(signal, resolve));
      if (signal?.aborted) resolve();
    });
    for (const remove of removers) remove();
    signal?.throwIfAborted();
  }
}

/** Whether the server ended the wait before its time: asked again it might do so at once, for ever. */
function isEarly(timeout: number = Number.POSITIVE_INFINITY, sentAt: number): boolean {
  return performance.now() - sentAt < (timeout - 1) * 1000;
}
