// The module that connects the slots of `haricot work`.
import { existsSync, statSync } from 'node:fs';
import Module from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createDebug } from '../debug.js';
import type { Driver } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import { Queue, type QueueOptions } from '../queue/queue.js';
import { preview } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { ConnectSlots, SlotsApp } from '../worker/slots.js';
import { CommandFailedError } from './errors.js';
import { describeError, formatDuration } from './output/text.js';
import { placeIn, placeOfSyntaxError } from './syntax-error-place.js';

/** Tells the stack of what a module threw. */
const debug = createDebug('haricot:cli');

/** Closes what the default export has opened, after the worker has stopped. */
export type EndSlots = () => unknown;

/** A module of slots that was loaded and not called yet. */
export interface SlotsModule {
  /** As it was named. */
  readonly specifier: string;
  readonly connect: ConnectSlots;
  /** The options of queues, by their names. */
  readonly queues: Readonly<Record<string, QueueOptions>>;
}

const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];

/** `my-app/slots`, `@my/app`; not `./slots` or `/slots`. */
const PACKAGE_NAME = /^(?:@[\w.-]+\/)?\w[\w.-]*(?:\/|$)/;

/**
 * Loads a module of slots.
 * @param specifier a file, relative to the working directory, or what a package exports: `my-app/slots`
 * @throws InvalidOptionError that says what is wrong with the module
 */
export async function loadSlots(specifier: string): Promise<SlotsModule> {
  const target = locate(specifier);
  let module: Record<string, unknown>;
  try {
    module = await importFromHere(target);
  } catch (cause) {
    debug('%s: %O', specifier, cause);
    throw new InvalidOptionError(whyNotLoaded(specifier, target, cause));
  }
  return { specifier, connect: connectorOf(specifier, module), queues: queuesOf(specifier, module) };
}

/** The queues of a worker and of its slots, each with the options of the module and of the command. */
export class SlotQueues implements SlotsApp {
  readonly driver: Driver;
  readonly #module: SlotsModule;
  readonly #signals: SignalDispatcher;
  readonly #options: QueueOptions;
  readonly #queues = new Map<string, Queue>();

  /** @param options those of the command, for every queue */
  constructor(driver: Driver, module: SlotsModule, signals: SignalDispatcher, options: QueueOptions) {
    this.driver = driver;
    this.#module = module;
    this.#signals = signals;
    this.#options = options;
  }

  /** The same queue each time, unless it is given options. @throws InvalidOptionError */
  queue(name: string, options?: QueueOptions): Queue {
    const known = options === undefined ? this.#queues.get(name) : undefined;
    if (known !== undefined) return known;
    const { queues } = this.#module;
    const ofModule = Object.hasOwn(queues, name) ? queues[name] : undefined;
    const queue = new Queue(this.driver, name, { signals: this.#signals, ...ofModule, ...this.#options, ...options });
    if (options === undefined) this.#queues.set(name, queue);
    return queue;
  }
}

/**
 * Calls the default export.
 * @returns what it has returned, to be called at the end; undefined for nothing
 * @throws CommandFailedError, InvalidOptionError
 */
export async function connectSlots(
  { specifier, connect }: SlotsModule,
  signals: SignalDispatcher,
  app: SlotsApp,
): Promise<EndSlots | undefined> {
  let end: unknown;
  try {
    end = await connect(signals, { driver: app.driver, queue: (name, options) => app.queue(name, options) });
  } catch (cause) {
    debug('%s: %O', specifier, cause);
    throw new CommandFailedError(
      'SLOTS_FAILED',
      `cannot connect the slots of ${specifier}: its default export failed: ${describeError(cause)}`,
      { cause },
    );
  }
  if (end !== undefined && end !== null && typeof end !== 'function') {
    throw new InvalidOptionError(
      `what the default export of ${specifier} returns must be nothing, or a function that is called at the end, got ${preview(end)}`,
    );
  }
  if (signals.hasSlots) return (end ?? undefined) as EndSlots | undefined;
  throw new InvalidOptionError(
    `cannot use ${specifier}: it connects no slot, and every message would be buried as unhandled`,
  );
}

/**
 * Calls what the default export has returned, and waits for it at most so long.
 * @throws CommandFailedError
 */
export async function endSlots({ specifier }: SlotsModule, end: EndSlots, maxMs: number): Promise<void> {
  const failed = (why: string, cause?: unknown): CommandFailedError =>
    new CommandFailedError(
      'SLOTS_FAILED',
      `cannot end the slots of ${specifier}: the function that its default export has returned ${why}`,
      cause === undefined ? undefined : { cause },
    );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failed(`has not ended after ${formatDuration(maxMs)} (--grace)`)), maxMs);
  });
  const ended = (async () => end())().catch((cause: unknown) => {
    debug('%s: %O', specifier, cause);
    throw failed(`failed: ${describeError(cause)}`, cause);
  });
  try {
    await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The URL of a file, or the name of what a package exports. */
function locate(specifier: string): string {
  if (specifier.startsWith('file:')) return specifier;
  const path = resolve(specifier);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) return pathToFileURL(path).href;
  if (!found && PACKAGE_NAME.test(specifier)) return specifier;
  const what = found ? 'a folder, not a file' : `not there (${path})`;
  throw new InvalidOptionError(`cannot load the slots module ${specifier}: it is ${what}${similarTo(specifier)}`);
}

