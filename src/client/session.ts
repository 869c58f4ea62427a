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
import type { Liveness } from './liveness.js';
import { follow, NEW_TUBES, openConnection } from './open-connection.js';
import { nothing } from './operations.js';
import type { Request, Sender } from './request.js';
import { WaitingCommands, type WaitingLimits } from './waiting.js';

const debug = createDebug('haricot:connection');

export interface SessionOptions extends ConnectionOptions, WaitingLimits {
  /** How long a reserve may go unanswered. */
  readonly liveness: Liveness;
  /** How to come back after a loss; undefined: not at all. */
  readonly backoff: Backoff | undefined;
  /** Whether errors show who has called. */
  readonly callerStacks?: boolean | undefined;
}

type Emit = <K extends keyof ClientEvents>(event: K, ...args: ClientEvents[K]) => void;

/**
 * up: there is a connection. parked: it was given up with a cancelled reserve, and the next command opens another one.
 * down: it is being opened; commands wait. closed: for good, `#end` says why.
 */
type State = 'up' | 'parked' | 'down' | 'closed';

/**
 * One connection after another, as if it were one: what is used and watched is restored before any command, commands wait
 * while there is none, and nothing that may have been executed is repeated.
 */
export class Session implements Sender {
  readonly #address: Address;
  readonly #options: SessionOptions;
  readonly #waiting: WaitingCommands;
  /** Connections that were given up and still hold jobs or owe answers. */
  readonly #retired = new Set<Connection>();
  /** Ends the wait between two tries, and a try. */
  readonly #closing = new AbortController();
  readonly #whenClosed: Promise<void>;
  #resolveClosed: () => void = nothing;
  #connection: Connection | undefined;
  #state: State = 'up';
  #end: AnyBeanstalkdError | undefined;
  #isQuitting = false;
  /** The connection was lost or could not be opened, and is not back. */
  #isOutage = false;
  /** Until the connection that was given up has given its answers: what is called now must not overtake them. */
  #handover: Promise<void> | undefined;
  /** Tries since a connection last answered. */
  #attempt = 0;

  /** The tube for commands that name none, once what was called is executed. */
  #chosen = 'default';
  /** How often `use` was called. A promise in its place would keep the AsyncLocalStorage of its caller. */
  #uses = 0;
  /** What the server has confirmed, and what a new connection is made to use and watch. */
  #used = 'default';
  readonly #watched = new Set(['default']);

  emit: Emit = nothing;

  /** @throws ConnectTimeoutError, ConnectionLostError, or the signal's reason */
  static async open(address: Address, options: SessionOptions): Promise<Session> {
    return new Session(address, options, await openConnection(address, options, NEW_TUBES));
  }

  private constructor(address: Address, options: SessionOptions, connection: Connection) {
    this.#address = address;
    // The signal was for connecting the first time.
    this.#options = { ...options, signal: this.#closing.signal };
    this.#waiting = new WaitingCommands(options);
    this.#whenClosed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#adopt(connection);
  }

  /** Whether commands are taken. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** Whether there is a connection, nothing is out on it and no job is held. */
  get isIdle(): boolean {
    return this.#state === 'up' && this.#retired.size === 0 && this.#connection?.isIdle === true;
  }

  /** Whether it was closed by `quit`. */
  get isQuitting(): boolean {
    return this.#isQuitting;
  }

  /** Aborts when it takes no commands any more. */
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
  get chosenTube(): string {
    return this.#chosen;
  }

