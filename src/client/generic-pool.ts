import { createRequire } from 'node:module';
import type { createPool } from 'generic-pool';

type CreatePool = typeof createPool;

let loaded: CreatePool | undefined;

/** Loads the package with the first pool: most who import the client have none. */
export async function loadGenericPool(): Promise<CreatePool> {
  loaded ??= (await importPackage()).createPool;
  return loaded;
}

/** Undefined before it is loaded. */
export function loadedGenericPool(): CreatePool | undefined {
  return loaded;
}

async function importPackage(): Promise<typeof import('generic-pool')> {
  try {
    return await import('generic-pool');
  } catch (error) {
    // It requires `events` of Node, and a bundle that is an ES module has no `require`, unless there is a global one: esbuild's
    // looks for that. It is there for this import only.
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
