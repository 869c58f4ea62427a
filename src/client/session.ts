import { setTimeout as sleep } from 'node:timers/promises';
import { createDebug } from '../debug.js';
import { tubeLine } from '../protocol/commands.js';
import { onAbort } from '../shared/abort.js';
import { runOutside } from '../shared/async-context.js';
import { Deadline } from '../shared/deadline.js';
import { type Address, formatAddress } from './address.js';
import type { Backoff } from './backoff.js';
import type { ClientEvents } from './client-events.js';
import type { Connection, ConnectionOptions } from './connection.js';
import { type AnyBeanstalkdError, ClosedError, ConnectionLostError } from './errors.js';
import { OfflineQueue, type OfflineQueueLimits } from './offline-queue.js';
import { follow, NEW_TUBES, openConnection } from './open-connection.js';
import { noop } from './operations.js';
import type { Liveness } from './reply-deadline.js';
import type { Request, Sender } from './request.js';

const debug = createDebug('haricot:connection');

export interface SessionOptions extends ConnectionOptions, OfflineQueueLimits {
  /** How long a reserve may go unanswered. */
  readonly liveness: Liveness;
  /** The delays between attempts to reconnect; undefined to close instead. */
  readonly backoff: Backoff | undefined;
  /** Whether errors have the stacks of their callers. */
  readonly callerStacks?: boolean | undefined;
}

type Emit = <K extends keyof ClientEvents>(event: K, ...args: ClientEvents[K]) => void;

/**
 * - up: there is a connection.
 * - parked: the connection was abandoned with a cancelled reserve; the next command opens another one.
 * - down: a connection is being opened; commands wait.
 * - closed: the end; `#closeReason` says why.
 */
type State = 'up' | 'parked' | 'down' | 'closed';

/**
 * A sequence of connections that behaves like one connection. It restores the tubes that are used and watched before it
 * sends any command, queues commands while there is no connection, and never repeats a command that may have been
 * executed.
 */
export class Session implements Sender {
  readonly #address: Address;
  readonly #options: SessionOptions;
  readonly #offlineQueue: OfflineQueue;
  /** Abandoned connections that still hold jobs or have pending replies. */
  readonly #retired = new Set<Connection>();
  /** Aborts a pause between two attempts, and an attempt. */
  readonly #closing = new AbortController();
  readonly #whenClosed: Promise<void>;
  #resolveClosed: () => void = noop;
  #connection: Connection | undefined;
  #state: State = 'up';
  #closeReason: AnyBeanstalkdError | undefined;
  #isQuitting = false;
  /** Whether the connection was lost or could not be opened, and is not back. */
  #isOutage = false;
  /** Resolves when the abandoned connection has answered its commands. Later commands must not overtake them. */
  #handover: Promise<void> | undefined;
  /** How many attempts were made since the last connection. */
  #attempt = 0;

  /** The tube for commands that name none, once all called commands are executed. */
  #currentTube = 'default';
  /** How often `use` was called. Storing a promise instead would keep the AsyncLocalStorage of its caller. */
  #useCalls = 0;
  /** The tubes that the server has confirmed, and that a new connection restores. */
  #confirmedTube = 'default';
  readonly #confirmedWatched = new Set(['default']);

  emit: Emit = noop;

  /** @throws ConnectTimeoutError, ConnectionLostError, or the signal's reason */
  static async open(address: Address, options: SessionOptions): Promise<Session> {
    return new Session(address, options, await openConnection(address, options, NEW_TUBES));
  }

  private constructor(address: Address, options: SessionOptions, connection: Connection) {
    this.#address = address;
    // The caller's signal applies to the first connection only.
    this.#options = { ...options, signal: this.#closing.signal };
    this.#offlineQueue = new OfflineQueue(options);
    this.#whenClosed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#adopt(connection);
  }

  /** Whether it accepts commands. */
  get isOpen(): boolean {
    return this.#closeReason === undefined;
  }

  /** Whether there is a connection, with no pending command and no held job. */
  get isIdle(): boolean {
    return this.#state === 'up' && this.#retired.size === 0 && this.#connection?.isIdle === true;
  }

  /** Whether it was closed by `quit`. */
  get isQuitting(): boolean {
    return this.#isQuitting;
  }

  /** Aborts when it no longer accepts commands. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get liveness(): Liveness {
    return this.#options.liveness;
  }

  get callerStacks(): boolean {
    return this.#options.callerStacks === true;
  }

  get holdsJobs(): boolean {
    return this.#connection?.holdsJobs === true;
  }

  /** The tube for commands that name none. */
  get currentTube(): string {
    return this.#currentTube;
  }

