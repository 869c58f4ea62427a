import { isUtf8 } from 'node:buffer';
import { type Command, Option } from 'commander';
import type { Driver, PeekState, StoredMessage } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import type { Message } from '../queue/message.js';
import type { Queue } from '../queue/queue.js';
import { painter } from './colour.js';
import { onQueue } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { parseCount } from './options.js';
import { type Output, print } from './output.js';
import { type Column, table } from './table.js';
import { printable, shorten, spoken } from './text.js';

const STATES: readonly PeekState[] = ['ready', 'delayed', 'buried'];
const DEFAULT_LIMIT = 10;
/** Of data, where nothing tells how wide the terminal is. */
const DATA_WIDTH = 60;
const TYPE_WIDTH = 40;
/** Nobody has a wider terminal: of longer data the rest need not be made printable. */
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
    .addHelpText('after', '\nExample:\n  haricot peek mail --state buried --limit 5')
    .action(async (name: string) => {
      const { json = false, state, limit, ...global } = command.optsWithGlobals<PeekCommandOptions>();
      const found = await onQueue(global, name, async (queue) => {
        const stored = await queue.peek(state, limitOn(queue.driver, limit));
        return stored.map((one) => ({ stored: one, message: read(queue, one) }));
      });
      if (json) for (const peeked of found) print(output, true, '', recordOf(name, peeked));
      else if (found.length === 0) print(output, false, `no ${state} messages in "${name}"`, {});
      else show(output, found);
    });
}

function limitOn({ capabilities: { peekMany } }: Driver, limit = peekMany ? DEFAULT_LIMIT : 1): number {
  if (peekMany || limit <= 1) return limit;
  throw new InvalidOptionError(
    `this engine shows only the first message of a state: --limit is at most 1, got ${limit}`,
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
    { title: 'TYPE', cell: ({ message }) => shorten(printable(message?.type ?? '(unreadable)'), TYPE_WIDTH) },
    { title: 'AGE', cell: ({ message }) => ageOf(message), right: true },
    { title: 'DATA', cell: (peeked) => shorten(dataOf(peeked), width ?? DATA_WIDTH) },
  ];
  const paint = painter(stdout);
  const [titles = '', ...lines] = table(columns, found, paint);
  stdout.write(`${titles}\n`);
  found.forEach(({ stored: { failure } }, index) => {
    const line = lines[index] ?? '';
    stdout.write(`${width === undefined ? line : shorten(line, width)}\n`);
    if (failure !== undefined) stdout.write(`${paint('red', `  buried: ${printable(failure.message)}`)}\n`);
  });
}

/** Since it was published, where it tells when that was. */
function ageOf(message: Message | undefined): string {
  const time = message?.time.getTime() ?? 0;
  return time === 0 ? '-' : spoken(Math.max(0, Date.now() - time));
}

function dataOf({ stored: { body }, message }: Peeked): string {
  if (message === undefined) return isUtf8(body) ? printable(body.toString('utf8', 0, ENOUGH)) : bytes(body);
  return message.data instanceof Uint8Array
    ? bytes(message.data)
    : printable(JSON.stringify(message.data)?.slice(0, ENOUGH) ?? '');
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
      ...(!(message.data instanceof Uint8Array) && { data: message.data }),
    }),
    ...(isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') }),
  };
}
