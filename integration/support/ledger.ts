import { ConnectionLostError, ReplyTimeoutError } from '../../src/client/index.js';
import { completes } from './until.js';

/** What must be on the server, by the bodies of the jobs. */
export class Ledger {
  /** Exactly once. */
  readonly certain = new Set<string>();
  /** Once or not at all: nobody can tell whether the server executed the lost command. */
  readonly possible = new Set<string>();

  /** A put is certain when it was answered, possible when it was lost after it was sent. */
  async put(body: string, call: Promise<string>): Promise<string> {
    return this.#account(call, body, () => this.certain.add(body));
  }

  /** The opposite. */
  async delete(body: string, call: Promise<void>): Promise<void> {
    this.certain.delete(body);
    await this.#account(
      call,
      body,
      () => {},
      () => this.certain.add(body),
    );
  }

  async #account<T>(
    call: Promise<T>,
    body: string,
    onSuccess: () => void,
    onNotSent: () => void = () => {},
  ): Promise<T> {
    try {
      const result = await settles(call);
      onSuccess();
      return result;
    } catch (error) {
      if (!isLoss(error)) throw error;
      if (error instanceof ConnectionLostError && !error.sent) onNotSent();
      else this.possible.add(body);
      throw error;
    }
  }
}

/** The outcome of a call, which must come. */
export function settles<T>(call: Promise<T>): Promise<T> {
  return completes('a call settles', call);
}

/** Waits for all of them, and throws the first failure. */
export async function together(calls: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(calls.map(settles))) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** What a spoilt line may bring upon a caller. */
export function isLoss(error: unknown): error is ConnectionLostError | ReplyTimeoutError {
  return error instanceof ConnectionLostError || error instanceof ReplyTimeoutError;
}