/** A file that may have been meant: import() adds no extension. */
function similarTo(specifier: string): string {
  const ends = EXTENSIONS.flatMap((extension) => [extension, `/index${extension}`]);
  const path = specifier.endsWith('/') ? specifier.slice(0, -1) : specifier;
  const end = ends.find((candidate) => existsSync(resolve(path + candidate)));
  return end === undefined ? '' : `; there is ${path}${end}`;
}

/** What stands for the module that imports the slots: in the working directory, so that a package is one of the user's. */
function importer(): string {
  return join(process.cwd(), 'haricot-work.cjs');
}

/** `import()`, as a module in the working directory would call it. */
function importFromHere(target: string): Promise<Record<string, unknown>> {
  const module = new Module(importer()) as Module & { _compile(code: string, file: string): void };
  module._compile('module.exports = (target) => import(target)', importer());
  return (module.exports as (target: string) => Promise<Record<string, unknown>>)(target);
}

function connectorOf(specifier: string, module: Record<string, unknown>): ConnectSlots {
  const found = defaultOf(module);
  if (typeof found === 'function') return found as ConnectSlots;
  const names = Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports');
  const others = names.length > 0 ? `; it exports ${names.join(', ')}` : '';
  throw new InvalidOptionError(
    `the default export of ${specifier} must be a function (signals, app) => void, got ${kindOf(found)}${others}`,
  );
}

/** A compiler that turns `export default` into CommonJS leaves it one level deeper. */
function defaultOf({ default: found }: Record<string, unknown>): unknown {
  return isCompiled(found) ? found['default'] : found;
}

function isCompiled(found: unknown): found is Record<string, unknown> {
  return typeof found === 'object' && found !== null && '__esModule' in found;
}

/** The export `queues`: of an ES module, of what a compiler makes of one, or of a CommonJS module. */
function queuesOf(specifier: string, module: Record<string, unknown>): SlotsModule['queues'] {
  const holders = [module, module['default']] as readonly (Record<string, unknown> | undefined)[];
  const [queues = {}] = holders.map((holder) => holder?.['queues']).filter((found) => found !== undefined);
  const wrong = (what: string, rule: string, got: unknown): InvalidOptionError =>
    new InvalidOptionError(`${what} of ${specifier} must be ${rule}, got ${preview(got)}`);
  if (typeof queues !== 'object' || queues === null || Array.isArray(queues)) {
    throw wrong('the export queues', 'an object of options by the names of queues', queues);
  }
  for (const [name, options] of Object.entries(queues)) {
    if (typeof options !== 'object' || options === null) {
      throw wrong(`queues[${preview(name)}]`, 'an object such as { codec, type }', options);
    }
  }
  return queues as SlotsModule['queues'];
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  return value === null ? 'null' : typeof value;
}

function whyNotLoaded(specifier: string, target: string, error: unknown): string {
  const description = describeError(error);
  const asked = ` imported from ${importer()}`;
  if (description.startsWith('Cannot find package') && description.includes(asked)) {
    return `cannot load the slots module ${specifier}: it is not there, neither as a file nor as a package${similarTo(specifier)}`;
  }
  const reason = `${description.replace(asked, '')}${placeOf(error, target)}${typeScriptHint(error)}`;
  return `cannot load the slots module ${specifier}: ${reason}`;
}

/** Where a syntax error is: Node writes that in front of the stack, but not for an ES module that cannot be parsed. */
function placeOf(error: unknown, target: string): string {
  if (!(error instanceof Error) || error.name !== 'SyntaxError') return '';
  const { stack = '' } = error;
  // One of JSON.parse, for example, came up when the module ran, and its stack tells where.
  const parsing = /^SyntaxError: .*\n\s+at .*node:internal/.test(stack);
  const place = parsing ? placeOfSyntaxError(target, error.message) : placeIn(stack);
  return place === undefined ? '' : `, at ${place}`;
}

const WITH_LOADER = 'use a loader: NODE_OPTIONS="--import tsx" haricot work …';

function typeScriptHint(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if (/Unknown file extension "\.[cm]?ts"|ERR_UNSUPPORTED_TYPESCRIPT/.test(String(error.stack))) {
    return ` (compile TypeScript first, or ${WITH_LOADER})`;
  }
  const source = typeScriptFor(error);
  if (source === undefined) return '';
  return ` (there is ${source}: Node itself takes a name as it is written, so import that, or ${WITH_LOADER})`;
}

/** The file that an import of `./messages.js` means in TypeScript, where Node has not found `messages.js`. */
function typeScriptFor(error: Error & { readonly code?: unknown; readonly url?: unknown }): string | undefined {
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || typeof error.url !== 'string' || !error.url.startsWith('file:')) return;
  const path = fileURLToPath(error.url);
  const source = path.replace(/\.([cm]?)js$/, '.$1ts');
  return source !== path && existsSync(source) ? basename(source) : undefined;
}
