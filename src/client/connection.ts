import type { Socket } from 'node:net';
import { createDebug } from '../debug.js';
import {
  bareLine,
  COMMANDS,
  ENDS_RESERVE,
  errorCodeOf,
  givesUpJob,
  isReserve,
  losesFraming,
} from '../protocol/commands.js';
import { type ErrorContext, ProtocolError, serverError } from '../protocol/errors.js';
import { ReplyParser } from '../protocol/parser.js';
import { isCutShort, type Reply, type ReplyForm } from '../protocol/replies.js';
import { acceptsBody, checkReplyForm, skippedBody } from '../protocol/reply-policy.js';
import { Deadline } from '../shared/deadline.js';
import { type AnyBeanstalkdError, ClosedError, ConnectionLostError, ReplyTimeoutError } from './errors.js';
import { HeldJobs, type Holder } from './held-jobs.js';
import { allowanceOf, ReplyTimer } from './reply-timer.js';
import type { Delivery, JobConnection, Request } from './request.js';
import { type Pending, RequestQueue } from './request-queue.js';
import { describe, type OpenSocket, type SocketFactory } from './socket.js';
import { Writer } from './writer.js';

const debug = createDebug('haricot:connection');

export interface ConnectionOptions {
  /** How long connecting may take, TLS and the first answer included, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Gives up connecting: rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Where the socket comes from; for tests. */
  readonly openSocket?: SocketFactory | undefined;
  /** The largest body of a job that is read, in bytes; larger ones are skipped. */
  readonly maxBodyBytes: number;
  /** How long the server may take to answer, in milliseconds; 0 for ever. A reserve gets its own timeout on top. */
  readonly replyTimeoutMs: number;
  /** How much may be in flight, in bytes. */
  readonly maxPendingBytes: number;
}

/**
 * open: takes commands. retiring: takes only those about jobs it still holds, and quits with the last of them.
 * quitting: the same, hands out no further job, waits for the answers that are out, then ends.
 * closed: takes nothing, `#end` says why.
 */
type State = 'open' | 'retiring' | 'quitting' | 'closed';

/** One socket: commands go out as they are called, replies are matched in order. It never comes back. */
export class Connection implements JobConnection, Holder {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #parser: ReplyParser;
  readonly #maxBodyBytes: number;
  readonly #maxPendingBytes: number;
  readonly #writer: Writer;
  readonly #pending = new RequestQueue();
  readonly #replyTimer: ReplyTimer;
  readonly #replyTimeoutMs: number;
  readonly #held: HeldJobs;
  readonly #closed: Promise<void>;
  #state: State = 'open';
  /** Why the connection closed. */
  #end: AnyBeanstalkdError | undefined;
  /** Whether it was given up with a reserve: a job it gets as it quits goes back, and a reserve it ends was not over. */
  #givenUp = false;
  #givenUpDeadline: Deadline | undefined;
  readonly #givenUpTimeoutMs: number;
  /** Called once, when the connection takes and answers nothing any more. */
  onClose: (reason: AnyBeanstalkdError) => void = () => {};
  /** The tube in use once all that was sent is executed; undefined where that is not known. */
  usedTube: string | undefined = 'default';

