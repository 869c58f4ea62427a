import type { Command } from 'commander';
import { onQueue, statsOf } from './engine.js';
import type { GlobalOptions } from './options.js';
import { type Output, print } from './output/output.js';
import { formatDate } from './output/text.js';

export function defineResume(command: Command, output: Output): void {
  command
    .description('Ends the pause of a queue.')
    .argument('<queue>', 'the queue')
    .addHelpText('after', '\nExample:\n  haricot resume mail')
    .action(async (name: string) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      const wasPausedUntil = await onQueue(global, name, async (queue) => {
        const { pausedUntil } = await statsOf(queue);
        if (pausedUntil !== null) await queue.resume();
        return pausedUntil;
      });
      const text =
        wasPausedUntil === null
          ? `"${name}" was not paused`
          : `"${name}" is resumed; it was paused until ${formatDate(wasPausedUntil)}`;
      print(output, json, text, { queue: name, resumed: wasPausedUntil !== null, wasPausedUntil });
    });
}
