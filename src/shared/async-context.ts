import { AsyncResource } from 'node:async_hooks';

/** The context in which this module was loaded. It belongs to no request. */
const root = new AsyncResource('haricot');

/**
 * Runs `callback` outside of the caller's AsyncLocalStorage. Use it for everything that outlives the call, such as
 * connections and timers. Otherwise these would keep the store of their first caller, and run listeners in it.
 */
export function runOutside<T>(callback: () => T): T {
  return root.runInAsyncScope(callback);
}
