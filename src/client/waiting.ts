import { copyBytes } from '../shared/bytes.js';
import { Deadline } from '../shared/deadline.js';
import { ConnectionLostError, PendingLimitError } from './errors.js';
import type { Request } from './request.js';

/** How much may wait while there is no connection. */
export interface WaitingLimits {
  /** Commands. Default 10,000. */
  readonly maxWaitingCommands: number;
  /** Bytes of their bodies and lines. Default 16 MiB. */
  readonly maxWaitingBytes: number;
  /** Milliseconds. Default 30,000. */
  readonly maxWaitingMs: number;
  /** Bytes while the next connection is only about to be opened. Default 64 MiB. */
  readonly maxPendingBytes: number;
}

interface Entry {
  readonly request: Request<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly bytes: number;
  /** Until when it may wait. */
  readonly until: number;
}

/** Commands that were called while there is no connection, in the order of the calls. */
export class WaitingCommands {
  readonly #limits: WaitingLimits;
  readonly #entries = new Set<Entry>();
  #bytes = 0;
  #deadline: Deadline | undefined;
  /** When that passes, unless the event loop is blocked. */
  #due = 0;
  /** How long the event loop was blocked while commands waited: the connection could not come back then. */
  #blockedMs = 0;
  /** Why there is no connection. */
  #cause: unknown;

  constructor(limits: WaitingLimits) {
    this.#limits = limits;
  }

  /** What the commands that may not wait longer are told. */
  set cause(cause: unknown) {
    this.#cause = cause;
  }

  /** @param limited false while nothing is wrong: the next connection is only about to be opened */
  add<T>(request: Request<T>, limited = true): Promise<T> {
    const { maxWaitingCommands, maxWaitingBytes, maxWaitingMs, maxPendingBytes } = this.#limits;
    const bytes = request.line.length + (request.size ?? 0);
    if (limited && this.#entries.size >= maxWaitingCommands) {
      return Promise.reject(this.#refusal(request, `${maxWaitingCommands} commands wait for the connection already`));
    }
    if (limited && this.#bytes + bytes > maxWaitingBytes) {
      return Promise.reject(this.#refusal(request, `more than ${maxWaitingBytes} bytes would wait for the connection`));
    }
    if (!limited && this.#bytes + bytes > maxPendingBytes && this.#entries.size > 0) {
      const { command, jobId } = request;
      const why = `more than ${maxPendingBytes} bytes would wait for the next connection (maxPendingBytes)`;
      return Promise.reject(new PendingLimitError(`${why}; wait for earlier calls to settle`, { command, jobId }));
    }
    return new Promise<T>((resolve, reject) => {
      this.#entries.add({
        request: withOwnBody(request),
        resolve: resolve as (value: unknown) => void,
        reject,
        bytes,
        until: this.#now() + maxWaitingMs,
      });
      this.#bytes += bytes;
      if (this.#deadline === undefined) this.#schedule();
    });
  }

  /** Rejects a command that need not be sent any more. @returns false when it does not wait here */
  abandon(request: Request<unknown>, reason: unknown): boolean {
    for (const entry of this.#entries) {
      if (entry.request !== request) continue;
      this.#remove(entry);
      entry.reject(reason);
      return true;
    }
    return false;
  }

  /** Sends them all, in order. */
  flush(send: (request: Request<unknown>) => Promise<unknown>): void {
    for (const entry of this.#entries) {
      this.#remove(entry);
      send(entry.request).then(entry.resolve, entry.reject);
    }
    this.#schedule();
  }

  rejectAll(errorFor: (request: Request<unknown>) => unknown): void {
    for (const entry of this.#entries) {
      this.#remove(entry);
      entry.reject(errorFor(entry.request));
    }
    this.#schedule();
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry);
    this.#bytes -= entry.bytes;
  }

  /** All may wait equally long, so the oldest is the next whose time is over. */
  #schedule(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    const [oldest] = this.#entries;
    if (oldest === undefined) return;
    const ms = Math.max(0, oldest.until - this.#now());
    this.#due = performance.now() + ms;
    this.#deadline = new Deadline(ms, () => this.#expire());
  }

  #now(): number {
    return performance.now() - this.#blockedMs;
  }

  #expire(): void {
    this.#blockedMs += Math.max(0, performance.now() - this.#due);
    const now = this.#now();
    for (const entry of this.#entries) {
      // Numbers with fractions: what is due may be so by a hair.
      if (entry.until > now + 1) break;
      this.#remove(entry);
      entry.reject(this.#refusal(entry.request, `no connection within ${this.#limits.maxWaitingMs} ms`));
    }
    this.#schedule();
  }

  #refusal({ command, jobId }: Request<unknown>, why: string): ConnectionLostError {
    const cause = this.#cause;
    const because = cause instanceof Error ? `${why}: ${cause.message}` : why;
    return new ConnectionLostError(because, false, { command, jobId, cause });
  }
}

/** The caller may change its buffer as soon as the call has returned. */
function withOwnBody<T>(request: Request<T>): Request<T> {
  const { body } = request;
  return body === undefined || typeof body === 'string' ? request : { ...request, body: copyBytes(body) };
}
