import { createRequire } from 'node:module';
import type createPackageDebug from 'debug';
import { plainDebug } from './shared/plain-debug.js';
import { throwUncaught } from './shared/uncaught.js';

/**
 * Writes a line to stderr if its namespace is enabled. The first argument is a format with `%s`, `%d`, `%o` and `%O`.
 */
export interface Debug {
  (format: string, ...values: readonly unknown[]): void;
  /** Whether lines are written. Checked before lines that are too frequent to be formatted in vain. */
  readonly enabled: boolean;
}

const writers = new Map<string, Debug>();

type CreateDebugger = (namespace: string) => Pick<createPackageDebug.Debugger, 'enabled'> & Debug;

/**
 * Writes lines with the package `debug`. There is one writer for each namespace.
 *
 * The package takes a third as long to load as the whole client, so it is loaded with the first line, and only if DEBUG
 * is set or the program has loaded the package itself, for example to call its `enable()`. Each line checks both;
 * `enabled` does not, because every command reads it. In a bundle the package is missing, and {@link plainDebug} writes
 * the lines instead.
 */
export function createDebug(namespace: string): Debug {
  const known = writers.get(namespace);
  if (known !== undefined) return known;
  let debug: ReturnType<CreateDebugger> | undefined;
  const line = (format: string, ...values: readonly unknown[]): void => {
    try {
      debug ??= wantedDebug()?.(namespace);
      debug?.(format, ...values);
    } catch (error) {
      // The output may be a function of the user. Its error must not interrupt the caller.
      throwUncaught(error);
    }
  };
  const writer = Object.defineProperty(line, 'enabled', { get: () => debug?.enabled ?? false }) as Debug;
  writers.set(namespace, writer);
  return writer;
}

function wantedDebug(): CreateDebugger | undefined {
  try {
    const require = createRequire(import.meta.url);
    const isWanted = process.env['DEBUG'] || require.cache[require.resolve('debug')] !== undefined;
    return isWanted ? require('debug') : undefined;
  } catch {
    // In a bundle the package cannot be found. In a CommonJS bundle, `import.meta.url` is undefined.
    return process.env['DEBUG'] ? plainDebug : undefined;
  }
}
