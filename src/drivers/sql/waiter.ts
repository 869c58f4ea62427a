import type { ReservedMessage, ReserveOptions } from '../../queue/driver.js';
import { onAbort } from '../../shared/abort.js';
import { runOutside } from '../../shared/async-context.js';
import { LONGEST_TIMER_MS } from '../../shared/deadline.js';

/** What a reserve that waits needs of its consumer. */
export interface WaiterHost {
  /** It waits no longer. */
  drop(waiter: Waiter): void;
  /** Its time is over: it looks once more. */
  onTimeout(waiter: Waiter): void;
}

/** A reserve that waits. */
export class Waiter {
  readonly resolve: (reserved: readonly ReservedMessage[]) => void;
  readonly reject: (error: unknown) => void;
  /** How many messages it takes. */
  readonly max: number;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #removeListener: (() => void) | undefined;
  #looksOnce: boolean;

  constructor(
    resolve: Waiter['resolve'],
    reject: Waiter['reject'],
    { max = 1, timeoutMs, signal }: ReserveOptions,
    host: WaiterHost,
  ) {
    this.resolve = resolve;
    this.reject = reject;
    this.max = max;
    this.#looksOnce = timeoutMs !== undefined && timeoutMs <= 0;
    // A timer cannot be set for longer, which is as good as for ever.
    if (timeoutMs !== undefined && !this.#looksOnce && timeoutMs <= LONGEST_TIMER_MS) {
      this.#timer = runOutside(() => setTimeout(() => this.#onTimeout(host), timeoutMs));
    }
    if (signal === undefined) return;
    this.#removeListener = onAbort(signal, () => {
      host.drop(this);
      reject(signal.reason);
    });
  }

  /** Whether it is answered with none where there is no message now. */
  get looksOnce(): boolean {
    return this.#looksOnce;
  }

  /** It waits no longer. */
  end(): void {
    clearTimeout(this.#timer);
    this.#removeListener?.();
  }

  /** A message may have come while the event loop was blocked. */
  #onTimeout(host: WaiterHost): void {
    this.#looksOnce = true;
    host.onTimeout(this);
  }
}
