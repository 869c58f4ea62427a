import { type Command, Option } from 'commander';
import type { MessageState } from '../queue/capabilities.js';
import type { StoredMessage } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import type { Queue } from '../queue/queue.js';
import { onQueue, statsOf } from './engine.js';
import { CommandFailedError } from './errors.js';
import { addCodec, type CodecOptions, type GlobalOptions, parseCount } from './options.js';
import {
  ageOf,
  dataLine,
  errorOf,
  ID_COLUMN,
  printMessages,
  printWhole,
  type ReadMessage,
  readMessage,
  recordOf,
  TYPE_COLUMN,
} from './output/message.js';
import { note, type Output, print, printRecords } from './output/output.js';
import type { Column } from './output/table.js';
import { formatDate } from './output/text.js';
import { collect, DEFAULT_LIMIT, limitOf, nothing } from './pages.js';
import { refuseTogether } from './selection.js';

const STATES: readonly MessageState[] = ['ready', 'delayed', 'reserved', 'buried'];

interface PeekCommandOptions extends GlobalOptions, CodecOptions {
  readonly state?: MessageState;
  readonly limit?: number;
  readonly all?: boolean;
}

const COLUMNS: readonly Column<ReadMessage>[] = [
  ID_COLUMN,
  TYPE_COLUMN,
  { title: 'AGE', cell: ageOf, right: true },
  { title: 'DATA', cell: dataLine },
];

export function definePeek(command: Command, output: Output): void {
  command
    .description(
      'Shows the messages of a queue in one state, the next to be delivered first, without reserving them. With an id it ' +
        'shows the whole of one message, whatever its state.',
    )
    .argument('<queue>', 'the queue')
    .argument('[id]', 'the id of a message, as publish prints it')
    .addOption(new Option('--state <state>', 'which messages (default: ready)').choices(STATES))
    .option(
      '--limit <n>',
      `how many at most (default: ${DEFAULT_LIMIT}, or 1 where the engine shows only the first, as beanstalkd does)`,
      parseCount,
    )
    .addOption(new Option('--all', 'every message of the state').conflicts('limit'));
  addCodec(command, 'the type of all messages, where the codec is json or raw');
  command
    .addHelpText('after', '\nExamples:\n  haricot peek mail --state delayed --limit 5\n  haricot peek mail 42')
    .action(async (name: string, id: string | undefined) => {
      const options = command.optsWithGlobals<PeekCommandOptions>();
      if (id !== undefined) {
        const { state, all, limit } = options;
        refuseTogether('an id', { state, all, limit }, 'it shows one message, whatever its state');
        await onQueue(options, name, (queue) => printOne(output, options.json === true, queue, id));
      } else await list(output, name, options);
    });
}

async function list(output: Output, name: string, options: PeekCommandOptions): Promise<void> {
  const { json = false, state = 'ready' } = options;
  const { found, pausedUntil } = await onQueue(options, name, async (queue) => {
    // First of all: on beanstalkd a queue exists while one looks into it.
    const { pausedUntil } = await statsOf(queue);
    const stored = await collect(limitOn(queue, state, options), (page) => queue.list({ state, ...page }));
    return { pausedUntil, found: stored.messages.map((one) => readMessage(queue, one)) };
  });
  if (json) printRecords(output, found.map(recordOf));
  else if (found.length === 0) print(output, false, nothing(options, `no ${state} messages in "${name}"`), {});
  else {
    printMessages(output, COLUMNS, found, ({ stored: { failure } }, paint) =>
      failure === undefined
        ? undefined
        : paint('red', `  ${state === 'buried' ? 'buried' : 'failed'}: ${errorOf(failure)}`),
    );
  }
  if (pausedUntil !== null) note(output, json, `"${name}" is paused until ${formatDate(pausedUntil)}`);
}

/** Shows the whole of a message. @param check refuses to show it @throws CommandFailedError where there is none */
export async function printOne(
  output: Output,
  json: boolean,
  queue: Queue,
  id: string,
  check: (queue: Queue, stored: StoredMessage) => void = () => {},
): Promise<void> {
  const stored = await queue.find(id);
  if (stored === null) {
    await statsOf(queue);
    throw new CommandFailedError('NOT_FOUND', `cannot show message ${id} of "${queue.name}": it is not there`);
  }
  check(queue, stored);
  const read = readMessage(queue, stored);
  if (json) printRecords(output, [recordOf(read)]);
  else printWhole(output, read);
}

/** @throws InvalidOptionError where the engine shows less */
function limitOn({ driver }: Queue, state: MessageState, options: PeekCommandOptions): number {
  const shows = driver.capabilities.list[state];
  if (shows === 'none') {
    throw new InvalidOptionError(
      `--state must be a state whose messages this engine can show, got "${state}"; haricot peek <queue> <id> shows one by its id`,
    );
  }
  const limit = options.limit ?? (shows === 'first' && !options.all ? 1 : limitOf(options));
  if (shows === 'any' || limit <= 1) return limit;
  throw new InvalidOptionError(
    `${options.all ? '--all' : '--limit'} must be at most 1 for ${state} messages, got ${options.all ? 'all' : limit}: this engine shows only the first of them`,
  );
}
