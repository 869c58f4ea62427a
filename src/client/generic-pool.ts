import type { createPool } from 'generic-pool';

type CreatePool = typeof createPool;

let loaded: CreatePool | undefined;

/** Loads the package with the first pool: most who import the client have none. */
export async function loadGenericPool(): Promise<CreatePool> {
  loaded ??= (await import('generic-pool')).createPool;
  return loaded;
}

/** Undefined before it is loaded. */
export function loadedGenericPool(): CreatePool | undefined {
  return loaded;
}
