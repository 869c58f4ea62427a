import { isReserve } from '../protocol/commands.js';
import type { Request } from './request.js';
import { LONGEST_TIMER_MS } from './timers.js';

/**
 * Notices that the reply to the oldest command does not come. Replies come in order, so one timer serves all commands: it
 * is set for the oldest, and looks again when it fires, because another one may be the oldest by then.
 */
export class ReplyTimer {
  readonly #allowance: () => number | undefined;
  readonly #onOverdue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** When the timer fires. */
  #due = Number.POSITIVE_INFINITY;
  /** When the oldest command became the oldest, or bytes came last. */
  #since = 0;

  /**
   * @param allowance milliseconds that the oldest command may take: undefined when none is out, Infinity for ever
   * @param onOverdue is called once they have passed
   */
  constructor(allowance: () => number | undefined, onOverdue: () => void) {
    this.#allowance = allowance;
    this.#onOverdue = onOverdue;
  }

  /** The oldest command is another one now, or bytes have come. */
  restart(): void {
    this.#since = performance.now();
    const allowance = this.#allowance();
    if (allowance !== undefined && this.#since + allowance < this.#due) this.#set(allowance);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#due = Number.POSITIVE_INFINITY;
  }

  #set(ms: number): void {
    clearTimeout(this.#timer);
    this.#due = performance.now() + ms;
    this.#timer = setTimeout(() => this.#look(), Math.min(ms, LONGEST_TIMER_MS));
    // The socket keeps the process alive for as long as there is something to wait for.
    this.#timer.unref();
  }

  /** @param certain whether what had come already was read: the event loop may have been blocked */
  #look(certain = false): void {
    this.#due = Number.POSITIVE_INFINITY;
    const allowance = this.#allowance();
    if (allowance === undefined || allowance === Number.POSITIVE_INFINITY) return;
    const left = this.#since + allowance - performance.now();
    if (left > 0) this.#set(left);
    else if (certain) this.#onOverdue();
    else this.#immediate = setImmediate(() => this.#look(true));
  }
}

/** Milliseconds that the server may take to answer: Infinity for ever, which `replyTimeoutMs` calls 0. */
export function allowanceOf({ command, timeout }: Request<unknown>, replyTimeoutMs: number): number {
  if (replyTimeoutMs === 0) return Number.POSITIVE_INFINITY;
  if (!isReserve(command)) return replyTimeoutMs;
  return timeout === undefined ? Number.POSITIVE_INFINITY : timeout * 1000 + replyTimeoutMs;
}
