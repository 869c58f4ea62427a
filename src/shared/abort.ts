/** The listeners of one signal. */
type Listeners = Set<() => void>;

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/** Whether `value` is an AbortSignal. Objects that only resemble one are not. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return value instanceof AbortSignal;
}

/**
 * Calls `listener` once when `signal` aborts. If the signal has aborted already, it is not called.
 *
 * The signal gets a single listener, however many are added here. Node warns of more than ten listeners, and only the
 * owner of the signal, the user, may turn that warning off.
 * @returns removes the listener; may be called again
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  // A separate function for each call, so that the same listener may be added twice.
  const entry = (): void => listener();
  let listeners = listenersOf.get(signal);
  if (listeners === undefined) {
    listeners = new Set();
    listenersOf.set(signal, listeners);
  }
  if (listeners.size === 0) signal.addEventListener('abort', callListeners, { once: true });
  listeners.add(entry);
  return () => {
    if (listeners.delete(entry) && listeners.size === 0) signal.removeEventListener('abort', callListeners);
  };
}

function callListeners(this: AbortSignal): void {
  const listeners = listenersOf.get(this);
  if (listeners === undefined) return;
  const called = [...listeners];
  listenersOf.delete(this);
  for (const listener of called) {
    // A listener that was called before may have removed it.
    if (listeners.delete(listener)) listener();
  }
}
