import { createRequire } from 'node:module';
import type { createPool } from 'generic-pool';

type CreatePool = typeof createPool;

let loaded: CreatePool | undefined;

/** Loads the package for the first pool. Most programs that import the client have none. */
export async function loadGenericPool(): Promise<CreatePool> {
  loaded ??= (await importPackage()).createPool;
  return loaded;
}

/** The package, if it is loaded. */
export function loadedGenericPool(): CreatePool | undefined {
  return loaded;
}

async function importPackage(): Promise<typeof import('generic-pool')> {
  try {
    return await import('generic-pool');
  } catch (error) {
    // The package requires `events` of Node. In a bundle that is an ES module, esbuild's `require` looks for a global
    // one, which exists for the duration of this import only.
    if ('require' in globalThis) throw error;
    const value = createRequire(`${process.cwd()}/`);
    Object.defineProperty(globalThis, 'require', { value, configurable: true });
    try {
      return await import('generic-pool');
    } finally {
      Reflect.deleteProperty(globalThis, 'require');
    }
  }
}
