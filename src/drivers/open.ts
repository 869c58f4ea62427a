import { type CheckedDriver, checkedDriver } from '../queue/checked-driver.js';
import { checkOneOf, checkOptions, type OptionNames } from '../queue/checks.js';
import type { Driver } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import { checkPrefix } from '../queue/name.js';
import { runOutside } from '../shared/async-context.js';
import { maskUrl, preview } from '../shared/text.js';

/** Opens an engine from its URL. `?prefix=` is already taken off it. */
export type DriverFactory = (url: string, options: DriverOptions) => Promise<Driver>;

/** What a driver is opened with, besides its URL. */
export interface DriverOptions {
  /** Stands before the name of every queue on the engine, so that several installations can share it. */
  readonly prefix: string;
}

/** What an application may have that an engine can use. */
export interface OpenOptions {
  /**
   * For `postgres:`: a `pg` pool of the application, whose connections the driver uses instead of its own. The URL names no host
   * then. The driver holds one connection while it waits for messages, needs two more to work, and does not end the pool.
   */
  readonly pool?: object | undefined;
}

const OPEN_OPTIONS: OptionNames<OpenOptions> = { pool: true };

interface Engine {
  readonly open: (url: string, options: DriverOptions & OpenOptions) => Promise<Driver>;
  /** The names of the options in its URL; undefined where the factory checks them itself. */
  readonly options: readonly string[] | undefined;
  /** Whether it can use a pool of the application. Default false. */
  readonly takesPool?: boolean;
  /** Whether it is none of ours. Default false. */
  readonly isRegistered?: boolean;
}

// Each engine is loaded when it is first opened, so that one does not need what another one imports.
const beanstalkd: Engine = {
  open: async (url, options) => (await import('./beanstalkd/driver.js')).openBeanstalkd(url, options),
  options: [],
};

const postgres: Engine = {
  open: async (url, options) => (await import('./postgres/driver.js')).openPostgres(url, options),
  options: undefined,
  takesPool: true,
};

const engines = new Map<string, Engine>([
  [
    'sqlite',
    {
      open: async (url, options) => (await import('./sqlite/driver.js')).openSqlite(url, options),
      options: ['synchronous', 'busyTimeout'],
    },
  ],
  [
    'memory',
    { open: async (url, options) => (await import('./memory/driver.js')).openMemory(url, options), options: [] },
  ],
  ['postgres', postgres],
  ['postgresql', postgres],
  ['beanstalkd', beanstalkd],
  ['beanstalkds', beanstalkd],
  ['beanstalkd+unix', beanstalkd],
]);

/**
 * Makes `openDriver` know an engine of your own by the scheme of its URLs. Its driver gets checked arguments.
 * @throws InvalidOptionError
 */
export function registerDriver(scheme: string, factory: DriverFactory): void {
  if (typeof scheme !== 'string' || !/^[a-z][a-z0-9+.-]*$/.test(scheme)) {
    throw new InvalidOptionError(`a scheme must be lower-case letters, digits, + . -, got ${preview(scheme)}`);
  }
  if (typeof factory !== 'function') {
    throw new InvalidOptionError(`what opens a driver must be a function, got ${preview(factory)}`);
  }
  engines.set(scheme, { open: factory, options: undefined, isRegistered: true });
}

/**
 * Opens the engine that a URL names: `sqlite:./haricot.db`, `memory:`, `beanstalkd://127.0.0.1:11300`,
 * `postgres://user:password@host/database`, each with `?prefix=staging-` where several installations share it. A file is opened
 * at once, a server connected when it is needed; `queue.setUp()` tells whether the engine can be reached.
 * @param options what the application has that the engine can use
 * @returns the driver; it refuses wrong arguments, and what its `capabilities` deny, before the engine is asked
 * @throws InvalidOptionError, with any password masked; EngineError for a file that cannot be used
 */
export async function openDriver(url: string, options: OpenOptions = {}): Promise<CheckedDriver> {
  if (typeof url !== 'string') {
    throw new InvalidOptionError(`the URL of an engine must be a string, got ${preview(url)}`);
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? '';
  const engine = engines.get(scheme);
  if (engine === undefined) {
    const known = [...engines.keys()].map((name) => `${name}:`).join(', ');
    throw new InvalidOptionError(`the scheme of an engine's URL must be one of ${known}, got ${preview(maskUrl(url))}`);
  }
  const { prefix, rest, names } = takePrefix(url);
  for (const name of names) {
    if (engine.options) checkOneOf(`an option of a ${scheme}: URL`, name, [...engine.options, 'prefix']);
  }
  const { pool } = checkOptions('openDriver', options, OPEN_OPTIONS);
  if (pool !== undefined && !engine.takesPool) {
    throw new InvalidOptionError(`pool is for postgres: alone, got one for ${scheme}:`);
  }
  const whole = { prefix: checkPrefix(prefix), ...(pool && { pool }) };
  // Ours is loaded here: what it keeps must not keep the request in which that happens.
  const open = (): Promise<Driver> => engine.open(rest, whole);
  return checkedDriver(await (engine.isRegistered ? open() : runOutside(open)));
}

interface Parts {
  readonly prefix: string;
  /** The URL without it. */
  readonly rest: string;
  /** The options that it has besides. */
  readonly names: readonly string[];
}

function takePrefix(url: string): Parts {
  const start = url.indexOf('?');
  if (start < 0) return { prefix: '', rest: url, names: [] };
  // A plus is itself: names may contain it, and never a blank.
  const parameters = new URLSearchParams(url.slice(start + 1).replaceAll('+', '%2B'));
  const [prefix, ...others] = parameters.getAll('prefix');
  if (others.length > 0) throw new InvalidOptionError(`prefix must be given once, got ${others.length + 1} times`);
  parameters.delete('prefix');
  const names = [...parameters.keys()];
  if (prefix === undefined) return { prefix: '', rest: url, names };
  const address = url.slice(0, start);
  return { prefix, rest: names.length > 0 ? `${address}?${parameters}` : address, names };
}
