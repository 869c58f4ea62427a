import { connect as connectSocket, type Socket } from 'node:net';
import createDebug from 'debug';
import type { BodyInput } from '../protocol/arguments.js';
import {
  ANY_COMMAND_FAILS,
  bareLine,
  COMMANDS,
  type CommandName,
  type CommandReplies,
  errorCodeOf,
} from '../protocol/commands.js';
import { type BeanstalkdError, type ErrorContext, ProtocolError, serverError } from '../protocol/errors.js';
import { ReplyParser } from '../protocol/parser.js';
import type { Reply, ReplyForm } from '../protocol/replies.js';
import { type Address, formatAddress } from './address.js';
import { ClosedError, ConnectionLostError, ConnectTimeoutError } from './errors.js';
import { Fifo } from './fifo.js';
import { Writer } from './writer.js';

const debug = createDebug('haricot:connection');

export interface ConnectionOptions {
  /** How long connecting may take, in milliseconds. Default 5000. */
  readonly connectTimeoutMs: number;
  /** Ceiling for a received body, in bytes. A larger one is a {@link ProtocolError}. */
  readonly maxBodyBytes: number;
  /** Where the socket comes from; for tests. */
  readonly openSocket?: ((address: Address) => Socket) | undefined;
}

/** One command to send. */
export interface Request<T> {
  readonly command: CommandName;
  /** The command line, CR LF included. */
  readonly line: string;
  /** Turns a reply of success into the result. What it throws rejects the call. */
  readonly decode: (reply: Reply) => T;
  readonly jobId?: string | undefined;
  readonly body?: BodyInput;
  /** Of the body, in bytes. */
  readonly size?: number;
}

/** A command whose reply is still to come. */
interface Pending extends ErrorContext {
  readonly command: CommandName;
  readonly decode: (reply: Reply) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * open: takes commands. quitting: waits for the answers that are out, then ends. closed: takes nothing, `#end` says why.
 */
type State = 'open' | 'quitting' | 'closed';

/** One socket: commands go out as they are called, replies are matched in order. */
export class Connection {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #parser: ReplyParser;
  readonly #writer: Writer;
  readonly #pending = new Fifo<Pending>();
  #answered = 0;
  #waitingReserves = 0;
  #state: State = 'open';
  /** Why the connection closed. */
  #end: BeanstalkdError | undefined;
  readonly #closed: Promise<void>;
  /** Called once, when the connection takes and answers nothing any more. */
  onClose: (reason: BeanstalkdError) => void = () => {};

  /** @throws ConnectTimeoutError, ConnectionLostError with `sent: false` */
  static open(address: Address, options: ConnectionOptions): Promise<Connection> {
    const name = formatAddress(address);
    const socket = (options.openSocket ?? openSocket)(address);
    return new Promise((resolve, reject) => {
      const fail = (error: BeanstalkdError): void => {
        clearTimeout(timer);
        // A socket that is torn down can still report an error, and nobody else listens.
        socket.on('error', () => {});
        socket.destroy();
        debug('%s %s', name, error.message);
        reject(error);
      };
      const timer = setTimeout(() => {
        fail(new ConnectTimeoutError(`no connection to ${name} within ${options.connectTimeoutMs} ms`));
      }, options.connectTimeoutMs);
      const onError = (cause: Error): void => {
        fail(new ConnectionLostError(`could not connect to ${name}: ${describe(cause)}`, false, { cause }));
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        debug('%s connected', name);
        resolve(new Connection(socket, name, options.maxBodyBytes));
      });
    });
  }

