import { isReserve } from '../protocol/commands.js';
import { Deadline } from '../shared/deadline.js';
import type { Request } from './request.js';

/** Data that comes more slowly than this is no progress, in bytes a second. */
const MIN_BYTES_PER_SECOND = 1024;

/**
 * Notices that the reply to the oldest command does not come. Replies come in order, so one timer serves all commands: it
 * is set for the oldest, and looks again when it fires, because another one may be the oldest by then.
 *
 * Only a whole reply counts as one; bytes alone do not, or a server that sends one now and then would never be overdue. While
 * the data of a reply comes, which may take long on a slow link, the time starts anew whenever it has passed, as long as
 * 1 KiB for each second of it has come.
 */
export class ReplyTimer {
  readonly #allowance: () => number | undefined;
  readonly #onOverdue: () => void;
  readonly #received: () => number;
  #deadline: Deadline | undefined;
  /** When that passes, unless the event loop is blocked. */
  #due = Number.POSITIVE_INFINITY;
  /** When the oldest command became the oldest, its reply began, or enough of its data had come. */
  #since = 0;
  /** How much of its data had come by then. */
  #receivedBefore = 0;

  /**
   * @param allowance milliseconds that the oldest command may take: undefined when none is out, Infinity for ever
   * @param onOverdue is called once they have passed
   * @param received bytes of the data of its reply that have come
   */
  constructor(allowance: () => number | undefined, onOverdue: () => void, received: () => number = () => 0) {
    this.#allowance = allowance;
    this.#onOverdue = onOverdue;
    this.#received = received;
  }

  /** The oldest command is another one now, or its reply has begun. */
  restart(): void {
    this.#since = performance.now();
    this.#receivedBefore = this.#received();
    const allowance = this.#allowance();
    if (allowance !== undefined && this.#since + allowance < this.#due) this.#set(allowance);
  }

  stop(): void {
    this.#deadline?.cancel();
    this.#due = Number.POSITIVE_INFINITY;
  }

  #set(ms: number): void {
    this.#due = performance.now() + ms;
    // The socket keeps the process alive for as long as there is something to wait for.
    if (this.#deadline === undefined) this.#deadline = new Deadline(ms, () => this.#look(), { unref: true });
    else this.#deadline.restart(ms);
  }

  #look(): void {
    const now = performance.now();
    // While the event loop was blocked nothing could be read.
    this.#since = Math.min(now, this.#since + Math.max(0, now - this.#due));
    this.#due = Number.POSITIVE_INFINITY;
    const allowance = this.#allowance();
    if (allowance === undefined || allowance === Number.POSITIVE_INFINITY) return;
    const left = Math.ceil(this.#since + allowance - now);
    if (left > 0) this.#set(left);
    else if (this.#makesProgress(allowance)) this.restart();
    else this.#onOverdue();
  }

  #makesProgress(ms: number): boolean {
    return this.#received() - this.#receivedBefore >= Math.max(1, (ms / 1000) * MIN_BYTES_PER_SECOND);
  }
}

/** Milliseconds that the server may take to answer: Infinity for ever, which `replyTimeoutMs` calls 0. */
export function allowanceOf(request: Request<unknown>, replyTimeoutMs: number, hasBegun: boolean): number {
  const { command, timeout, answerMs } = request;
  const replyMs = replyTimeoutMs === 0 ? Number.POSITIVE_INFINITY : replyTimeoutMs;
  if (hasBegun || !isReserve(command)) return replyMs;
  return timeout === undefined ? Number.POSITIVE_INFINITY : timeout * 1000 + (answerMs ?? replyMs);
}
