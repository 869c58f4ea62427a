import type { Command } from 'commander';
import type { Queue } from '../queue/queue.js';
import { onQueue, statsOf } from './engine.js';
import { UsageError } from './errors.js';
import { addCodec, type GlobalOptions } from './options.js';
import { type Output, print } from './output/output.js';
import { Progress } from './output/terminal-line.js';
import { describeError, pluralize } from './output/text.js';
import {
  addFilter,
  addSelection,
  described,
  forEachId,
  inChunks,
  isNot,
  type SelectedMany,
  type SelectionOptions,
  selectionOf,
} from './selection.js';

interface RetryCommandOptions extends GlobalOptions, SelectionOptions {
  readonly data?: string;
}

export function defineRetry(command: Command, output: Output): void {
  command
    .description(
      'Makes buried messages ready again, the one buried first at the beginning, with as many attempts as new ones. ' +
        'Messages in other states stay as they are.',
    )
    .argument('<queue>', 'the queue');
  addSelection(command, 'buried', 'those buried first');
  addFilter(command);
  command.option('--data <json>', 'replaces the data of the one message whose id is given');
  addCodec(command);
  command
    .addHelpText(
      'after',
      `
Examples:
  haricot retry orders 42
  haricot retry orders 42 --data '{"id":7,"qty":1}'
  haricot retry orders --all --type order.placed --reason invalid`,
    )
    .action(async (name: string, ids: string[]) => {
      const options = command.optsWithGlobals<RetryCommandOptions>();
      const { json = false, data } = options;
      const selected = selectionOf('retry', ids, options);
      const edit = data === undefined ? {} : { data: parseData(data) };
      if (data !== undefined && ids.length !== 1) {
        throw new UsageError(`--data must be given with one id, got ${ids.length}`);
      }
      if ('ids' in selected) {
        await onQueue(options, name, (queue) => retryById(output, json, queue, selected.ids, edit));
      } else {
        const retried = await onQueue(options, name, (queue) => retryMany(queue, selected, new Progress(output, json)));
        print(output, json, said(name, retried, selected), { queue: name, retried });
      }
    });
}

async function retryById(
  output: Output,
  json: boolean,
  queue: Queue,
  ids: readonly string[],
  edit: { readonly data?: unknown },
): Promise<void> {
  await forEachId(queue, ids, {
    verb: 'retry',
    act: async (id) => {
      if ((await queue.retry({ ids: [id], ...edit })) === 0) return false;
      const text = `message ${id} is ready${'data' in edit ? ' with its new data' : ''}`;
      print(output, json, text, { queue: queue.name, jobId: id, retried: true });
      return true;
    },
    why: isNot('buried'),
  });
}

async function retryMany(queue: Queue, selected: SelectedMany, progress: Progress): Promise<number> {
  const { limit, type, reason } = selected;
  if (type === undefined && reason === undefined) {
    return inChunks(queue, 'buried', { limit, progress, done: 'retried' }, (chunk) => queue.retry({ limit: chunk }));
  }
  const { buried } = await statsOf(queue);
  return progress.during(
    () => queue.retry({ type, reason, limit: Math.min(limit, buried) }),
    async () => `retried ${buried - (await statsOf(queue)).buried} of at most ${buried}`,
  );
}

function said(name: string, retried: number, selected: SelectedMany): string {
  if (retried > 0) return `${pluralize(retried, 'buried message')} ${retried === 1 ? 'is' : 'are'} ready now`;
  if (selected.limit === 0) return 'nothing to do: --limit is 0';
  return `nothing to retry in "${name}": no message${described(selected)} is buried`;
}

function parseData(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`--data must be JSON, got something else: ${describeError(cause)}`);
  }
}