  /** Down the connection there is; a command about a job that a given-up connection still holds, down that one. */
  send<T>(request: Request<T>): Promise<T> {
    const { jobId } = request;
    if (jobId !== undefined && (this.#retired.size > 0 || this.#end !== undefined)) {
      const holder = this.#connections().find((connection) => connection.holds(jobId));
      if (holder !== undefined && holder !== this.#connection) return holder.send(request);
      if (holder !== undefined && this.#end !== undefined) return holder.send(request);
    }
    if (this.#end !== undefined) return Promise.reject(this.#refusal(request));
    if (this.#connection !== undefined) return this.#transmit(this.#connection, request);
    const waiting = this.#waiting.add(request, this.#isOutage);
    if (this.#state === 'parked') void runOutside(() => this.#reconnect());
    return waiting;
  }

  /** As `send`, for what is sent often: without a promise. */
  dispatch<T>(request: Request<T>, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    const connection = this.#connection;
    if (this.#end !== undefined || connection === undefined) void this.send(request).then(resolve, reject);
    else connection.dispatch(request, resolve, reject);
  }

  /**
   * Sends a reserve that can be given up. A waiting reserve cannot be taken back, so its connection is given up with it:
   * a job that was on its way goes back to its queue, jobs that are held stay held, and the next command opens another
   * connection.
   */
  sendCancellable<T>(request: Request<T>, signal: AbortSignal): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const answer = this.send(request);
    const remove = onAbort(signal, () => this.#cancel(request, signal.reason));
    answer.then(remove, remove);
    return answer;
  }

  /** Resolves a reserve that is out with null; a job that comes all the same is released. */
  abandon(request: Request<unknown>): void {
    for (const connection of this.#connections()) connection.abandon(request, ({ resolve }) => resolve(null));
  }

  /** Sends `use`, by which later commands that name no tube go. */
  use(tube: string): Promise<string> {
    const line = tubeLine('use', tube);
    this.#chosen = tube;
    const call = ++this.#uses;
    const answer: Promise<string> = this.send({
      command: 'use',
      line,
      decode: (reply, connection) => {
        // On a connection that was given up: a later one may have been confirmed before it.
        if (this.#uses === call || connection === this.#connection) this.#used = tube;
        return reply.value;
      },
    });
    answer.catch(() => {
      if (this.#uses === call) this.#chosen = this.#used;
    });
    return answer;
  }

  /** Sends `watch` or `ignore`; the list changes when the server has confirmed it. */
  watch(command: 'watch' | 'ignore', tube: string): Promise<number> {
    return this.send({
      command,
      line: tubeLine(command, tube),
      decode: (reply, connection) => {
        if (command === 'watch') this.#watched.add(tube);
        else this.#watched.delete(tube);
        // Confirmed by a connection that was given up meanwhile: the one from now on must follow.
        if (this.#connection && connection !== this.#connection) follow(this.#connection, command, tube);
        return Number(reply.value);
      },
    });
  }

  /**
   * Uses and watches what a new connection would, once what is out has been answered.
   * @throws ClosedError when that cannot be: a reserve waits, or jobs are held
   */
  async reset(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || !connection.isListening || connection.holdsJobs) {
      throw new ClosedError('cannot lend the connection: it waits for jobs or holds some');
    }
    // Behind what is out, for only then it is known what is watched.
    if (this.#chosen !== 'default' || this.#used !== 'default' || !connection.isIdle) await this.use('default');
    const answers: Promise<unknown>[] = [];
    if (!this.#watched.has('default')) answers.push(this.watch('watch', 'default'));
    for (const tube of this.#watched) if (tube !== 'default') answers.push(this.watch('ignore', tube));
    await Promise.all(answers);
  }

  /** Answers what is out, then closes; see `Connection.quit`. Bounded by `timeoutMs`: then it is destroyed. */
  async quit(timeoutMs: number, waitForJobs?: boolean): Promise<void> {
    if (this.#end === undefined) this.#isQuitting = true;
    this.#close(new ClosedError('the client was closed by quit()'), (connection) => void connection.quit(waitForJobs));
    const deadline = new Deadline(timeoutMs, () => this.destroy());
    await this.#whenClosed;
    deadline.cancel();
  }

  destroy(): void {
    this.#close(new ClosedError('the client was closed by destroy()'), (connection) => connection.destroy());
    // Also those that an earlier quit() waits for.
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

  /** Sends `use` ahead of the command that needs it, in the same write. */
  #useOn(connection: Connection, tube: string): void {
    this.#expectTube(
      connection,
      tube,
      connection.send({ command: 'use', line: tubeLine('use', tube), isAhead: true, decode: nothing }),
    );
  }

  /** What is sent next is executed in `tube`; if the server refuses, nobody knows in which. */
  #expectTube(connection: Connection, tube: string, answer: Promise<unknown>): void {
    connection.usedTube = tube;
    answer.catch(() => {
      connection.usedTube = undefined;
    });
  }

  #cancel(request: Request<unknown>, reason: unknown): void {
    if (this.#waiting.abandon(request, reason)) return;
    const connection = this.#connections().find((candidate) =>
      candidate.abandon(request, ({ reject }) => reject(reason)),
    );
    // One that another cancellation has given up already goes on as it is.
    if (connection === undefined || connection !== this.#connection) return;
    this.#connection = undefined;
    this.#state = 'parked';
    this.#retired.add(connection);
    connection.retire();
    this.#handover = connection.owesAnswers && !connection.holdsJobs ? connection.closed : undefined;
  }

  /** @param connection is the one from now on */
  #adopt(connection: Connection): void {
    this.#connection = connection;
    this.#state = 'up';
    connection.onClose = (reason) => this.#closed(connection, reason);
  }

  #closed(connection: Connection, reason: AnyBeanstalkdError): void {
    this.#retired.delete(connection);
    if (connection === this.#connection) {
      this.#connection = undefined;
      if (this.#end === undefined) this.#lost(reason);
    }
    if (this.#end !== undefined) this.#finishWhenGone();
  }

  #lost(reason: AnyBeanstalkdError): void {
    this.#state = 'down';
    this.#isOutage = true;
    this.emit('disconnect', reason);
    // A listener may have closed the client.
    if (this.#end !== undefined) return;
    if (this.#options.backoff === undefined) this.#giveUp(reason);
    else void this.#reconnect(reason);
  }

  /** Tries until there is a connection. @param cause why there is none; without one the first try is made at once */
  async #reconnect(cause?: AnyBeanstalkdError): Promise<void> {
    this.#state = 'down';
    let failure = cause;
    if (cause === undefined) await this.#handover;
    if (this.#end !== undefined) return;
    for (;;) {
      if (failure !== undefined && !(await this.#mayTryAgain(failure))) return;
      try {
        const connection = await openConnection(this.#address, this.#options, {
          used: this.#used,
          watched: this.#watched,
        });
        if (this.#end !== undefined) {
          connection.destroy();
          return;
        }
        this.#adopt(connection);
        this.#attempt = 0;
        this.#isOutage = false;
        this.#waiting.cause = undefined;
        this.#waiting.flush((request) => this.send(request));
        if (failure !== undefined) this.emit('connect');
        return;
      } catch (error) {
        if (this.#end !== undefined) return;
        if (failure === undefined) this.emit('disconnect', error as AnyBeanstalkdError);
        failure = error as AnyBeanstalkdError;
      }
    }
  }

  /** Waits before the next try, where there is to be one. */
  async #mayTryAgain(failure: AnyBeanstalkdError): Promise<boolean> {
    // A listener may have closed the client.
    if (this.#end !== undefined) return false;
    const { backoff } = this.#options;
    this.#isOutage = true;
    this.#waiting.cause = failure;
    if (backoff === undefined || this.#attempt >= backoff.maxAttempts) {
      this.#giveUp(failure);
      return false;
    }
    const delayMs = backoff.delayMs(++this.#attempt);
    debug('%s again in %d ms', formatAddress(this.#address), delayMs);
    this.emit('reconnecting', { attempt: this.#attempt, delayMs });
    return this.#pause(delayMs);
  }

  /** @returns false when the client was closed meanwhile */
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

  /** Takes nothing from now on. */
  #close(end: AnyBeanstalkdError, closeConnection: (connection: Connection) => void): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#closing.abort(end);
    this.#waiting.rejectAll((request) => this.#refusal(request));
    for (const connection of this.#connections()) closeConnection(connection);
    this.#finishWhenGone();
  }

  #finishWhenGone(): void {
    if (this.#state === 'closed' || this.#connections().length > 0 || this.#end === undefined) return;
    this.#state = 'closed';
    this.#resolveClosed();
    this.emit('close', this.#end);
  }

  #refusal({ command, jobId }: Request<unknown>): AnyBeanstalkdError {
    const end = this.#end;
    if (end instanceof ClosedError) return new ClosedError(end.message, { command, jobId });
    const cause = end instanceof ConnectionLostError ? end.cause : end;
    return new ConnectionLostError(end?.message ?? 'the client is closed', false, { command, jobId, cause });
  }
}