  constructor({ socket, readBuffer }: OpenSocket, name: string, options: ConnectionOptions) {
    const { maxBodyBytes, replyTimeoutMs, connectTimeoutMs, maxPendingBytes } = options;
    this.#socket = socket;
    this.#name = name;
    this.#maxBodyBytes = maxBodyBytes;
    this.#maxPendingBytes = maxPendingBytes;
    this.#parser = new ReplyParser(
      (reply) => this.#take(reply),
      (form, size) => this.#readsBody(form, size),
    );
    this.#writer = new Writer(socket);
    this.#replyTimeoutMs = replyTimeoutMs;
    this.#givenUpTimeoutMs = connectTimeoutMs;
    this.#replyTimer = new ReplyTimer(
      () => this.#allowance(),
      () => this.#replyOverdue(),
      () => this.#parser.received,
    );
    this.#held = new HeldJobs(this);
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    readBuffer.onData = (bytes) => this.#read(bytes);
    readBuffer.nextTarget = () => this.#parser.nextTarget;
    socket.on('error', (cause) => this.#lose(describe(cause), cause));
    socket.on('end', () => this.#lose('the server closed the connection'));
    socket.on('close', () => this.#lose('the connection closed'));
  }

  /** Whether commands can still be sent. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether the server reads what is sent: not while a reserve waits. */
  get isListening(): boolean {
    return !this.#pending.hasReserve && this.#state !== 'closed';
  }

  /** Whether nothing is out and no job is held. */
  get isIdle(): boolean {
    return this.#pending.size === 0 && this.#held.size === 0;
  }

  /** Resolves when the socket is gone. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Whether somebody waits for a reply. */
  get owesAnswers(): boolean {
    return this.#pending.hasPendingReplies;
  }

  get holdsJobs(): boolean {
    return this.#held.size > 0;
  }

  holds(jobId: string): boolean {
    return this.#held.has(jobId);
  }

  /** Whether a reserve is out by which somebody may be given a job. */
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

  onLetGo(): void {
    if (this.#state === 'retiring') this.#quitWhenNothingIsHeld();
    else if (this.#state === 'quitting') this.#endWhenAnswered();
  }

  send<T>(request: Request<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => this.dispatch(request, resolve, reject));
  }

  /** As {@link send}, without a promise: one of the two is called. @throws RangeError for a body too large for the memory */
  dispatch<T>(request: Request<T>, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    const { command, jobId } = request;
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      reject(refusal);
      return;
    }
    if (debug.enabled) debug('%s > %s', this.#name, request.line.trimEnd());
    // First, because it may throw: then there is no reply to wait for.
    this.#writer.add(request.line, request.body, request.size);
    this.#pending.add(request, resolve as Pending['resolve'], reject);
    if (this.#pending.size === 1) this.#replyTimer.restart();
    if (jobId === undefined) return;
    if (command === 'delete') this.#held.delete(jobId);
    else if (givesUpJob(command)) this.#held.forget(jobId);
  }

  /**
   * The caller of a command no longer waits for it: `settle` settles the call. The reply is still consumed, and a job that
   * comes with it goes back to its queue.
   * @returns false when the command is not out
   */
  abandon(request: Request<unknown>, settle: (call: Pick<Pending, 'resolve' | 'reject'>) => void): boolean {
    return this.#pending.abandon(request, settle);
  }

  /**
   * Takes no further commands but those about jobs it holds, and quits as soon as it holds none: the server then answers
   * a waiting reserve and all that is behind it at once.
   */
  retire(): void {
    if (this.#state !== 'open') return;
    this.#state = 'retiring';
    this.#givenUp = true;
    this.#end = new ConnectionLostError(`the connection was given up with a cancelled reserve (${this.#name})`, false);
    debug('%s retires, %d jobs held', this.#name, this.#held.size);
    this.#quitWhenNothingIsHeld();
  }

  /**
   * Takes no further commands but those about jobs it holds and hands out no job any more. When none is held, it lets the server
   * answer what is out, then closes. A reserve that waits is ended by closing the sending side: the server answers it
   * `TIMED_OUT` at once and closes.
   * @param waitForJobs false to give back at once what is held
   */
  quit(waitForJobs = true): Promise<void> {
    if (!waitForJobs) this.#held.clear();
    if (this.#state === 'open' || this.#state === 'retiring') {
      this.#state = 'quitting';
      this.#end ??= new ClosedError('the client was closed by quit()');
      debug('%s quit, %d answers to come, %d jobs held', this.#name, this.#pending.size, this.#held.size);
      this.#held.confirmAll();
    }
    if (this.#state === 'quitting') this.#endWhenAnswered();
    return this.#closed;
  }

  /** Closes now. What is pending rejects with {@link ClosedError}. */
  destroy(): void {
    this.#close((context) => new ClosedError('the client was closed by destroy()', context));
  }

  #read(bytes: Buffer): void {
    const { answered } = this.#pending;
    const { isInReply } = this.#parser;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      if (error instanceof ProtocolError) {
        this.#breakOff(error);
      } else {
        // Not by the server, and no code of the user's runs in here. What was left of the chunk is lost.
        this.#lose('reading failed', error as Error);
        throw error;
      }
    }
    if (this.#pending.answered !== answered || this.#parser.isInReply !== isInReply) this.#replyTimer.restart();
  }

  /** Whether the data of a reply is read. @throws ProtocolError */
  #readsBody(form: ReplyForm, size: number): boolean {
    if (this.#state === 'closed') return false;
    return acceptsBody(form, size, this.#expect(form).request.command, this.#maxBodyBytes);
  }

  /** The command that is answered. @throws ProtocolError when that cannot be the answer */
  #expect(form: ReplyForm): Pending {
    const pending = this.#oldestSent();
    checkReplyForm(form, pending?.request.command);
    return pending as Pending;
  }

  /** A reply: settles the oldest pending command. @throws ProtocolError */
  #take(reply: Reply): void {
    if (this.#state === 'closed') return;
    if (debug.enabled) debug('%s < %s %s %s', this.#name, reply.form, reply.value, reply.body?.length ?? '');
    const { form } = reply;
    const pending = this.#expect(form);
    const { command, jobId } = pending.request;
    if (isCutShort(reply) && command !== 'peek') {
      throw new ProtocolError(`the server sent a ${form} without CR LF behind its body`);
    }
    this.#pending.shift();
    if (COMMANDS[command].success.includes(form)) {
      if (this.#state === 'quitting' && ENDS_RESERVE.includes(form)) {
        this.#answerAtEnd(reply, pending);
      } else {
        if (form === 'RESERVED <id> <bytes>') this.#reserved(reply.value, pending);
        this.#resolve(pending, reply);
      }
    } else {
      const error = serverError(errorCodeOf(form), { command, jobId: jobId ?? (reply.value || undefined) });
      if (form === 'NOT_FOUND' && command === 'touch' && jobId !== undefined) this.#held.forget(jobId);
      pending.reject(error);
      // The server may have read only a part of the body: what follows is out of step.
      if (command === 'put' && losesFraming(form)) this.#lose(`out of step after ${form} to a put`, error);
    }
    if (this.#state === 'quitting') this.#endWhenAnswered();
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

  /** The command whose reply comes next. One that the socket has not been given yet cannot be answered. */
  #oldestSent(): Pending | undefined {
    return this.#writer.written > this.#pending.answered ? this.#pending.peek() : undefined;
  }

  #reserved(jobId: string, { abandoned, askedAt }: Pending): void {
    this.#held.add(jobId, askedAt);
    if (abandoned) this.#held.giveBack(jobId);
  }

  /**
   * What a reserve is answered while the connection ends. A job that still comes is handed to nobody: it goes back with the
   * connection, or at once where that stays for others.
   */
  #answerAtEnd({ form, value }: Reply, { request, resolve, reject, abandoned, askedAt }: Pending): void {
    const { command, jobId } = request;
    if (form === 'RESERVED <id> <bytes>' && !this.#writer.isEnding && this.#held.size > 0) {
      this.#held.add(value, askedAt);
      this.#held.giveBack(value);
    }
    if (abandoned) return;
    if (this.#givenUp) reject(new ConnectionLostError(this.#end?.message ?? '', true, { command, jobId }));
    else if (isReserve(command)) resolve(null);
    else reject(this.#refusal({ command, jobId }));
  }

  #refusalOf(request: Request<unknown>): AnyBeanstalkdError | undefined {
    const { command, jobId } = request;
    if (this.#state !== 'open' && !this.#takesWhileEnding(jobId)) return this.#refusal({ command, jobId });
    return this.#pending.refusalOf(request, this.#maxPendingBytes);
  }

  #takesWhileEnding(jobId: string | undefined): boolean {
    return this.#state !== 'closed' && !this.#writer.isEnding && jobId !== undefined && this.#held.has(jobId);
  }

  #quitWhenNothingIsHeld(): void {
    if (this.#held.size > 0) return;
    void this.quit();
    this.#givenUpDeadline = new Deadline(this.#givenUpTimeoutMs, () => this.#lose('the server does not answer'));
  }

  #endWhenAnswered(): void {
    if (this.#held.size > 0) return;
    if (this.#pending.size > 0 && !this.#pending.hasReserve) return;
    if (this.#pending.size === 0) {
      // The end was sent before, with a reserve that waited: nothing is left to come.
      if (this.#writer.isEnding) {
        this.#close((context) => new ClosedError('the client is closed', context));
        return;
      }
      this.#writer.add(bareLine('quit'));
    }
    this.#writer.end();
  }

  /** How long the oldest command may take; once its reply has begun, no longer than any command. */
  #allowance(): number | undefined {
    const pending = this.#pending.peek();
    return pending && allowanceOf(pending.request, this.#replyTimeoutMs, this.#parser.isInReply);
  }

  #replyOverdue(): void {
    const ms = this.#allowance();
    const what = this.#parser.isInReply ? 'whole reply' : 'reply';
    const pending = this.#pending.shiftFaulty();
    if (pending === undefined) return;
    const { command, jobId } = pending.request;
    const error = new ReplyTimeoutError(`no ${what} from ${this.#name} within ${ms} ms`, { command, jobId });
    pending.reject(error);
    // The reply may still come, and would be taken for the next command's.
    this.#lose('the server does not answer', error);
  }

  /** Nobody can tell where the next reply begins: the command at the head gets the fault, the others are lost. */
  #breakOff(fault: ProtocolError): void {
    if (this.#state === 'closed') return;
    const pending = this.#oldestSent() && this.#pending.shiftFaulty();
    if (pending) {
      const { command, jobId } = pending.request;
      pending.reject(new ProtocolError(fault.message, fault.bytes, { command, jobId, cause: fault }));
    }
    this.#lose('the server broke the protocol', fault);
  }

  #lose(why: string, cause?: Error): void {
    const written = this.#writer.written - this.#pending.answered;
    let position = 0;
    this.#close((context) => {
      return new ConnectionLostError(`${why} (${this.#name})`, position++ < written, { ...context, cause });
    });
  }

  /** The one place where a connection ends: everything pending is rejected, the socket destroyed. */
  #close(reason: (context: ErrorContext) => AnyBeanstalkdError): void {
    if (this.#state === 'closed') return;
    const orderly = this.#state === 'quitting' && this.#pending.size === 0;
    this.#state = 'closed';
    this.#givenUpDeadline?.cancel();
    this.#replyTimer.stop();
    this.#held.clear();
    const rejected: [Pending, AnyBeanstalkdError][] = [];
    for (let pending = this.#pending.shift(); pending; pending = this.#pending.shift()) {
      const { command, jobId } = pending.request;
      rejected.push([pending, reason({ command, jobId })]);
    }
    this.#end ??= reason({});
    debug('%s closed%s', this.#name, orderly ? '' : `: ${this.#end.message}, ${rejected.length} pending`);
    this.#socket.destroy();
    for (const [pending, error] of rejected) pending.reject(error);
    this.onClose(this.#end);
  }

  #refusal(context: ErrorContext): AnyBeanstalkdError {
    const end = this.#end;
    if (end instanceof ConnectionLostError) {
      return new ConnectionLostError(end.message, false, { ...context, cause: end.cause });
    }
    return new ClosedError(end?.message ?? 'the client is closed', context);
  }
}
