// Which messages a command is about: those that are named, some, or all.
import { type Command, Option } from 'commander';
import type { StoredMessage } from '../queue/driver.js';
import type { Queue } from '../queue/queue.js';
import { escapeText } from '../shared/text.js';
import { statsOf } from './engine.js';
import { CommandFailedError, codeOf, UsageError } from './errors.js';
import { type CodecOptions, parseCount } from './options.js';
import type { Progress } from './output/terminal-line.js';
import { describeError, oneLine } from './output/text.js';

/** How many messages one call to the engine changes: it is blocked for moments only. */
const CHUNK = 1000;

/** Of how many messages an error says why nothing was done. */
const REASONS_SHOWN = 5;

const ID_WIDTH = 60;

export interface SelectionOptions extends CodecOptions {
  readonly all?: boolean;
  readonly limit?: number;
  readonly reason?: string;
}

export type Selected = { readonly ids: readonly string[] } | SelectedMany;

export interface SelectedMany {
  /** Infinite for all of them. */
  readonly limit: number;
  readonly type?: string | undefined;
  readonly reason?: string | undefined;
}

/** Adds `[id...]`, `--all` and `--limit`. @param kind such as `buried` @param order which a limit takes: `those due first` */
export function addSelection(command: Command, kind: string, order: string): void {
  command
    .argument('[id...]', 'the ids of messages, as publish prints them')
    .addOption(new Option('--all', `every ${kind} message`).conflicts('limit'))
    .option('--limit <n>', `at most this number of ${kind} messages, ${order}`, parseCount);
}

/** Adds `--type` and `--reason`. */
export function addFilter(command: Command): void {
  command
    .option('--type <type>', 'only messages of this type')
    .option(
      '--reason <reason>',
      'only messages with this reason: attempts, unhandled, invalid, undecodable, unrecoverable',
    );
}

/** ` of type "order.placed" with reason "invalid"`, or nothing. */
export function described({ type, reason }: Pick<SelectedMany, 'type' | 'reason'>): string {
  const ofType = type === undefined ? '' : ` of type "${type}"`;
  return reason === undefined ? ofType : `${ofType} with reason "${reason}"`;
}

/** @throws UsageError where it is not clear which messages are meant */
export function selectionOf(verb: string, ids: readonly string[], options: SelectionOptions): Selected {
  const { all = false, limit, type, reason, codec } = options;
  if (ids.length === 0) {
    if (all || limit !== undefined) return { limit: limit ?? Number.POSITIVE_INFINITY, type, reason };
    throw new UsageError(`the messages to ${verb} must be given by ids, --limit <n> or --all, got none of them`);
  }
  const others = { all: all || undefined, limit, reason, type: codec === undefined ? type : undefined };
  refuseTogether('ids', others, 'they name the messages');
  return { ids };
}

/** @throws UsageError for an option that was given although it says nothing together with `what` */
export function refuseTogether(what: string, options: Readonly<Record<string, unknown>>, why: string): void {
  for (const [option, value] of Object.entries(options)) {
    if (value !== undefined) throw new UsageError(`cannot use --${option} together with ${what}: ${why}`);
  }
}

export interface ById {
  /** In an error: `cannot <verb> messages of "mail"`. */
  readonly verb: string;
  /** @returns whether it was done, having told so */
  readonly act: (id: string) => Promise<boolean>;
  /** Why it was not done with a message that is there: `is ready, not buried`. */
  readonly why: (stored: StoredMessage) => string;
}

/**
 * Does something with each message that is named.
 * @throws CommandFailedError that names those with which it could not be done
 */
export async function forEachId(queue: Queue, ids: readonly string[], { verb, act, why }: ById): Promise<void> {
  /** Those with which it was not done, and what was wrong with their ids. */
  const failed: { readonly id: string; readonly error?: unknown }[] = [];
  let done = 0;
  for (const id of new Set(ids)) {
    try {
      if (await act(id)) done++;
      else failed.push({ id });
    } catch (error) {
      // Where nothing was done, it is wrong usage.
      if (codeOf(error) !== 'INVALID_OPTION' || done + failed.length === 0) throw error;
      failed.push({ id, error });
    }
  }
  if (failed.length === 0) return;
  await statsOf(queue);
  const reasons: string[] = [];
  for (const { id, error } of failed.slice(0, REASONS_SHOWN)) {
    const reason = error === undefined ? ` ${await whyNot(queue, id, why)}` : `: ${describeError(error)}`;
    reasons.push(oneLine(id, ID_WIDTH) + reason);
  }
  const more = failed.length - reasons.length;
  const told = `${reasons.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  throw new CommandFailedError('NOT_FOUND', `cannot ${verb} messages of "${escapeText(queue.name)}": ${told}`);
}

async function whyNot(queue: Queue, id: string, why: ById['why']): Promise<string> {
  const stored = await queue.find(id);
  return stored === null ? 'is not there' : why(stored);
}

/** What a state says of a message that was to be in another one. */
export function isNot(state: string): (stored: StoredMessage) => string {
  return (stored) => `is ${stored.state}, not ${state}`;
}

/**
 * Changes up to `limit` messages of a state, at most as many as there are when it begins: what comes meanwhile is not meant.
 * @param step changes up to so many @returns how many
 */
export async function inChunks(
  queue: Queue,
  state: 'buried' | 'delayed',
  { limit, progress, done }: { readonly limit: number; readonly progress: Progress; readonly done: string },
  step: (limit: number) => Promise<number>,
): Promise<number> {
  const goal = Math.min(limit, (await statsOf(queue))[state]);
  let count = 0;
  try {
    while (count < goal) {
      const asked = Math.min(CHUNK, goal - count);
      const changed = await step(asked);
      count += changed;
      progress.show(`${done} ${count} of ${goal}`);
      if (changed < asked) break;
    }
  } finally {
    progress.end();
  }
  return count;
}
