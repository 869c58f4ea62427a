import { type CommandName, givesUpJob, isReserve } from '../protocol/commands.js';
import { ConnectionLostError } from './errors.js';
import { Fifo } from './fifo.js';
import type { Request } from './request.js';

/** A command whose reply is still to come. */
export interface Pending {
  readonly request: Request<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
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
  #waitingReserves = 0;
  #bytes = 0;
  #bodies = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** How many commands have left the queue. */
  get answered(): number {
    return this.#answered;
  }

  get waitingReserves(): number {
    return this.#waitingReserves;
  }

  /** Whether somebody waits for a reply. */
  get hasPendingReplies(): boolean {
    return this.#pending.find(({ abandoned }) => !abandoned) !== undefined;
  }

  /**
   * Whether the command would make more than `maxBytes` pending. One with a body passes where no other has one, however
   * large it is; so do those that settle jobs, and what is sent for them.
   */
  exceeds(request: Request<unknown>, maxBytes: number): boolean {
    if (this.#bytes + costOf(request) <= maxBytes || alwaysPasses(request)) return false;
    return request.body === undefined || this.#bodies > 0;
  }

  add(request: Request<unknown>, resolve: Pending['resolve'], reject: Pending['reject']): void {
    this.#pending.push({ request, resolve, reject, abandoned: false });
    this.#bytes += costOf(request);
    if (request.body !== undefined) this.#bodies++;
    if (isReserve(request.command)) this.#waitingReserves++;
  }

  /** The command that is answered next. */
  peek(): Pending | undefined {
    return this.#pending.peek();
  }

  /** Takes out the command that is answered next. */
  shift(): Pending | undefined {
    const pending = this.#pending.shift();
    if (pending === undefined) return undefined;
    const { request } = pending;
    this.#answered++;
    this.#bytes -= costOf(request);
    if (request.body !== undefined) this.#bodies--;
    if (isReserve(request.command)) this.#waitingReserves--;
    return pending;
  }

  /** Takes out the oldest command, which is told of a fault; a `use` that nobody called leaves that to what it was for. */
  shiftFaulty(): Pending | undefined {
    const oldest = this.shift();
    if (oldest?.request.isAhead !== true || this.size === 0) return oldest;
    oldest.reject(new ConnectionLostError('told to the command behind it', true));
    return this.shift();
  }

  /** Rejects a command with `reason`; its reply is still to come. @returns false when it is not pending */
  abandon(request: Request<unknown>, reason: unknown): boolean {
    const pending = this.#pending.find((candidate) => candidate.request === request);
    if (pending === undefined || pending.abandoned) return false;
    pending.abandoned = true;
    pending.reject(reason);
    return true;
  }
}

function alwaysPasses({ command, isAhead }: Request<unknown>): boolean {
  return isAhead === true || SETTLING.has(command) || givesUpJob(command);
}
