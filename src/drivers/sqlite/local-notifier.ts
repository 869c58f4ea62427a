// Tells the drivers of this process that have the same file open of each other's commits: they need not wait until they see a
// change by themselves.

interface Listener {
  wake(): void;
}

const listenersOf = new Map<string, Set<Listener>>();

/** @returns all with the same file, the new one among them */
export function join(path: string, listener: Listener): ReadonlySet<Listener> {
  const listeners = listenersOf.get(path) ?? new Set();
  listenersOf.set(path, listeners.add(listener));
  return listeners;
}

export function leave(path: string, listener: Listener): void {
  const listeners = listenersOf.get(path);
  listeners?.delete(listener);
  if (listeners?.size === 0) listenersOf.delete(path);
}
