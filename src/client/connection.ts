import type { Socket } from 'node:net';
import { createDebug } from '../debug.js';
import { COMMANDS, errorCodeOf, isReserve, losesFraming, RESERVE_REPLIES, settlesJob } from '../protocol/commands.js';
import { type ErrorContext, serverError } from '../protocol/errors.js';
import type { Reply } from '../protocol/replies.js';
import { skippedBody } from '../protocol/reply-policy.js';
import { Deadline } from '../shared/deadline.js';
import { type AnyBeanstalkdError, ClosedError, ConnectionLostError } from './errors.js';
import { HeldJobs, type Holder } from './held-jobs.js';
import { Pipeline, type PipelineListener, type PipelineOptions } from './pipeline.js';
import type { Delivery, JobConnection, Request } from './request.js';
import type { Pending } from './request-queue.js';
import { describe, type OpenSocket, type SocketFactory } from './socket.js';

const debug = createDebug('haricot:connection');

export interface ConnectionOptions extends PipelineOptions {
  /** How long connecting may take, TLS and the first reply included, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Aborts connecting: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Creates the socket; for tests. */
  readonly openSocket?: SocketFactory | undefined;
  /** How many bytes may be in flight. */
  readonly maxPendingBytes: number;
}

/**
 * - open: accepts commands.
 * - retiring: accepts only commands about jobs that it holds, and quits after the last of them.
 * - quitting: accepts the same commands, delivers no further job, waits for the pending replies, then ends.
 * - closed: accepts nothing; `#closeReason` says why.
 */
type State = 'open' | 'retiring' | 'quitting' | 'closed';

/** The lifecycle of one socket and the jobs that are held over it. A closed connection is not reopened. */
export class Connection implements JobConnection, Holder, PipelineListener {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #maxBodyBytes: number;
  readonly #maxPendingBytes: number;
  readonly #pipeline: Pipeline;
  readonly #pending: Pipeline['pending'];
  readonly #held: HeldJobs;
  readonly #closed: Promise<void>;
  #state: State = 'open';
  #closeReason: AnyBeanstalkdError | undefined;
  /**
   * Whether the connection was abandoned with a cancelled reserve. Then a job that is delivered while it quits goes back to its
   * queue, and a reserve that is ended by the quit rejects, because its time was not over.
   */
  #abandoned = false;
  #abandonedDeadline: Deadline | undefined;
  readonly #abandonedTimeoutMs: number;
  /** Called once, when the connection has closed. */
  onClose: (reason: AnyBeanstalkdError) => void = () => {};
  /** The tube in use once all sent commands are executed; undefined when it is unknown. */
  usedTube: string | undefined = 'default';

