import { existsSync } from 'node:fs';
import { isAbsolute, relative } from 'node:path';
import { openDriver } from '../drivers/open.js';
import { parseUrl } from '../drivers/sqlite/url.js';
import type { Driver, QueueStats } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import { checkQueueName } from '../queue/name.js';
import { Queue } from '../queue/queue.js';
import { maskUrl } from '../shared/text.js';
import { CommandFailedError } from './errors.js';
import { type CodecOptions, checkCodec, DEFAULT_URL, type GlobalOptions, queueOptionsOf, urlOf } from './options.js';
import { note, type Output } from './output/output.js';

/** How many queues an error names. */
const NAMES_SHOWN = 10;

/** Runs `use` on the engine that `--url` or HARICOT_URL names, which must be there. */
export function onEngine<T>(options: GlobalOptions, use: (driver: Driver) => Promise<T>): Promise<T> {
  const url = urlOf(options);
  const file = databaseFile(url);
  if (file !== undefined && !existsSync(file)) {
    // The driver would make an empty one, and the answer would be wrong.
    throw new CommandFailedError(
      'NO_DATABASE',
      `cannot find a queue database at ${shownPath(file)}; give --url or set HARICOT_URL; publish, work and setup make a new one`,
    );
  }
  return onDriver(url, use);
}

/** Runs `use` on a queue of the engine that `--url` or HARICOT_URL names, which must be there. */
export async function onQueue<T>(
  options: GlobalOptions & CodecOptions,
  name: string,
  use: (queue: Queue) => Promise<T>,
): Promise<T> {
  checkQueueName(name);
  checkCodec(options);
  return onEngine(options, (driver) => use(new Queue(driver, name, queueOptionsOf(options))));
}

/** @throws CommandFailedError where there is no such queue: nothing can be seen or done there */
export async function statsOf(queue: Queue): Promise<QueueStats> {
  const stats = await queue.stats();
  if (stats !== null) return stats;
  const { driver, name } = queue;
  const names = (await driver.queues()).sort();
  const others = names.length === 0 ? 'the engine has no queues' : `the engine has ${listed(names)}`;
  throw new CommandFailedError('NO_QUEUE', `there is no queue "${name}"; ${others}`);
}

/** At most `NAMES_SHOWN` names. */
function listed(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** As `onEngine`, for commands that make a new database where there is none. */
export function onNewEngine<T>(
  options: GlobalOptions,
  output: Output,
  use: (driver: Driver) => Promise<T>,
): Promise<T> {
  const url = urlOf(options);
  const file = databaseFile(url);
  const isNew = url === DEFAULT_URL && file !== undefined && !existsSync(file);
  return onDriver(url, (driver) => {
    if (isNew) {
      const hint = 'give --url or set HARICOT_URL for another engine';
      note(output, options.json === true, `made a new queue database at ${shownPath(file)}; ${hint}`);
    }
    return use(driver);
  });
}

/** As `onQueue`, for commands that make a new database where there is none. */
export async function onNewQueue<T>(
  options: GlobalOptions & CodecOptions,
  output: Output,
  name: string,
  use: (queue: Queue) => Promise<T>,
): Promise<T> {
  checkQueueName(name);
  return onNewEngine(options, output, (driver) => use(new Queue(driver, name, queueOptionsOf(options))));
}

/** Runs `use` on the engine and closes it. */
export async function onDriver<T>(url: string, use: (driver: Driver) => Promise<T>): Promise<T> {
  const driver = await openDriver(url);
  try {
    if (driver.capabilities.shared !== false) return await use(driver);
    throw new InvalidOptionError(
      `cannot use "${maskUrl(url)}": it keeps messages within one process, and this one ends with the command; name another engine`,
    );
  } finally {
    await driver.close();
  }
}

/** The file that a URL of the embedded engine names. @throws InvalidOptionError */
function databaseFile(url: string): string | undefined {
  // What stands behind the question mark is for the driver, which also says what is wrong with it.
  const [address = ''] = url.split('?', 1);
  return /^sqlite:/i.test(address) ? parseUrl(address).path : undefined;
}

/** As it is typed. */
function shownPath(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith('..') || isAbsolute(fromHere) ? path : `./${fromHere}`;
}
