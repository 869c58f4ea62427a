import { isReserve } from '../protocol/commands.js';
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

/** The commands of one connection that are not answered yet. Replies come in the same order. */
export class RequestQueue {
  readonly #pending = new Fifo<Pending>();
  #answered = 0;
  #waitingReserves = 0;

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

  add(request: Request<unknown>, resolve: Pending['resolve'], reject: Pending['reject']): void {
    this.#pending.push({ request, resolve, reject, abandoned: false });
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
    this.#answered++;
    if (isReserve(pending.request.command)) this.#waitingReserves--;
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
