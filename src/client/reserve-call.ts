import { reserveLine } from '../protocol/commands.js';
import { DeadlineSoonError } from '../protocol/errors.js';
import type { Reply } from '../protocol/replies.js';
import { onAbort } from '../shared/abort.js';
import type { Job } from './job.js';
import { nothing } from './operations.js';
import type { JobConnection, Request } from './request.js';
import type { Session } from './session.js';

/** From one DEADLINE_SOON to the next that is told. */
const WARNING_INTERVAL_MS = 200;

/** How often the server is asked in between: a job that becomes ready then comes so much later at most. */
const WARNING_POLL_MS = 50;

/** What a reserve is answered: a job, or null when its time is over. */
export type ReserveAnswer = Request<Job | null>['decode'];

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
 * reserve that would wait for long is sent as several, each of which the server must answer. The call is itself what is sent,
 * again and again: it is made for each job.
 */
export class ReserveCall implements Request<Job | null> {
  /** As it was called: also one without a timeout travels with one. */
  readonly command: 'reserve' | 'reserve-with-timeout';
  line = '';
  /** How long the request that was sent last waits at the server, in seconds. */
  timeout: number | undefined;
  readonly answerMs: number;
  /** Among the calls of its client. */
  place = 0;
  readonly #session: Session;
  readonly #decode: ReserveAnswer;
  readonly #warnings: DeadlineWarnings;
  /** In seconds; undefined: for ever. */
  readonly #total: number | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (call: ReserveCall) => void;
  readonly #calledAt = performance.now();
  #sentAt = this.#calledAt;
  /** Seconds that it still waits behind the request that was sent last; undefined: for ever. */
  #left: number | undefined;
  #isOver = false;
  #resolve: (job: Job | null) => void = nothing;
  #reject: (error: unknown) => void = nothing;

  /** @param timeout in seconds; undefined: for ever */
  constructor(
    session: Session,
    decode: ReserveAnswer,
    warnings: DeadlineWarnings,
    timeout: number | undefined,
    signal: AbortSignal | undefined,
    onEnd: (call: ReserveCall) => void,
  ) {
    this.command = timeout === undefined ? 'reserve' : 'reserve-with-timeout';
    this.answerMs = session.liveness.answerMs;
    this.#session = session;
    this.#decode = decode;
    this.#warnings = warnings;
    this.#total = timeout;
    this.#signal = signal;
    this.#onEnd = onEnd;
  }

  /** Sends it in this very tick. */
  start(): Promise<Job | null> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#send(this.#total);
    });
  }

  /** Resolves it with null. */
  stop(): void {
    this.#finish(null);
    this.#session.abandon(this);
  }

  decode(reply: Reply, connection: JobConnection): Job | null {
    const job = this.#decode(reply, connection);
    // At once, not when the promise of a request is: calls settle in the order of their replies.
    if (job !== null || this.#left === 0 || this.#endedEarly()) this.#finish(job);
    return job;
  }

  #finish(job: Job | null): void {
    this.#end();
    this.#resolve(job);
  }

  #fail(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    if (!this.#isOver) this.#onEnd(this);
    this.#isOver = true;
  }

  /** @param left seconds that it still waits; undefined: for ever */
  #send(left: number | undefined): void {
    const timeout = this.#timeoutOf(left);
    this.timeout = timeout;
    this.line = reserveLine(timeout);
    this.#left = left === undefined || timeout === undefined ? left : left - timeout;
    const onAnswer = (): void => this.#answered();
    const onError = (error: unknown): void => this.#failed(error);
    if (this.#signal === undefined) this.#session.dispatch(this, onAnswer, onError);
    else void this.#session.sendCancellable(this, this.#signal).then(onAnswer, onError);
  }

  /** Behind a request that brought nothing, while there is time left. */
  #sendAgain(left: number | undefined): void {
    if (this.#isOver) return;
    if (this.#session.isQuitting) {
      this.#finish(null);
      return;
    }
    this.#sentAt = performance.now();
    this.#send(left);
  }

  /** How long the next request waits at the server, of the seconds that are left. */
  #timeoutOf(left: number | undefined): number | undefined {
    // While jobs are held one that can be given up asks second by second: their connection outlives it then, and what is
    // called for them has to wait a second at most.
    const isShort = this.#signal !== undefined && this.#session.holdsJobs;
    const most = isShort ? 1 : this.#session.liveness.seconds;
    if (left !== undefined && !(left > most)) return left;
    return most === Number.POSITIVE_INFINITY ? left : most;
  }

  /** Whether the server ended the wait before its time: asked again it might do so at once, for ever. */
  #endedEarly(): boolean {
    const { timeout = Number.POSITIVE_INFINITY } = this;
    return performance.now() - this.#sentAt < (timeout - 1) * 1000;
  }

  /** A request was answered, with nothing if the call is not over. */
  #answered(): void {
    if (!this.#isOver) queueMicrotask(() => this.#sendAgain(this.#left));
  }

  #failed(error: unknown): void {
    if (this.#total === 0 || !(error instanceof DeadlineSoonError) || this.#warnings.isDue()) this.#fail(error);
    else void this.#pauseThenSend();
  }

  async #pauseThenSend(): Promise<void> {
    try {
      await this.#pause();
    } catch (error) {
      if (!this.#isOver) this.#fail(error);
      return;
    }
    this.#sendAgain(this.#total === undefined ? undefined : this.#secondsLeft(this.#total));
  }

  #secondsLeft(total: number): number {
    return Math.max(0, Math.ceil(total - (performance.now() - this.#calledAt) / 1000));
  }

  /** Until it is time to ask again, or the client closes. @throws the signal's reason */
  async #pause(): Promise<void> {
    const signal = this.#signal;
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
