import type { Command } from 'commander';
import { onQueue } from './engine.js';
import type { GlobalOptions } from './options.js';
import { type Output, print } from './output/output.js';
import { forEachId } from './selection.js';

export function defineDelete(command: Command, output: Output): void {
  command
    .description(
      'Removes messages for good. One that a worker holds is removed where the engine can: its slots are told to stop.',
    )
    .argument('<queue>', 'the queue')
    .argument('<id...>', 'the ids of messages, as publish prints them')
    .addHelpText(
      'after',
      '\nExamples:\n  haricot delete mail 42\n  haricot delete mail 42 43\n' +
        '\nharicot flush removes all messages of a queue, or all in one state.',
    )
    .action(async (name: string, ids: string[]) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      await onQueue(global, name, (queue) =>
        forEachId(queue, ids, {
          verb: 'delete',
          act: async (id) => {
            if ((await queue.delete(id)) === 0) return false;
            print(output, json, `message ${id} is deleted`, { queue: name, jobId: id, deleted: true });
            return true;
          },
          why: ({ state }) => (state === 'reserved' ? 'is held by a worker' : `is ${state}, and was held by a worker`),
        }),
      );
    });
}
