import { type CommandName, givesUpJob, isReserve, mayBringJob } from '../protocol/commands.js';
import { ConnectionLostError, PendingLimitError } from './errors.js';
import { Fifo } from './fifo.js';
import type { Request } from './request.js';

/** A command whose reply is still to come. */
export interface Pending {
  readonly request: Request<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** When a command that may bring a job was called, by `performance.now()`; 0 for others. */
  readonly askedAt: number;
  /** Its caller has been told already that it is given up: a job that comes all the same goes back. */
  abandoned: boolean;
}

/** What a command in flight takes besides its bytes: its promise, its closures and its place in the queue. */
const BYTES_FOR_EACH = 400;

/** Besides those that give a job up: renews it, or finds out how it was. */
const SETTLING: ReadonlySet<CommandName> = new Set(['touch', 'stats-job']);

/** What a command in flight takes, in bytes. */
function costOf({ line, size = 0 }: Request<unknown>): number {
  return line.length + size + BYTES_FOR_EACH;
}

/** The commands of one connection that are not answered yet. Replies come in the same order. */
export class RequestQueue {
  readonly #pending = new Fifo<Pending>();
  #answered = 0;
  #reserves = 0;
  #bytes = 0;
  #bodies = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** How many were answered, or told a fault. */
  get answered(): number {
    return this.#answered;
  }

  /** Whether a reserve is out: the server reads nothing behind one that waits. */
  get hasReserve(): boolean {
    return this.#reserves > 0;
  }

  /** Whether somebody waits for the answer to a reserve. */
  get hasAwaitedReserve(): boolean {
    if (this.#reserves === 0) return false;
    return this.#pending.find(({ request, abandoned }) => !abandoned && isReserve(request.command)) !== undefined;
  }

  /** Whether somebody waits for a reply. */
  get hasPendingReplies(): boolean {
    return this.#pending.find(({ abandoned }) => !abandoned) !== undefined;
  }

  /**
   * Why the command is not taken: it would make more than `maxBytes` pending. One with a body passes where no other has one,
   * however large it is; so do those that settle jobs, and what is sent for them.
   */
  refusalOf(request: Request<unknown>, maxBytes: number): PendingLimitError | undefined {
    if (this.#bytes + costOf(request) <= maxBytes || alwaysPasses(request)) return undefined;
    if (request.body !== undefined && this.#bodies === 0) return undefined;
    const { command, jobId } = request;
    const why = `${this.size} commands are in flight, and more than ${maxBytes} bytes would be (maxPendingBytes)`;
    return new PendingLimitError(`${why}; wait for earlier calls to settle`, { command, jobId });
  }

  add(request: Request<unknown>, resolve: Pending['resolve'], reject: Pending['reject']): void {
    const { command, body } = request;
    const askedAt = mayBringJob(command) ? performance.now() : 0;
    this.#pending.push({ request, resolve, reject, askedAt, abandoned: false });
    this.#bytes += costOf(request);
    if (body !== undefined) this.#bodies++;
    if (isReserve(command)) this.#reserves++;
  }

  peek(): Pending | undefined {
    return this.#pending.peek();
  }

  shift(): Pending | undefined {
    const pending = this.#pending.shift();
    if (pending === undefined) return undefined;
    const { request } = pending;
    this.#answered++;
    this.#bytes -= costOf(request);
    if (request.body !== undefined) this.#bodies--;
    if (isReserve(request.command)) this.#reserves--;
    return pending;
  }

  /** Takes out the oldest command, which is told of a fault; a `use` that nobody called leaves that to what it was for. */
  shiftFaulty(): Pending | undefined {
    const oldest = this.shift();
    if (oldest?.request.isAhead !== true || this.#pending.size === 0) return oldest;
    oldest.reject(new ConnectionLostError('told to the command behind it', true));
    return this.shift();
  }

  /** The call is over, but its place is kept. @returns false when the command is not out */
  abandon(request: Request<unknown>, settle: (pending: Pending) => void): boolean {
    const pending = this.#pending.find((candidate) => candidate.request === request);
    if (pending === undefined || pending.abandoned) return false;
    pending.abandoned = true;
    settle(pending);
    return true;
  }
}

function alwaysPasses({ command, isAhead }: Request<unknown>): boolean {
  return isAhead === true || SETTLING.has(command) || givesUpJob(command);
}
