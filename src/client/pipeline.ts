import { createDebug } from '../debug.js';
import { bareLine } from '../protocol/commands.js';
import { ProtocolError } from '../protocol/errors.js';
import { ReplyParser } from '../protocol/parser.js';
import { isCutShort, type Reply, type ReplyForm } from '../protocol/replies.js';
import { acceptsBody, checkReplyForm } from '../protocol/reply-policy.js';
import { ReplyTimeoutError } from './errors.js';
import { ReplyDeadline, replyTimeoutOf } from './reply-deadline.js';
import type { Request } from './request.js';
import { type Pending, RequestQueue } from './request-queue.js';
import type { OpenSocket } from './socket.js';
import { Writer } from './writer.js';

const debug = createDebug('haricot:connection');

export interface PipelineOptions {
  /** The largest job body that is read, in bytes. Larger bodies are skipped. */
  readonly maxBodyBytes: number;
  /** How long the server may take to reply, in milliseconds; 0 for no limit. A reserve's own timeout is added. */
  readonly replyTimeoutMs: number;
}

/** What a pipeline reports to its connection. */
export interface PipelineListener {
  /** A reply arrived for a command, which is no longer pending. */
  onReply(reply: Reply, pending: Pending): void;
  /** No further reply can be matched to its command. The command at fault was rejected. */
  onBroken(why: string, cause: Error): void;
}

/** A command that was pending when the pipeline stopped. */
export interface Unanswered {
  readonly pending: Pending;
  /** Whether it was handed to the socket. */
  readonly isSent: boolean;
}

/** Writes commands to a socket and matches the replies to them by their order. */
export class Pipeline {
  readonly pending: RequestQueue = new RequestQueue();
  readonly #name: string;
  readonly #options: PipelineOptions;
  readonly #listener: PipelineListener;
  readonly #parser: ReplyParser;
  readonly #writer: Writer;
  readonly #deadline: ReplyDeadline;
  #isStopped = false;

  constructor({ socket, readBuffer }: OpenSocket, name: string, options: PipelineOptions, listener: PipelineListener) {
    this.#name = name;
    this.#options = options;
    this.#listener = listener;
    this.#parser = new ReplyParser(
      (reply) => this.#onReply(reply),
      (form, size) => this.#acceptsBody(form, size),
    );
    this.#writer = new Writer(socket);
    this.#deadline = new ReplyDeadline(
      () => this.#timeoutMs(),
      () => this.#onOverdue(),
      () => this.#parser.received,
    );
    readBuffer.onData = (bytes) => this.#onData(bytes);
    readBuffer.nextTarget = () => this.#parser.nextTarget;
  }

  /** Whether {@link end} was called. */
  get isEnding(): boolean {
    return this.#writer.isEnding;
  }

  /** @throws RangeError when there is no memory for a copy of the body; then nothing is sent */
  add(request: Request<unknown>, resolve: Pending['resolve'], reject: Pending['reject']): void {
    if (debug.enabled) debug('%s > %s', this.#name, request.line.trimEnd());
    // Before the queue: if this throws, no reply will come.
    this.#writer.add(request.line, request.body, request.size);
    this.pending.add(request, resolve, reject);
    if (this.pending.size === 1) this.#deadline.restart();
  }

  /** Ends the sending side after all commands that were added. The server then answers a waiting reserve and closes. */
  end(): void {
    if (this.pending.size === 0) this.#writer.add(bareLine('quit'));
    this.#writer.end();
  }

  /** Ignores further replies. @returns the pending commands, oldest first; the caller must reject them */
  stop(): Unanswered[] {
    this.#isStopped = true;
    this.#deadline.stop();
    const sent = this.#writer.written - this.pending.answered;
    const unanswered: Unanswered[] = [];
    for (let pending = this.pending.shift(); pending; pending = this.pending.shift()) {
      unanswered.push({ pending, isSent: unanswered.length < sent });
    }
    return unanswered;
  }

  #onData(bytes: Buffer): void {
    const { answered } = this.pending;
    const { isInReply } = this.#parser;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      if (error instanceof ProtocolError) {
        this.#onProtocolError(error);
      } else {
        // A fault of this process, not of the server. User code does not run here. The rest of the chunk is lost.
        this.#listener.onBroken('reading failed', error as Error);
        throw error;
      }
    }
    if (this.pending.answered !== answered || this.#parser.isInReply !== isInReply) this.#deadline.restart();
  }

  /** Whether the data of a reply is read. @throws ProtocolError */
  #acceptsBody(form: ReplyForm, size: number): boolean {
    if (this.#isStopped) return false;
    return acceptsBody(form, size, this.#expect(form).request.command, this.#options.maxBodyBytes);
  }

  /** @throws ProtocolError */
  #onReply(reply: Reply): void {
    if (this.#isStopped) return;
    const { form, value, body } = reply;
    if (debug.enabled) debug('%s < %s %s %s', this.#name, form, value, body?.length ?? '');
    const pending = this.#expect(form);
    if (isCutShort(reply) && pending.request.command !== 'peek') {
      throw new ProtocolError(`the server sent a ${form} without CR LF behind its body`);
    }
    this.pending.shift();
    this.#listener.onReply(reply, pending);
  }

  /** The command that is answered. @throws ProtocolError when the form cannot be its reply */
  #expect(form: ReplyForm): Pending {
    const pending = this.#oldestSent();
    checkReplyForm(form, pending?.request.command);
    return pending as Pending;
  }

  /** The command whose reply comes next. A command that the socket has not received yet cannot be answered. */
  #oldestSent(): Pending | undefined {
    return this.#writer.written > this.pending.answered ? this.pending.peek() : undefined;
  }

  /** How long the oldest command may take, in milliseconds. */
  #timeoutMs(): number | undefined {
    const oldest = this.pending.peek();
    return oldest && replyTimeoutOf(oldest.request, this.#options.replyTimeoutMs, this.#parser.isInReply);
  }

  #onOverdue(): void {
    const ms = this.#timeoutMs();
    const what = this.#parser.isInReply ? 'whole reply' : 'reply';
    const pending = this.pending.shiftFaulty();
    if (pending === undefined) return;
    const { command, jobId } = pending.request;
    const error = new ReplyTimeoutError(`no ${what} from ${this.#name} within ${ms} ms`, { command, jobId });
    pending.reject(error);
    // The reply may still arrive. It would be matched to the next command.
    this.#listener.onBroken('the server does not answer', error);
  }

  /** The start of the next reply is unknown: the oldest command gets the fault, the others are lost. */
  #onProtocolError(fault: ProtocolError): void {
    if (this.#isStopped) return;
    const pending = this.#oldestSent() && this.pending.shiftFaulty();
    if (pending) {
      const { command, jobId } = pending.request;
      pending.reject(new ProtocolError(fault.message, fault.bytes, { command, jobId, cause: fault }));
    }
    this.#listener.onBroken('the server broke the protocol', fault);
  }
}
