import { isReserve } from '../protocol/commands.js';
import { Deadline } from '../shared/deadline.js';
import type { Request } from './request.js';

/** Data that arrives more slowly than this is no progress, in bytes per second. */
const MIN_BYTES_PER_SECOND = 1024;

/**
 * Detects that the reply to the oldest command does not arrive. Replies arrive in order, so one timer serves all commands: it is
 * set for the oldest, and set again when it fires and another command is the oldest.
 *
 * Only a whole reply resets the time. Single bytes do not, or a server that sends one now and then would never be overdue. While
 * the data of a reply arrives, which may take long on a slow link, the time starts again each time it has passed, provided that
 * 1 KiB for each second of it has arrived.
 */
export class ReplyDeadline {
  readonly #timeoutMs: () => number | undefined;
  readonly #onOverdue: () => void;
  readonly #received: () => number;
  #deadline: Deadline | undefined;
  /** When the deadline passes, unless the event loop is blocked. */
  #due = Number.POSITIVE_INFINITY;
  /** When the oldest command became the oldest, its reply began, or enough of its data had arrived. */
  #since = 0;
  /** How much of its data had arrived at that time. */
  #receivedBefore = 0;

  /**
   * @param timeoutMs how long the oldest command may take, in milliseconds: undefined when none is pending, Infinity for no limit
   * @param onOverdue is called once that time has passed
   * @param received how many bytes of the data of its reply have arrived
   */
  constructor(timeoutMs: () => number | undefined, onOverdue: () => void, received: () => number = () => 0) {
    this.#timeoutMs = timeoutMs;
    this.#onOverdue = onOverdue;
    this.#received = received;
  }

  /** Starts the time again: another command is the oldest, or the reply of the oldest has begun. */
  restart(): void {
    this.#since = performance.now();
    this.#receivedBefore = this.#received();
    const timeoutMs = this.#timeoutMs();
    if (timeoutMs !== undefined && this.#since + timeoutMs < this.#due) this.#set(timeoutMs);
  }

  stop(): void {
    this.#deadline?.cancel();
    this.#due = Number.POSITIVE_INFINITY;
  }

  #set(ms: number): void {
    this.#due = performance.now() + ms;
    if (this.#deadline === undefined) {
      this.#deadline = new Deadline(ms, () => this.#onDeadline(), {
        // The socket keeps the process alive while a command is pending.
        unref: true,
        isNeeded: () => this.#isNeeded(),
      });
    } else {
      this.#deadline.restart(ms);
    }
  }

  /** Ends the deadline of a connection that is idle, so that it sets no timers. The next command sets a new one. */
  #isNeeded(): boolean {
    if (isLimited(this.#timeoutMs())) return true;
    this.#due = Number.POSITIVE_INFINITY;
    return false;
  }

  #onDeadline(): void {
    const now = performance.now();
    // Nothing could be read while the event loop was blocked.
    this.#since = Math.min(now, this.#since + Math.max(0, now - this.#due));
    this.#due = Number.POSITIVE_INFINITY;
    const timeoutMs = this.#timeoutMs();
    if (!isLimited(timeoutMs)) return;
    const left = Math.ceil(this.#since + timeoutMs - now);
    if (left > 0) this.#set(left);
    else if (this.#makesProgress(timeoutMs)) this.restart();
    else this.#onOverdue();
  }

  #makesProgress(ms: number): boolean {
    return this.#received() - this.#receivedBefore >= Math.max(1, (ms / 1000) * MIN_BYTES_PER_SECOND);
  }
}

function isLimited(ms: number | undefined): ms is number {
  return ms !== undefined && ms !== Number.POSITIVE_INFINITY;
}

/** How long the server may take to reply, in milliseconds. Once the reply has begun, a reserve gets no extra time. */
export function replyTimeoutOf(request: Request<unknown>, replyTimeoutMs: number, hasBegun: boolean): number {
  const { command, timeout, answerMs } = request;
  const replyMs = infinityForZero(replyTimeoutMs);
  if (hasBegun || !isReserve(command)) return replyMs;
  return timeout === undefined ? Number.POSITIVE_INFINITY : timeout * 1000 + (answerMs ?? replyMs);
}

/** How long a reserve may go unanswered. */
export interface Liveness {
  /** The longest time that one reserve waits at the server, in seconds. */
  readonly seconds: number;
  /** How much longer its reply may take, in milliseconds. */
  readonly answerMs: number;
}

/**
 * Divides `livenessMs` between the time that a reserve waits, in the whole seconds of the protocol, and the time for its reply.
 * The first is at least one second, so that the sum exceeds a `livenessMs` below 2000.
 */
export function livenessOf(livenessMs: number, replyTimeoutMs: number): Liveness {
  const replyMs = infinityForZero(replyTimeoutMs);
  if (livenessMs === 0) return { seconds: Number.POSITIVE_INFINITY, answerMs: replyMs };
  const answerMs = Math.min(replyMs, livenessMs / 2);
  return { seconds: Math.max(1, Math.floor((livenessMs - answerMs) / 1000)), answerMs };
}

function infinityForZero(ms: number): number {
  return ms === 0 ? Number.POSITIVE_INFINITY : ms;
}