  /** Sends a command on the current connection, or on an abandoned one that still holds the job of the command. */
  send<T>(request: Request<T>): Promise<T> {
    const { jobId } = request;
    if (jobId !== undefined && (this.#retired.size > 0 || this.#closeReason !== undefined)) {
      const holder = this.#connections().find((connection) => connection.holds(jobId));
      if (holder !== undefined && holder !== this.#connection) return holder.send(request);
      if (holder !== undefined && this.#closeReason !== undefined) return holder.send(request);
    }
    if (this.#closeReason !== undefined) return Promise.reject(this.#refusal(request));
    if (this.#connection !== undefined) return this.#transmit(this.#connection, request);
    const waiting = this.#offlineQueue.add(request, this.#isOutage);
    if (this.#state === 'parked') void runOutside(() => this.#reconnect());
    return waiting;
  }

  /** Does the same as `send` without a promise, for frequent commands. */
  dispatch<T>(request: Request<T>, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    const connection = this.#connection;
    if (this.#closeReason !== undefined || connection === undefined) void this.send(request).then(resolve, reject);
    else connection.dispatch(request, resolve, reject);
  }

  /**
   * Sends a reserve that can be cancelled. The server cannot cancel a waiting reserve, so its connection is abandoned
   * with it: a job that the reserve receives goes back to its queue, held jobs stay held, and the next command opens
   * another connection.
   */
  sendCancellable<T>(request: Request<T>, signal: AbortSignal): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const answer = this.send(request);
    const remove = onAbort(signal, () => this.#cancel(request, signal.reason));
    answer.then(remove, remove);
    return answer;
  }

  /** Resolves a pending reserve with null. A job that it receives later is released. */
  abandon(request: Request<unknown>): void {
    for (const connection of this.#connections()) connection.abandon(request, ({ resolve }) => resolve(null));
  }

  /** Sends `use`, which selects the tube for commands that name none. */
  use(tube: string): Promise<string> {
    const line = tubeLine('use', tube);
    this.#currentTube = tube;
    const call = ++this.#useCalls;
    const answer: Promise<string> = this.send({
      command: 'use',
      line,
      decode: (reply, connection) => {
        // An abandoned connection may confirm its `use` after a later one was confirmed.
        if (this.#useCalls === call || connection === this.#connection) this.#confirmedTube = tube;
        return reply.value;
      },
    });
    answer.catch(() => {
      if (this.#useCalls === call) this.#currentTube = this.#confirmedTube;
    });
    return answer;
  }

  /** Sends `watch` or `ignore`. The set of watched tubes changes when the server confirms it. */
  watch(command: 'watch' | 'ignore', tube: string): Promise<number> {
    return this.send({
      command,
      line: tubeLine(command, tube),
      decode: (reply, connection) => {
        if (command === 'watch') this.#confirmedWatched.add(tube);
        else this.#confirmedWatched.delete(tube);
        // An abandoned connection has confirmed it. The current connection must do the same.
        if (this.#connection && connection !== this.#connection) follow(this.#connection, command, tube);
        return Number(reply.value);
      },
    });
  }

  /**
   * Restores the tubes of a new connection, once the pending commands are answered.
   * @throws ClosedError when a reserve waits or jobs are held
   */
  async reset(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || !connection.isListening || connection.holdsJobs) {
      throw new ClosedError('cannot lend the connection: it waits for jobs or holds some');
    }
    // After the pending commands, because the watched tubes are known only then.
    if (this.#currentTube !== 'default' || this.#confirmedTube !== 'default' || !connection.isIdle)
      await this.use('default');
    const answers: Promise<unknown>[] = [];
    if (!this.#confirmedWatched.has('default')) answers.push(this.watch('watch', 'default'));
    for (const tube of this.#confirmedWatched) if (tube !== 'default') answers.push(this.watch('ignore', tube));
    await Promise.all(answers);
  }

  /**
   * Closes after the pending commands are answered; see `Connection.quit`. Destroys the connection after `timeoutMs`.
   */
  async quit(timeoutMs: number, waitForJobs?: boolean): Promise<void> {
    if (this.#closeReason === undefined) this.#isQuitting = true;
    this.#close(new ClosedError('the client was closed by quit()'), (connection) => void connection.quit(waitForJobs));
    const deadline = new Deadline(timeoutMs, () => this.destroy());
    await this.#whenClosed;
    deadline.cancel();
  }

  destroy(): void {
    this.#close(new ClosedError('the client was closed by destroy()'), (connection) => connection.destroy());
    // Including those that an earlier quit() waits for.
    for (const connection of this.#connections()) connection.destroy();
  }

  #connections(): Connection[] {
    return this.#connection ? [this.#connection, ...this.#retired] : [...this.#retired];
  }

  #transmit<T>(connection: Connection, request: Request<T>): Promise<T> {
    const { command, tube } = request;
    if (tube !== undefined && tube !== connection.usedTube) this.#useOn(connection, tube);
    const answer = connection.send(request);
    if (command === 'use') this.#expectTube(connection, request.line.slice('use '.length, -2), answer);
    return answer;
  }

  /** Sends `use` before the command that requires it, in the same write. */
  #useOn(connection: Connection, tube: string): void {
    this.#expectTube(
      connection,
      tube,
      connection.send({ command: 'use', line: tubeLine('use', tube), implicit: true, decode: noop }),
    );
  }

  /** Assumes that later commands are executed in `tube`. If the server refuses the `use`, the tube is unknown. */
  #expectTube(connection: Connection, tube: string, answer: Promise<unknown>): void {
    connection.usedTube = tube;
    answer.catch(() => {
      connection.usedTube = undefined;
    });
  }

  #cancel(request: Request<unknown>, reason: unknown): void {
    if (this.#offlineQueue.abandon(request, reason)) return;
    const connection = this.#connections().find((candidate) =>
      candidate.abandon(request, ({ reject }) => reject(reason)),
    );
    // A connection that an earlier cancellation has abandoned continues unchanged.
    if (connection === undefined || connection !== this.#connection) return;
    this.#connection = undefined;
    this.#state = 'parked';
    this.#retired.add(connection);
    connection.retire();
    this.#handover = connection.hasPendingReplies && !connection.holdsJobs ? connection.closed : undefined;
  }

  /** Makes `connection` the current one. */
  #adopt(connection: Connection): void {
    this.#connection = connection;
    this.#state = 'up';
    connection.onClose = (reason) => this.#onClosed(connection, reason);
  }

  #onClosed(connection: Connection, reason: AnyBeanstalkdError): void {
    this.#retired.delete(connection);
    if (connection === this.#connection) {
      this.#connection = undefined;
      if (this.#closeReason === undefined) this.#onLost(reason);
    }
    if (this.#closeReason !== undefined) this.#finishWhenGone();
  }

  #onLost(reason: AnyBeanstalkdError): void {
    this.#state = 'down';
    this.#isOutage = true;
    this.emit('disconnect', reason);
    // A listener may have closed the client.
    if (this.#closeReason !== undefined) return;
    if (this.#options.backoff === undefined) this.#giveUp(reason);
    else void this.#reconnect(reason);
  }

  /**
   * Repeats attempts to connect until one succeeds. @param cause why there is no connection; without one the first
   * attempt is made at once
   */
  async #reconnect(cause?: AnyBeanstalkdError): Promise<void> {
    this.#state = 'down';
    let failure = cause;
    if (cause === undefined) await this.#handover;
    if (this.#closeReason !== undefined) return;
    for (;;) {
      if (failure !== undefined && !(await this.#mayTryAgain(failure))) return;
      try {
        const connection = await openConnection(this.#address, this.#options, {
          used: this.#confirmedTube,
          watched: this.#confirmedWatched,
        });
        if (this.#closeReason !== undefined) {
          connection.destroy();
          return;
        }
        this.#adopt(connection);
        this.#attempt = 0;
        this.#isOutage = false;
        this.#offlineQueue.cause = undefined;
        this.#offlineQueue.flush((request) => this.send(request));
        if (failure !== undefined) this.emit('connect');
        return;
      } catch (error) {
        if (this.#closeReason !== undefined) return;
        if (failure === undefined) this.emit('disconnect', error as AnyBeanstalkdError);
        failure = error as AnyBeanstalkdError;
      }
    }
  }

  /** Waits before the next attempt. @returns false when no further attempt is to be made */
  async #mayTryAgain(failure: AnyBeanstalkdError): Promise<boolean> {
    // A listener may have closed the client.
    if (this.#closeReason !== undefined) return false;
    const { backoff } = this.#options;
    this.#isOutage = true;
    this.#offlineQueue.cause = failure;
    if (backoff === undefined || this.#attempt >= backoff.maxAttempts) {
      this.#giveUp(failure);
      return false;
    }
    const delayMs = backoff.delayMs(++this.#attempt);
    debug('%s again in %d ms', formatAddress(this.#address), delayMs);
    this.emit('reconnecting', { attempt: this.#attempt, delayMs });
    return this.#pause(delayMs);
  }

  /** @returns false when the client was closed during the pause */
  async #pause(delayMs: number): Promise<boolean> {
    try {
      await sleep(delayMs, undefined, { signal: this.#closing.signal });
      return true;
    } catch {
      return false;
    }
  }

  #giveUp(reason: AnyBeanstalkdError): void {
    this.#close(reason, (connection) => connection.destroy());
  }

  /** Accepts no further commands. */
  #close(reason: AnyBeanstalkdError, closeConnection: (connection: Connection) => void): void {
    if (this.#closeReason !== undefined) return;
    this.#closeReason = reason;
    this.#closing.abort(reason);
    this.#offlineQueue.rejectAll((request) => this.#refusal(request));
    for (const connection of this.#connections()) closeConnection(connection);
    this.#finishWhenGone();
  }

  #finishWhenGone(): void {
    if (this.#state === 'closed' || this.#connections().length > 0 || this.#closeReason === undefined) return;
    this.#state = 'closed';
    this.#resolveClosed();
    this.emit('close', this.#closeReason);
  }

  #refusal({ command, jobId }: Request<unknown>): AnyBeanstalkdError {
    const reason = this.#closeReason;
    if (reason instanceof ClosedError) return new ClosedError(reason.message, { command, jobId });
    const cause = reason instanceof ConnectionLostError ? reason.cause : reason;
    return new ConnectionLostError(reason?.message ?? 'the client is closed', false, { command, jobId, cause });
  }
}
