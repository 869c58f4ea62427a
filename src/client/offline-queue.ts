import { copyBytes } from '../shared/bytes.js';
import { Deadline } from '../shared/deadline.js';
import { ConnectionLostError, PendingLimitError } from './errors.js';
import type { Request } from './request.js';

/** Limits for the commands that wait while there is no connection. */
export interface OfflineQueueLimits {
  /** How many commands may wait. Default 10,000. */
  readonly maxWaitingCommands: number;
  /** How many bytes their bodies and lines may have. Default 16 MiB. */
  readonly maxWaitingBytes: number;
  /** How long a command may wait, in milliseconds. Default 30,000. */
  readonly maxWaitingMs: number;
  /** How many bytes may wait after a connection was abandoned, until the next one is open. Default 64 MiB. */
  readonly maxPendingBytes: number;
}

interface Entry {
  readonly request: Request<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly bytes: number;
  /** When the command expires. */
  readonly until: number;
}

/** Commands that were called while there is no connection, in the order of the calls. */
export class OfflineQueue {
  readonly #limits: OfflineQueueLimits;
  readonly #entries = new Set<Entry>();
  #bytes = 0;
  #deadline: Deadline | undefined;
  /** When the deadline passes, unless the event loop is blocked. */
  #due = 0;
  /** How long the event loop was blocked while commands waited. The client could not reconnect during that time. */
  #blockedMs = 0;
  /** Why there is no connection. */
  #cause: unknown;

  constructor(limits: OfflineQueueLimits) {
    this.#limits = limits;
  }

  /** The cause for the errors of commands that expire. */
  set cause(cause: unknown) {
    this.#cause = cause;
  }

  /** @param limited false while the server is reachable, and the next connection is only being opened */
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

  /** Rejects a command that is no longer required. @returns false when it does not wait here */
  abandon(request: Request<unknown>, reason: unknown): boolean {
    for (const entry of this.#entries) {
      if (entry.request !== request) continue;
      this.#remove(entry);
      entry.reject(reason);
      return true;
    }
    return false;
  }

  /** Sends all commands in order. */
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

  /** Every command may wait for the same time, so the oldest one expires next. */
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
      // Times have fractions of a millisecond: a command that is due may differ by less than one.
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

/** Copies the body, because the caller may change its buffer after the call has returned. */
function withOwnBody<T>(request: Request<T>): Request<T> {
  const { body } = request;
  return body === undefined || typeof body === 'string' ? request : { ...request, body: copyBytes(body) };
}
