import { reserveLine } from '../protocol/commands.js';
import { DeadlineSoonError } from '../protocol/errors.js';
import type { Reply } from '../protocol/replies.js';
import { onAbort } from '../shared/abort.js';
import type { Job } from './job.js';
import { noop } from './operations.js';
import type { JobConnection, Request } from './request.js';
import type { Session } from './session.js';

/** The shortest time between two reserves that reject with DEADLINE_SOON. */
const WARNING_INTERVAL_MS = 200;

/** How long a reserve pauses after a DEADLINE_SOON that it does not report. A job that becomes ready is delayed by that much. */
const WARNING_PAUSE_MS = 50;

/** Decodes the reply to a reserve: a job, or null when its time is over. */
export type ReserveDecoder = Request<Job | null>['decode'];

/** The reserves of one client. */
export class Reserver {
  readonly #session: Session;
  readonly #decode: ReserveDecoder;
  readonly #warnings = new DeadlineWarnings();
  // An array, because V8 links the tables that a Set outgrows: the old ones keep calls and their jobs alive until a full collection.
  readonly #calls: ReserveCall[] = [];
  readonly #onEnd = (call: ReserveCall): void => {
    const last = this.#calls.pop();
    if (last === undefined || last === call) return;
    this.#calls[call.index] = last;
    last.index = call.index;
  };
  #isStopped = false;

  constructor(session: Session, decode: ReserveDecoder) {
    this.#session = session;
    this.#decode = decode;
  }

  /** @param timeout in seconds; undefined for no limit */
  reserve(timeout: number | undefined, signal: AbortSignal | undefined): Promise<Job | null> {
    if (this.#isStopped) return Promise.resolve(null);
    const call = new ReserveCall(this.#session, this.#decode, this.#warnings, timeout, signal, this.#onEnd);
    call.index = this.#calls.push(call) - 1;
    return call.start();
  }

  /** Delivers no further job: pending reserves resolve with null, and a job that they receive later is released. */
  stop(): void {
    this.#isStopped = true;
    for (const call of [...this.#calls]) call.stop();
  }
}

/**
 * Limits how often reserves reject with DEADLINE_SOON. The server sends that reply immediately, until the job in question is touched
 * or its TTR ends, so a caller that only reserves again would do so thousands of times.
 */
class DeadlineWarnings {
  #reportedAt = Number.NEGATIVE_INFINITY;

  /** Whether to report this one. */
  isDue(): boolean {
    const now = performance.now();
    if (now - this.#reportedAt < WARNING_INTERVAL_MS) return false;
    this.#reportedAt = now;
    return true;
  }
}

/**
 * One call of `reserve`.
 *
 * A server that waits for a job sends nothing, and neither does a server that disappeared without closing the connection. A long
 * reserve is therefore sent as several short ones, each of which the server must answer. The call is itself the request, which is
 * sent repeatedly: one object for each job.
 */
class ReserveCall implements Request<Job | null> {
  /** The command that was called. Also a `reserve` is sent with a timeout. */
  readonly command: 'reserve' | 'reserve-with-timeout';
  line = '';
  /** How long the request that was sent last waits at the server, in seconds. */
  timeout: number | undefined;
  readonly answerMs: number;
  /** Its index among the calls of its client. */
  index = 0;
  readonly #session: Session;
  readonly #decode: ReserveDecoder;
  readonly #warnings: DeadlineWarnings;
  /** The timeout of the call, in seconds; undefined for no limit. */
  readonly #totalSeconds: number | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (call: ReserveCall) => void;
  readonly #calledAt = performance.now();
  #sentAt = this.#calledAt;
  /** How many seconds remain after the request that was sent last; undefined for no limit. */
  #remaining: number | undefined;
  #isOver = false;
  #resolve: (job: Job | null) => void = noop;
  #reject: (error: unknown) => void = noop;

  /** @param timeout in seconds; undefined for no limit */
  constructor(
    session: Session,
    decode: ReserveDecoder,
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
    this.#totalSeconds = timeout;
    this.#signal = signal;
    this.#onEnd = onEnd;
  }

  /** Sends the first request in the same tick. */
  start(): Promise<Job | null> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#send(this.#totalSeconds);
    });
  }

  /** Resolves the call with null. */
  stop(): void {
    this.#finish(null);
    this.#session.abandon(this);
  }

  decode(reply: Reply, connection: JobConnection): Job | null {
    const job = this.#decode(reply, connection);
    // Here, not when the promise of the request settles: calls settle in the order of their replies.
    if (job !== null || this.#remaining === 0 || this.#endedEarly()) this.#finish(job);
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

  /** @param seconds how long the call still waits; undefined for no limit */
  #send(seconds: number | undefined): void {
    const timeout = this.#timeoutOf(seconds);
    this.timeout = timeout;
    this.line = reserveLine(timeout);
    this.#remaining = seconds === undefined || timeout === undefined ? seconds : seconds - timeout;
    const onAnswer = (): void => this.#onAnswer();
    const onError = (error: unknown): void => this.#onError(error);
    if (this.#signal === undefined) this.#session.dispatch(this, onAnswer, onError);
    else void this.#session.sendCancellable(this, this.#signal).then(onAnswer, onError);
  }

  #sendAgain(seconds: number | undefined): void {
    if (this.#isOver) return;
    if (this.#session.isQuitting) {
      this.#finish(null);
      return;
    }
    this.#sentAt = performance.now();
    this.#send(seconds);
  }

  /** How long the next request waits at the server. @param seconds how long the call still waits */
  #timeoutOf(seconds: number | undefined): number | undefined {
    // A cancellable reserve waits one second at a time while jobs are held: their connection then survives the cancellation, and a
    // command for such a job is delayed by at most a second.
    const isShort = this.#signal !== undefined && this.#session.holdsJobs;
    const max = isShort ? 1 : this.#session.liveness.seconds;
    if (seconds !== undefined && !(seconds > max)) return seconds;
    return max === Number.POSITIVE_INFINITY ? seconds : max;
  }

  /** Whether the server ended the wait before its time. If the reserve were repeated, the server might do so again, for ever. */
  #endedEarly(): boolean {
    const { timeout = Number.POSITIVE_INFINITY } = this;
    return performance.now() - this.#sentAt < (timeout - 1) * 1000;
  }

  /** The server answered a request. If the call is not over, the answer was no job. */
  #onAnswer(): void {
    if (!this.#isOver) queueMicrotask(() => this.#sendAgain(this.#remaining));
  }

  #onError(error: unknown): void {
    if (this.#totalSeconds === 0 || !(error instanceof DeadlineSoonError) || this.#warnings.isDue()) this.#fail(error);
    else void this.#pauseThenSend();
  }

  async #pauseThenSend(): Promise<void> {
    try {
      await this.#pause();
    } catch (error) {
      if (!this.#isOver) this.#fail(error);
      return;
    }
    this.#sendAgain(this.#totalSeconds === undefined ? undefined : this.#secondsLeft(this.#totalSeconds));
  }

  #secondsLeft(totalSeconds: number): number {
    return Math.max(0, Math.ceil(totalSeconds - (performance.now() - this.#calledAt) / 1000));
  }

  /** Ends early when the client closes. @throws the signal's reason */
  async #pause(): Promise<void> {
    const signal = this.#signal;
    const removers: (() => void)[] = [];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, WARNING_PAUSE_MS);
      removers.push(() => clearTimeout(timer), onAbort(this.#session.closing, resolve));
      if (signal !== undefined) removers.push(onAbort(signal, resolve));
      if (signal?.aborted) resolve();
    });
    for (const remove of removers) remove();
    signal?.throwIfAborted();
  }
}
