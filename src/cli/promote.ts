import type { Command } from 'commander';
import { onQueue } from './engine.js';
import type { GlobalOptions } from './options.js';
import { type Output, print } from './output/output.js';
import { Progress } from './output/terminal-line.js';
import { pluralize } from './output/text.js';
import { addSelection, forEachId, inChunks, isNot, type SelectionOptions, selectionOf } from './selection.js';

export function definePromote(command: Command, output: Output): void {
  command
    .description('Makes delayed messages ready now, the next one due first. Messages in other states stay as they are.')
    .argument('<queue>', 'the queue');
  addSelection(command, 'delayed', 'those due first');
  command
    .addHelpText('after', '\nExamples:\n  haricot promote mail 42 43\n  haricot promote mail --limit 10')
    .action(async (name: string, ids: string[]) => {
      const { json = false, ...options } = command.optsWithGlobals<GlobalOptions & SelectionOptions>();
      const selected = selectionOf('promote', ids, options);
      if ('ids' in selected) {
        await onQueue(options, name, (queue) =>
          forEachId(queue, selected.ids, {
            verb: 'promote',
            act: async (id) => {
              if ((await queue.promote({ ids: [id] })) === 0) return false;
              print(output, json, `message ${id} is ready`, { queue: name, jobId: id, promoted: true });
              return true;
            },
            why: isNot('delayed'),
          }),
        );
        return;
      }
      const { limit } = selected;
      const progress = new Progress(output, json);
      const promoted = await onQueue(options, name, (queue) =>
        inChunks(queue, 'delayed', { limit, progress, done: 'promoted' }, (chunk) => queue.promote({ limit: chunk })),
      );
      print(output, json, said(name, promoted, limit), { queue: name, promoted });
    });
}

function said(name: string, promoted: number, limit: number): string {
  if (promoted > 0) return `${pluralize(promoted, 'delayed message')} ${promoted === 1 ? 'is' : 'are'} ready now`;
  return limit === 0 ? 'nothing to do: --limit is 0' : `nothing to promote in "${name}": no message is delayed`;
}
