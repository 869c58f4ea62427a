import { type Command, Option } from 'commander';
import type { StoredMessage } from '../queue/driver.js';
import type { Queue } from '../queue/queue.js';
import { onQueue, statsOf } from './engine.js';
import { CommandFailedError } from './errors.js';
import { addCodec, type GlobalOptions, parseCount } from './options.js';
import type { Paint } from './output/colour.js';
import {
  errorOf,
  ID_COLUMN,
  printMessages,
  type ReadMessage,
  readMessage,
  recordOf,
  TYPE_COLUMN,
} from './output/message.js';
import { note, type Output, print, printRecords } from './output/output.js';
import type { Column } from './output/table.js';
import { formatDate, oneLine } from './output/text.js';
import { collect, DEFAULT_LIMIT, limitOf, nothing } from './pages.js';
import { printOne } from './peek.js';
import { addFilter, described, refuseTogether, type SelectionOptions } from './selection.js';

type FailedCommandOptions = GlobalOptions & SelectionOptions;

const COLUMNS: readonly Column<ReadMessage>[] = [
  ID_COLUMN,
  TYPE_COLUMN,
  { title: 'FAILED', cell: ({ stored: { failure } }) => (failure?.at.getTime() ? formatDate(failure.at) : '-') },
  { title: 'ATTEMPTS', cell: ({ stored: { attempts } }) => attempts?.toString() ?? '-', right: true },
  { title: 'REASON', cell: ({ stored: { failure } }) => oneLine(failure?.reason ?? '-') },
];

export function defineFailed(command: Command, output: Output): void {
  command
    .description(
      'Lists the buried messages of a queue and why they failed, the one buried first at the beginning. With an id it ' +
        'shows the whole of one message: data, headers, and the error with its stack and its causes.',
    )
    .argument('<queue>', 'the queue')
    .argument('[id]', 'the id of a message');
  addFilter(command);
  command
    .option('--limit <n>', `how many at most (default: ${DEFAULT_LIMIT})`, parseCount)
    .addOption(new Option('--all', 'every one').conflicts('limit'));
  addCodec(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  haricot failed orders --type order.placed --reason invalid\n  haricot failed orders 42',
    )
    .action(async (name: string, id: string | undefined) => {
      const options = command.optsWithGlobals<FailedCommandOptions>();
      if (id === undefined) await list(output, name, options);
      else await showOne(output, name, id, options);
    });
}

async function list(output: Output, name: string, options: FailedCommandOptions): Promise<void> {
  const { json = false, type, reason } = options;
  const { found, more } = await onQueue(options, name, async (queue) => {
    const { buried } = await statsOf(queue);
    const { messages, isEnd } = await collect(limitOf(options), (page) => queue.failed({ type, reason, ...page }));
    const found = messages.map((one) => readMessage(queue, one));
    const isFiltered = type !== undefined || reason !== undefined;
    if (limitOf(options) === 0) return { found, more: undefined };
    if (!isEnd)
      return { found, more: `there are more${isFiltered ? '' : `, ${buried} in all`}: see --limit and --all` };
    return { found, more: isFiltered ? undefined : unrecorded(queue, messages, buried) };
  });
  if (json) printRecords(output, found.map(recordOf));
  else if (found.length > 0) printMessages(output, COLUMNS, found, errorLine);
  else print(output, false, nothing(options, `no message${described(options)} is buried in "${name}"`), {});
  if (more !== undefined) note(output, json, more);
}

/** Below each message, where there is room for it. */
function errorLine({ stored: { failure } }: ReadMessage, paint: Paint): string | undefined {
  return failure === undefined ? undefined : paint('red', `  ${errorOf(failure)}`);
}

/** Where the engine knows only those that its driver has buried: how many others there are. */
function unrecorded({ driver }: Queue, messages: readonly StoredMessage[], buried: number): string | undefined {
  const recorded = messages.filter(({ failure }) => failure !== undefined).length;
  if (driver.capabilities.failures !== 'buried' || buried <= recorded) return undefined;
  const shown = messages.length > recorded ? ', the first of them shown' : '';
  return `${buried - recorded} buried by other programs${shown}`;
}

async function showOne(output: Output, name: string, id: string, options: FailedCommandOptions): Promise<void> {
  const { all, limit, reason, codec } = options;
  // With a codec, the type is that of the queue.
  const type = codec === undefined ? options.type : undefined;
  refuseTogether('an id', { all, limit, reason, type }, 'it shows one message');
  await onQueue(options, name, (queue) => printOne(output, options.json === true, queue, id, checkBuried));
}

/** @throws CommandFailedError */
function checkBuried({ name }: Queue, { jobId, state }: StoredMessage): void {
  if (state === 'buried') return;
  throw new CommandFailedError(
    'NOT_FOUND',
    `cannot show the failure of message ${jobId} of "${name}": it is ${state}, not buried; haricot peek ${name} ${jobId} shows it`,
  );
}
