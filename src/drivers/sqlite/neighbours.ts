// The drivers of this process that have the same file open: they need not wait until they see a change by themselves.

interface Neighbour {
  wake(): void;
}

const byPath = new Map<string, Set<Neighbour>>();

/** Those with the same file, the new one among them. */
export function join(path: string, neighbour: Neighbour): ReadonlySet<Neighbour> {
  const neighbours = byPath.get(path) ?? new Set();
  byPath.set(path, neighbours.add(neighbour));
  return neighbours;
}

export function leave(path: string, neighbour: Neighbour): void {
  const neighbours = byPath.get(path);
  neighbours?.delete(neighbour);
  if (neighbours?.size === 0) byPath.delete(path);
}
