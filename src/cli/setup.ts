import type { Command } from 'commander';
import { maskUrl } from '../shared/text.js';
import { onNewQueue } from './engine.js';
import { type GlobalOptions, urlOf } from './options.js';
import { type Output, print } from './output/output.js';

export function defineSetup(command: Command, output: Output): void {
  command
    .description(
      'Prepares the engine for a queue and checks that it can be reached. Run it when you deploy; it may be run again.',
    )
    .argument('<queue>', 'the queue')
    .addHelpText('after', '\nExample:\n  haricot setup mail --url sqlite:./haricot.db')
    .action(async (name: string) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      await onNewQueue({ json, ...global }, output, name, (queue) => queue.setUp());
      const url = maskUrl(urlOf(global));
      print(output, json, `"${name}" is set up on ${url}`, { queue: name, url });
    });
}
