import { AsyncResource } from 'node:async_hooks';

/** Of the program that loads this, which is nobody's request. */
const root = new AsyncResource('haricot');

/**
 * Runs `callback` outside of the caller's AsyncLocalStorage. For what outlives the call, such as connections and timers:
 * otherwise they would keep the store of whoever happened to call first, and run their listeners in it.
 */
export function runOutside<T>(callback: () => T): T {
  return root.runInAsyncScope(callback);
}
