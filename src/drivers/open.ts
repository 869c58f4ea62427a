import type { Driver } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';

/** Opens an engine from its URL. `?prefix=` is already taken off it. */
export type DriverFactory = (url: string, options: DriverOptions) => Promise<Driver>;

export interface DriverOptions {
  /** Stands before the name of every queue on the engine, so that several installations can share it. */
  readonly prefix: string;
}

// Each engine is loaded when it is first opened, so that one does not need what another one imports.
const beanstalkd: DriverFactory = async (url, options) => {
  return (await import('./beanstalkd/driver.js')).openBeanstalkd(url, options);
};

const factories = new Map<string, DriverFactory>([
  ['sqlite', async (url, options) => (await import('./sqlite/driver.js')).openSqlite(url, options)],
  ['memory', async (url, options) => (await import('./memory/driver.js')).openMemory(url, options)],
  ['beanstalkd', beanstalkd],
  ['beanstalkds', beanstalkd],
  ['beanstalkd+unix', beanstalkd],
]);

/** Makes `openDriver` know an engine of one's own by the scheme of its URLs. */
export function registerDriver(scheme: string, factory: DriverFactory): void {
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) {
    throw new InvalidOptionError(`a scheme is lower-case letters, digits, + . -, got ${JSON.stringify(scheme)}`);
  }
  factories.set(scheme, factory);
}

/**
 * Opens the engine that a URL names: `sqlite:./haricot.db`, `memory:`, `beanstalkd://127.0.0.1:11300`, each with
 * `?prefix=staging-` where several installations share it. A file is opened at once, a server connected when it is needed;
 * `queue.setUp()` tells whether the engine can be reached.
 * @throws InvalidOptionError, EngineError for a file that cannot be used
 */
export async function openDriver(url: string): Promise<Driver> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const factory = scheme === undefined ? undefined : factories.get(scheme);
  if (factory === undefined) {
    const known = [...factories.keys()].map((name) => `${name}:`).join(', ');
    throw new InvalidOptionError(`no engine for ${JSON.stringify(url)}: its scheme must be one of ${known}`);
  }
  const [address = '', query = ''] = url.split('?', 2);
  const parameters = new URLSearchParams(query);
  const prefix = parameters.get('prefix') ?? '';
  parameters.delete('prefix');
  const rest = parameters.toString();
  return factory(rest ? `${address}?${rest}` : address, { prefix });
}
