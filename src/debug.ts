import { createRequire } from 'node:module';
import type createPackageDebug from 'debug';
import { plainDebug } from './shared/plain-debug.js';
import { throwUncaught } from './shared/uncaught.js';

/** Writes a line to stderr for those who ask for its namespace. The first argument is a format of `%s`, `%d`, `%o` and `%O`. */
export interface Debug {
  (format: string, ...values: readonly unknown[]): void;
  /** For lines that are too frequent to be put together for nobody. */
  readonly enabled: boolean;
}

type CreateDebugger = (namespace: string) => Pick<createPackageDebug.Debugger, 'enabled'> & Debug;

/**
 * The switch of the package `debug`, which is loaded with the first line that somebody may want to see: it takes a third as long to
 * load as the whole client. Whoever turns it on later, by its `enable()`, has loaded it already or sets DEBUG thereby; both are
 * looked for at each line, but not by `enabled`, which stands in the way of each command. A bundle has no packages beside it:
 * there DEBUG is heeded by ourselves.
 */
export function createDebug(namespace: string): Debug {
  let debug: ReturnType<CreateDebugger> | undefined;
  const line = (format: string, ...values: readonly unknown[]): void => {
    try {
      debug ??= wantedDebug()?.(namespace);
      debug?.(format, ...values);
    } catch (error) {
      // Its output may be a function of the user's, and we are in the midst of something.
      throwUncaught(error);
    }
  };
  return Object.defineProperty(line, 'enabled', { get: () => debug?.enabled ?? false }) as Debug;
}

function wantedDebug(): CreateDebugger | undefined {
  try {
    const require = createRequire(import.meta.url);
    const isWanted = process.env['DEBUG'] || require.cache[require.resolve('debug')] !== undefined;
    return isWanted ? require('debug') : undefined;
  } catch {
    // A program that was bundled has no packages beside it, and as CommonJS it does not even know where it lies.
    return process.env['DEBUG'] ? plainDebug : undefined;
  }
}
