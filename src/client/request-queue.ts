import { type CommandName, isReserve, mayReserve, settlesJob } from '../protocol/commands.js';
import { ConnectionLostError, PendingLimitError } from './errors.js';
import type { Request } from './request.js';
import { RingBuffer } from './ring-buffer.js';

/** A command that has not been answered yet. */
export interface Pending {
  readonly request: Request<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** When a command that may reserve a job was called, by `performance.now()`; 0 for other commands. */
  readonly requestedAt: number;
  /** Whether its call was settled already. A job that the reply delivers goes back to its queue. */
  abandoned: boolean;
}

/** The memory of a pending command besides its bytes: its promise, its closures and its place in the queue. */
const BYTES_PER_COMMAND = 400;

/** Commands that a holder requires to settle its job, besides those that settle it. */
const NEVER_REFUSED: ReadonlySet<CommandName> = new Set(['touch', 'stats-job']);

/** The memory of a pending command, in bytes. */
function costOf({ line, size = 0 }: Request<unknown>): number {
  return line.length + size + BYTES_PER_COMMAND;
}

/** The commands of one connection that are not answered yet, in the order of their replies. */
export class RequestQueue {
  readonly #pending = new RingBuffer<Pending>();
  #answered = 0;
  #reserves = 0;
  #bytes = 0;
  #bodies = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** How many commands have left the queue. */
  get answered(): number {
    return this.#answered;
  }

  /** Whether a reserve is pending. While it waits, the server reads nothing that was sent after it. */
  get hasReserve(): boolean {
    return this.#reserves > 0;
  }

  /** Whether a caller waits for the reply to a reserve. */
  get hasAwaitedReserve(): boolean {
    if (this.#reserves === 0) return false;
    return this.#pending.find(({ request, abandoned }) => !abandoned && isReserve(request.command)) !== undefined;
  }

  /** Whether a caller waits for a reply. */
  get hasPendingReplies(): boolean {
    return this.#pending.find(({ abandoned }) => !abandoned) !== undefined;
  }

  /**
   * Why the command is refused: more than `maxBytes` would be pending. A command with a body of any size is accepted when no other
   * body is pending. Commands that settle jobs, and those sent for them, are always accepted.
   */
  refusalOf(request: Request<unknown>, maxBytes: number): PendingLimitError | undefined {
    if (this.#bytes + costOf(request) <= maxBytes || isNeverRefused(request)) return undefined;
    if (request.body !== undefined && this.#bodies === 0) return undefined;
    const { command, jobId } = request;
    const why = `${this.size} commands are in flight, and more than ${maxBytes} bytes would be (maxPendingBytes)`;
    return new PendingLimitError(`${why}; wait for earlier calls to settle`, { command, jobId });
  }

  add(request: Request<unknown>, resolve: Pending['resolve'], reject: Pending['reject']): void {
    const { command, body } = request;
    const requestedAt = mayReserve(command) ? performance.now() : 0;
    this.#pending.push({ request, resolve, reject, requestedAt, abandoned: false });
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

  /** Removes the command that must report a fault: the oldest one, or the command for which that one was sent implicitly. */
  shiftFaulty(): Pending | undefined {
    const oldest = this.shift();
    if (oldest?.request.implicit !== true || this.#pending.size === 0) return oldest;
    oldest.reject(new ConnectionLostError('reported to the command that required it', true));
    return this.shift();
  }

  /** Settles the call and keeps its place in the queue. @returns false when the command is not pending */
  abandon(request: Request<unknown>, settle: (pending: Pending) => void): boolean {
    const pending = this.#pending.find((candidate) => candidate.request === request);
    if (pending === undefined || pending.abandoned) return false;
    pending.abandoned = true;
    settle(pending);
    return true;
  }
}

function isNeverRefused({ command, implicit }: Request<unknown>): boolean {
  return implicit === true || NEVER_REFUSED.has(command) || settlesJob(command);
}
