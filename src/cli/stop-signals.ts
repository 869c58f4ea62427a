/** What asks the process to stop. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Signals that come closer together are one request: a terminal that closes, a package manager that passes a signal on, and
 * systemd send several at once. In milliseconds.
 */
const ONE_REQUEST_MS = 1000;

/** The requests that signals make: the first to stop gracefully, the second at once. */
export class StopSignals {
  /** Aborts with the first request; its reason is the name of the signal. */
  readonly graceful: AbortSignal;
  /** Aborts with the second one. */
  readonly immediate: AbortSignal;
  readonly #controllers = [new AbortController(), new AbortController()] as const;
  readonly #onThird: () => void;
  readonly #remove: () => void;
  #lastAt = Number.NEGATIVE_INFINITY;

  /** Listens until it is closed. @param onThird called with the third request: stopping at once has not helped */
  constructor(onThird: () => void) {
    this.#onThird = onThird;
    [this.graceful, this.immediate] = [this.#controllers[0].signal, this.#controllers[1].signal];
    this.#remove = onStopSignal((name) => this.#onSignal(name));
  }

  close(): void {
    this.#remove();
  }

  #onSignal(name: NodeJS.Signals): void {
    const now = performance.now();
    if (now - this.#lastAt < ONE_REQUEST_MS) return;
    this.#lastAt = now;
    const next = this.#controllers.find(({ signal }) => !signal.aborted);
    if (next === undefined) this.#onThird();
    else next.abort(name);
  }
}

/** Calls `listener` for each signal that asks the process to stop, instead of ending it. @returns removes the listener */
export function onStopSignal(listener: (name: NodeJS.Signals) => void): () => void {
  for (const name of SIGNALS) process.on(name, listener);
  return () => {
    for (const name of SIGNALS) process.off(name, listener);
  };
}

/** What was asked to stop while something was being prepared. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

/** The outcome of `preparing`; rejects with a {@link StoppedError} when the signal aborts before. */
export function unlessStopped<T>(signal: AbortSignal, preparing: Promise<T>): Promise<T> {
  const stopped = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new StoppedError(`stopped by ${String(signal.reason)}`));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  return Promise.race([preparing, stopped]);
}
