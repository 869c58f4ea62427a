import { AsyncResource } from 'node:async_hooks';

// Made when the module is loaded, outside of any request.
const root = new AsyncResource('haricot.root');

/**
 * Does something outside of the caller's `AsyncLocalStorage`. For timers and listeners that outlast a call: they would keep
 * its store, a request for example, and run in it.
 */
export function inRootContext<T>(action: () => T): T {
  return root.runInAsyncScope(action);
}
