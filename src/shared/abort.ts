/** What waits for one signal. */
type Listeners = Set<() => void>;

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/** Whether `value` is a signal as `new AbortController().signal` is one. Objects that only look like one are not. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return value instanceof AbortSignal;
}

/**
 * Calls `listener` once when `signal` aborts; one that has aborted already calls nothing.
 *
 * However many wait, the signal gets a single listener: it belongs to the user, so Node's warning of more than ten
 * listeners must neither appear nor be turned off there.
 * @returns removes the listener; may be called again
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  // A function of its own for each call, so that one listener may wait twice.
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
    // One that was called before it may have removed it.
    if (listeners.delete(listener)) listener();
  }
}
