import { isUtf8 } from 'node:buffer';
import { type Command, Option } from 'commander';
import type { Driver, PeekState, StoredMessage } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import type { Message } from '../queue/message.js';
import type { Queue } from '../queue/queue.js';
import { escapeText, preview, truncate } from '../shared/text.js';
import { countIn, refuseMoreArguments } from './arguments.js';
import { painter } from './colour.js';
import { onQueue, statsOf } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { parseCount } from './options.js';
import { note, type Output, print } from './output.js';
import { type Column, table } from './table.js';
import { formatDate, formatDuration, oneLine } from './text.js';

const STATES: readonly PeekState[] = ['ready', 'delayed', 'buried'];
const DEFAULT_LIMIT = 10;
/** Of data, where nothing tells how wide the terminal is. */
const DATA_WIDTH = 60;
const TYPE_WIDTH = 40;
/** No terminal is wider: of longer data the rest is not looked at. */
const ENOUGH = 2000;

interface PeekCommandOptions extends GlobalOptions {
  readonly state: PeekState;
  readonly limit?: number;
}

/** A message at rest, and what could be read of it. */
interface Peeked {
  readonly stored: StoredMessage;
  readonly message: Message | undefined;
}

export function definePeek(command: Command, output: Output): void {
  command
    .description('Shows messages that wait in a queue, the next to be delivered first, and leaves them where they are.')
    .argument('<queue>', 'the queue')
    .addOption(new Option('--state <state>', 'which messages').choices(STATES).default('ready'))
    .option(
      '--limit <n>',
      `how many at most (default: ${DEFAULT_LIMIT}, or 1 where the engine shows only the first, as beanstalkd does)`,
      parseCount,
    )
    .allowExcessArguments()
    .addHelpText('after', '\nExample:\n  haricot peek mail --state buried --limit 5')
    .action(async (name: string) => {
      refuseMoreArguments(command, (extra) => {
        const usage = `haricot peek <queue> --limit ${countIn(extra)}`;
        return `peek takes no count as an argument, got ${preview(extra)}: ${usage}`;
      });
      const { json = false, state, limit, ...global } = command.optsWithGlobals<PeekCommandOptions>();
      const { found, pausedUntil } = await onQueue(global, name, async (queue) => {
        // Before anything else: for beanstalkd, a queue that one looks into is there.
        const { pausedUntil } = await statsOf(queue);
        const stored = await queue.peek(state, limitOn(queue.driver, limit));
        return { pausedUntil, found: stored.map((one) => ({ stored: one, message: read(queue, one) })) };
      });
      if (json) for (const peeked of found) print(output, true, '', recordOf(name, peeked));
      else if (found.length === 0) print(output, false, `no ${state} messages in "${name}"`, {});
      else show(output, found);
      if (pausedUntil !== null) note(output, json, `"${name}" is paused until ${formatDate(pausedUntil)}`);
    });
}

function limitOn({ capabilities: { peekMany } }: Driver, limit = peekMany ? DEFAULT_LIMIT : 1): number {
  if (peekMany || limit <= 1) return limit;
  throw new InvalidOptionError(
    `--limit must be at most 1, got ${limit}: this engine shows only the first message of a state`,
  );
}

function read(queue: Queue, stored: StoredMessage): Message | undefined {
  try {
    return queue.decode(stored);
  } catch {
    return undefined;
  }
}

/** As a table, each message's reason below it. */
function show({ stdout }: Output, found: readonly Peeked[]): void {
  const width = stdout.isTTY ? (stdout.columns ?? DATA_WIDTH) : undefined;
  const columns: readonly Column<Peeked>[] = [
    { title: 'ID', cell: ({ stored }) => stored.id },
    { title: 'TYPE', cell: ({ message }) => oneLine(message?.type ?? '(unreadable)', TYPE_WIDTH) },
    { title: 'AGE', cell: ({ message }) => ageOf(message), right: true },
    { title: 'DATA', cell: (peeked) => truncate(dataOf(peeked), width ?? DATA_WIDTH) },
  ];
  const paint = painter(stdout);
  const [titles = '', ...lines] = table(columns, found, paint);
  stdout.write(`${titles}\n`);
  found.forEach(({ stored: { failure } }, index) => {
    const line = lines[index] ?? '';
    stdout.write(`${width === undefined ? line : truncate(line, width)}\n`);
    if (failure !== undefined) stdout.write(`${paint('red', `  buried: ${oneLine(failure.message, ENOUGH)}`)}\n`);
  });
}

/** Since it was published, where it tells when that was. */
function ageOf(message: Message | undefined): string {
  const time = message?.time.getTime() ?? 0;
  return time === 0 ? '-' : formatDuration(Math.max(0, Date.now() - time));
}

function dataOf({ stored: { body }, message }: Peeked): string {
  if (message === undefined) return isUtf8(body) ? oneLine(body.toString('utf8', 0, ENOUGH), ENOUGH) : bytes(body);
  if (message.data instanceof Uint8Array) return bytes(message.data);
  const written = jsonOf(message.data);
  return written === undefined ? TOO_DEEP : escapeText(truncate(written, ENOUGH));
}

const TOO_DEEP = '(nested too deeply to be shown)';

/** More levels are not shown: writing them overflows the stack, of this program or of the one that reads the output. */
const MAX_LEVELS = 1000;

function isTooDeep(data: unknown): boolean {
  let level: unknown[] = [data];
  for (let levels = 0; level.length > 0; levels++) {
    if (levels > MAX_LEVELS) return true;
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  return false;
}

/** The data as JSON, where it can be written. */
function jsonOf(data: unknown): string | undefined {
  if (isTooDeep(data)) return undefined;
  try {
    return JSON.stringify(data) ?? '';
  } catch {
    return undefined;
  }
}

function dataRecord(data: unknown): object {
  if (data instanceof Uint8Array) return {};
  return jsonOf(data) === undefined ? { dataError: TOO_DEEP } : { data };
}

function bytes({ length }: Uint8Array): string {
  return `(${length} bytes)`;
}

/** Everything, the body to the byte. */
function recordOf(queue: string, { stored: { id, state, body, failure }, message }: Peeked): object {
  return {
    queue,
    state,
    id,
    ...(failure !== undefined && { failure }),
    ...(message && {
      type: message.type,
      messageId: message.id,
      source: message.source,
      headers: message.headers,
      ...(message.time.getTime() !== 0 && { time: message.time }),
      ...dataRecord(message.data),
    }),
    ...(isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') }),
  };
}
