import type { Command } from 'commander';
import { truncate } from '../shared/text.js';
import { onQueue, statsOf } from './engine.js';
import { CommandFailedError } from './errors.js';
import type { GlobalOptions } from './global-options.js';
import { type Output, print } from './output.js';

/** How many characters of a list of ids an error shows. */
const IDS_WIDTH = 200;

export function defineDelete(command: Command, output: Output): void {
  command
    .description('Removes messages that no worker holds, for good.')
    .argument('<queue>', 'the queue')
    .argument('<id...>', "the engine's ids of the messages, as publish prints them and peek shows them")
    .addHelpText(
      'after',
      '\nExamples:\n  haricot delete mail 42\n  haricot delete mail 42 43\n' +
        '\nharicot flush removes all messages of a queue.',
    )
    .action(async (name: string, ids: string[]) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      await onQueue(global, name, async (queue) => {
        const missing: string[] = [];
        for (const id of ids) {
          if (await queue.delete(id)) {
            print(output, json, `message ${id} is deleted`, { queue: name, id, deleted: true });
          } else missing.push(id);
        }
        if (missing.length === 0) return;
        await statsOf(queue);
        const listed = truncate(missing.join(', '), IDS_WIDTH);
        throw new CommandFailedError(
          'NOT_FOUND',
          `cannot delete ${listed} from "${name}": there is no such message, or a worker holds it now`,
        );
      });
    });
}
