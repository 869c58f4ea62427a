import type { Command } from 'commander';
import { onQueue } from './engine.js';
import { CommandFailedError } from './errors.js';
import type { GlobalOptions } from './global-options.js';
import { type Output, print } from './output.js';

export function defineDelete(command: Command, output: Output): void {
  command
    .description('Removes one message that no worker holds, for good.')
    .argument('<queue>', 'the queue')
    .argument('<id>', "the engine's id of the message, as publish prints it and peek shows it")
    .addHelpText('after', '\nExample:\n  haricot delete mail 42')
    .action(async (name: string, id: string) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      if (!(await onQueue(global, name, (queue) => queue.delete(id)))) {
        throw new CommandFailedError('NOT_FOUND', `no message ${id} in "${name}", or a worker holds it now`);
      }
      print(output, json, `message ${id} is deleted`, { queue: name, id, deleted: true });
    });
}