  constructor(openSocket: OpenSocket, name: string, options: ConnectionOptions) {
    const { socket } = openSocket;
    this.#socket = socket;
    this.#name = name;
    this.#maxBodyBytes = options.maxBodyBytes;
    this.#maxPendingBytes = options.maxPendingBytes;
    this.#abandonedTimeoutMs = options.connectTimeoutMs;
    this.#pipeline = new Pipeline(openSocket, name, options, this);
    this.#pending = this.#pipeline.pending;
    this.#held = new HeldJobs(this);
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', (cause) => this.#markLost(describe(cause), cause));
    socket.on('end', () => this.#markLost('the server closed the connection'));
    socket.on('close', () => this.#markLost('the connection closed'));
  }

  /** Whether commands can still be sent. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether the server reads what is sent. It does not while a reserve waits. */
  get isListening(): boolean {
    return !this.#pending.hasReserve && this.#state !== 'closed';
  }

  /** Whether no command is pending and no job is held. */
  get isIdle(): boolean {
    return this.#pending.size === 0 && this.#held.size === 0;
  }

  /** Resolves when the socket has closed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Whether a caller waits for a reply. */
  get hasPendingReplies(): boolean {
    return this.#pending.hasPendingReplies;
  }

  get holdsJobs(): boolean {
    return this.#held.size > 0;
  }

  holds(jobId: string): boolean {
    return this.#held.has(jobId);
  }

  /** Whether a reserve is pending that may deliver a job to a caller. */
  get awaitsJobs(): boolean {
    return this.#state === 'open'
      ? this.#pending.hasReserve
      : this.#state === 'retiring' && this.#pending.hasAwaitedReserve;
  }

  delivery(jobId: string): Delivery | undefined {
    return this.#held.get(jobId);
  }

  sendFor<T>(delivery: Delivery | undefined, request: Request<T>): Promise<T> {
    return this.#held.sendFor(delivery, request);
  }

  onSettled(): void {
    if (this.#state === 'retiring') this.#quitWhenNothingIsHeld();
    else if (this.#state === 'quitting') this.#endWhenAnswered();
  }

  send<T>(request: Request<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => this.dispatch(request, resolve, reject));
  }

  /**
   * Does the same as {@link send} without a promise: calls one of the two functions.
   * @throws RangeError when there is no memory for a copy of the body
   */
  dispatch<T>(request: Request<T>, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    const { command, jobId } = request;
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      reject(refusal);
      return;
    }
    this.#pipeline.add(request, resolve as Pending['resolve'], reject);
    if (jobId === undefined) return;
    if (command === 'delete') this.#held.delete(jobId);
    else if (settlesJob(command)) this.#held.forget(jobId);
  }

  /**
   * Settles the call of a pending command whose caller no longer waits. The reply is still consumed, and a job that it
   * delivers goes back to its queue.
   * @returns false when the command is not pending
   */
  abandon(request: Request<unknown>, settle: (call: Pick<Pending, 'resolve' | 'reject'>) => void): boolean {
    return this.#pending.abandon(request, settle);
  }

  /**
   * Accepts only commands about held jobs from now on, and quits when no job is held. The server then answers a waiting reserve
   * and the commands after it at once.
   */
  retire(): void {
    if (this.#state !== 'open') return;
    this.#state = 'retiring';
    this.#abandoned = true;
    const why = `the connection was given up with a cancelled reserve (${this.#name})`;
    this.#closeReason = new ConnectionLostError(why, false);
    debug('%s retires, %d jobs held', this.#name, this.#held.size);
    this.#quitWhenNothingIsHeld();
  }

  /**
   * Accepts only commands about held jobs from now on and delivers no further job. When no job is held, the pending commands are
   * answered and the connection closes. A waiting reserve is ended by closing the sending side: the server answers `TIMED_OUT`
   * at once and closes.
   * @param waitForJobs false to return held jobs to their queues at once
   */
  quit(waitForJobs = true): Promise<void> {
    if (!waitForJobs) this.#held.clear();
    if (this.#state === 'open' || this.#state === 'retiring') {
      this.#state = 'quitting';
      this.#closeReason ??= new ClosedError('the client was closed by quit()');
      debug('%s quit, %d replies pending, %d jobs held', this.#name, this.#pending.size, this.#held.size);
      this.#held.confirmAll();
    }
    if (this.#state === 'quitting') this.#endWhenAnswered();
    return this.#closed;
  }

  /** Closes now. Pending commands reject with {@link ClosedError}. */
  destroy(): void {
    this.#close((context) => new ClosedError('the client was closed by destroy()', context));
  }

  onReply(reply: Reply, pending: Pending): void {
    const { form } = reply;
    if (!COMMANDS[pending.request.command].success.includes(form)) {
      this.#onFailure(reply, pending);
    } else if (this.#state === 'quitting' && RESERVE_REPLIES.includes(form)) {
      this.#onReserveEnded(reply, pending);
    } else {
      if (form === 'RESERVED <id> <bytes>') this.#onReserved(reply.value, pending);
      this.#resolve(pending, reply);
    }
    if (this.#state === 'quitting') this.#endWhenAnswered();
  }

  onBroken(why: string, cause: Error): void {
    this.#markLost(why, cause);
  }

  #onFailure({ form, value }: Reply, { request, reject }: Pending): void {
    const { command, jobId } = request;
    const error = serverError(errorCodeOf(form), { command, jobId: jobId ?? (value || undefined) });
    if (form === 'NOT_FOUND' && command === 'touch' && jobId !== undefined) this.#held.forget(jobId);
    reject(error);
    // The server may have read only a part of the body. Then it takes the rest for commands.
    if (command === 'put' && losesFraming(form)) this.#markLost(`out of step after ${form} to a put`, error);
  }

  #resolve({ request, resolve, reject, abandoned }: Pending, reply: Reply): void {
    if (abandoned) return;
    const tooLarge = skippedBody(reply, request.command, this.#maxBodyBytes);
    if (tooLarge !== undefined) {
      reject(tooLarge);
      return;
    }
    try {
      resolve(request.decode(reply, this));
    } catch (error) {
      reject(error);
    }
  }

  #onReserved(jobId: string, { abandoned, requestedAt }: Pending): void {
    this.#held.add(jobId, requestedAt);
    if (abandoned) this.#held.giveBack(jobId);
  }

  /**
   * Answers a reserve while the connection quits. A job that it delivers is given to no caller: it goes back to its queue when the
   * connection closes, or at once when the connection stays open for other held jobs.
   */
  #onReserveEnded({ form, value }: Reply, { request, resolve, reject, abandoned, requestedAt }: Pending): void {
    const { command, jobId } = request;
    if (form === 'RESERVED <id> <bytes>' && !this.#pipeline.isEnding && this.#held.size > 0) {
      this.#held.add(value, requestedAt);
      this.#held.giveBack(value);
    }
    if (abandoned) return;
    if (this.#abandoned) reject(new ConnectionLostError(this.#closeReason?.message ?? '', true, { command, jobId }));
    else if (isReserve(command)) resolve(null);
    else reject(this.#refusal({ command, jobId }));
  }

  #refusalOf(request: Request<unknown>): AnyBeanstalkdError | undefined {
    const { command, jobId } = request;
    if (this.#state !== 'open' && !this.#acceptsWhileEnding(jobId)) return this.#refusal({ command, jobId });
    return this.#pending.refusalOf(request, this.#maxPendingBytes);
  }

  #acceptsWhileEnding(jobId: string | undefined): boolean {
    return this.#state !== 'closed' && !this.#pipeline.isEnding && jobId !== undefined && this.#held.has(jobId);
  }

  #quitWhenNothingIsHeld(): void {
    if (this.#held.size > 0) return;
    void this.quit();
    const onDeadline = (): void => this.#markLost('the server does not answer');
    this.#abandonedDeadline = new Deadline(this.#abandonedTimeoutMs, onDeadline);
  }

  #endWhenAnswered(): void {
    if (this.#held.size > 0) return;
    if (this.#pending.size > 0 && !this.#pending.hasReserve) return;
    // The sending side was ended earlier, for a waiting reserve. No further reply will come.
    if (this.#pending.size === 0 && this.#pipeline.isEnding) {
      this.#close((context) => new ClosedError('the client is closed', context));
    } else {
      this.#pipeline.end();
    }
  }

  #markLost(why: string, cause?: Error): void {
    this.#close((context, isSent) => {
      return new ConnectionLostError(`${why} (${this.#name})`, isSent, { ...context, cause });
    });
  }

  /** Ends the connection, whatever the reason: rejects all pending commands and destroys the socket. */
  #close(errorFor: (context: ErrorContext, isSent: boolean) => AnyBeanstalkdError): void {
    if (this.#state === 'closed') return;
    const isOrderly = this.#state === 'quitting' && this.#pending.size === 0;
    this.#state = 'closed';
    this.#abandonedDeadline?.cancel();
    const unanswered = this.#pipeline.stop();
    this.#held.clear();
    this.#closeReason ??= errorFor({}, false);
    debug('%s closed%s', this.#name, isOrderly ? '' : `: ${this.#closeReason.message}, ${unanswered.length} pending`);
    this.#socket.destroy();
    for (const { pending, isSent } of unanswered) {
      const { command, jobId } = pending.request;
      pending.reject(errorFor({ command, jobId }, isSent));
    }
    this.onClose(this.#closeReason);
  }

  #refusal(context: ErrorContext): AnyBeanstalkdError {
    const reason = this.#closeReason;
    if (reason instanceof ConnectionLostError) {
      return new ConnectionLostError(reason.message, false, { ...context, cause: reason.cause });
    }
    return new ClosedError(reason?.message ?? 'the client is closed', context);
  }
}