  private constructor(socket: Socket, name: string, maxBodyBytes: number) {
    this.#socket = socket;
    this.#name = name;
    this.#parser = new ReplyParser((reply) => this.#take(reply), maxBodyBytes);
    this.#writer = new Writer(socket);
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (cause) => this.#lose(describe(cause), cause));
    socket.on('end', () => this.#lose('the server closed the connection'));
    socket.on('close', () => this.#lose('the connection closed'));
  }

  /** Whether commands can still be sent. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  send<T>(request: Request<T>): Promise<T> {
    const { command, jobId } = request;
    if (this.#state !== 'open') return Promise.reject(this.#refusal({ command, jobId }));
    if (debug.enabled) debug('%s > %s', this.#name, request.line.trimEnd());
    return new Promise<T>((resolve, reject) => {
      // First, because a body too large for the memory makes it throw: then there is no reply to wait for.
      this.#writer.add(request.line, request.body, request.size);
      this.#pending.push({
        command,
        jobId,
        decode: request.decode,
        resolve: resolve as (value: unknown) => void,
        reject,
      });
      if (isReserve(command)) this.#waitingReserves++;
    });
  }

  /**
   * Takes no further commands, lets the server answer those that are out, then closes. A reserve that waits is ended by
   * closing the sending side: the server answers it `TIMED_OUT` at once and closes.
   */
  quit(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'quitting';
      this.#end = new ClosedError('the client was closed by quit()');
      debug('%s quit, %d answers to come', this.#name, this.#pending.size);
      this.#endWhenAnswered();
    }
    return this.#closed;
  }

  /** Closes now. What is pending rejects with {@link ClosedError}. */
  destroy(): void {
    this.#close((context) => new ClosedError('the client was closed by destroy()', context));
  }

  #read(chunk: Buffer): void {
    try {
      this.#parser.push(chunk);
    } catch (fault) {
      // The parser throws nothing but its one typed fault.
      this.#breakOff(fault as ProtocolError);
    }
  }

  /** A reply: settles the oldest pending command. */
  #take(reply: Reply): void {
    if (this.#state === 'closed') return;
    if (debug.enabled) debug('%s < %s %s %s', this.#name, reply.form, reply.value, reply.body?.length ?? '');
    const { form } = reply;
    const pending = this.#oldestSent();
    if (pending === undefined) {
      this.#breakOff(new ProtocolError(`the server sent ${form} unasked`));
      return;
    }
    const replies: CommandReplies = COMMANDS[pending.command];
    if (replies.success.includes(form)) {
      if (isCutShort(reply) && pending.command !== 'peek') {
        this.#breakOff(new ProtocolError(`the server sent a ${form} without CR LF behind its body`));
        return;
      }
      this.#settleHead();
      try {
        pending.resolve(pending.decode(reply));
      } catch (error) {
        pending.reject(error);
      }
    } else if (replies.failure.includes(form) || ANY_COMMAND_FAILS.includes(form)) {
      this.#settleHead();
      const { command, jobId = reply.value || undefined } = pending;
      const error = serverError(errorCodeOf(form), { command, jobId });
      pending.reject(error);
      // The server may have read only a part of the body: what follows is out of step.
      if (command === 'put' && LOSES_FRAMING.includes(form)) this.#lose(`out of step after ${form} to a put`, error);
    } else {
      this.#breakOff(new ProtocolError(`the server answered ${form}, which is no reply to ${pending.command}`));
    }
    if (this.#state === 'quitting') this.#endWhenAnswered();
  }

  /** The command that the next reply answers: none that is still held back, for the server cannot know of it. */
  #oldestSent(): Pending | undefined {
    return this.#answered < this.#writer.written ? this.#pending.peek() : undefined;
  }

  #settleHead(): void {
    const pending = this.#pending.shift();
    this.#answered++;
    if (pending && isReserve(pending.command)) this.#waitingReserves--;
  }

  #endWhenAnswered(): void {
    if (this.#pending.size > 0 && this.#waitingReserves === 0) return;
    if (this.#pending.size === 0) this.#writer.add(bareLine('quit'));
    this.#writer.end();
  }

  /** Nobody can tell where the next reply begins: the command at the head gets the fault, the others are lost. */
  #breakOff(fault: ProtocolError): void {
    if (this.#state === 'closed') return;
    const pending = this.#oldestSent();
    if (pending) {
      this.#settleHead();
      const { command, jobId } = pending;
      pending.reject(new ProtocolError(fault.message, fault.bytes, { command, jobId, cause: fault }));
    }
    this.#lose('the server broke the protocol', fault);
  }

  #lose(why: string, cause?: Error): void {
    const written = this.#writer.written - this.#answered;
    let position = 0;
    this.#close((context) => {
      return new ConnectionLostError(`${why} (${this.#name})`, position++ < written, { ...context, cause });
    });
  }

  /** The one place where a connection ends: everything pending is rejected, the socket destroyed. */
  #close(reason: (context: ErrorContext) => BeanstalkdError): void {
    if (this.#state === 'closed') return;
    const orderly = this.#state === 'quitting' && this.#pending.size === 0;
    this.#state = 'closed';
    const rejected: [Pending, BeanstalkdError][] = [];
    for (let pending = this.#pending.shift(); pending; pending = this.#pending.shift()) {
      rejected.push([pending, reason({ command: pending.command, jobId: pending.jobId })]);
    }
    this.#end ??= reason({});
    debug('%s closed%s', this.#name, orderly ? '' : `: ${this.#end.message}, ${rejected.length} pending`);
    this.#socket.destroy();
    for (const [pending, error] of rejected) pending.reject(error);
    this.onClose(this.#end);
  }

  #refusal(context: ErrorContext): BeanstalkdError {
    const end = this.#end;
    if (end instanceof ConnectionLostError) {
      return new ConnectionLostError(end.message, false, { ...context, cause: end.cause });
    }
    return new ClosedError(end?.message ?? 'the client is closed', context);
  }
}

const LOSES_FRAMING: readonly ReplyForm[] = ['EXPECTED_CRLF', 'BAD_FORMAT', 'UNKNOWN_COMMAND'];

function isReserve(command: CommandName): boolean {
  return command === 'reserve' || command === 'reserve-with-timeout';
}

/** Only a peek by id can meet a job that another connection is still uploading. */
function isCutShort(reply: Reply): boolean {
  return reply.form === 'FOUND <id> <bytes>' && reply.body === undefined;
}

function openSocket({ host, port }: Address): Socket {
  return connectSocket({ host, port, noDelay: true, keepAlive: true });
}

function describe(cause: Error): string {
  // A connection tried on several addresses fails with an AggregateError, whose own message is empty.
  if (cause instanceof AggregateError) return cause.errors.map((error: Error) => error.message).join(', ');
  return cause.message;
}
