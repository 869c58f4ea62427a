import type { Command } from 'commander';
import { onQueue } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { type Output, print } from './output.js';

export function defineResume(command: Command, output: Output): void {
  command
    .description('Ends the pause of a queue.')
    .argument('<queue>', 'the queue')
    .addHelpText('after', '\nExample:\n  haricot resume mail')
    .action(async (name: string) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      await onQueue(global, name, (queue) => queue.resume());
      print(output, json, `"${name}" is not paused`, { queue: name, pausedMs: 0 });
    });
}
