import { type Command, InvalidArgumentError } from 'commander';
import { onQueue } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { parseDuration } from './options.js';
import { type Output, print } from './output.js';
import { spoken } from './text.js';

export function definePause(command: Command, output: Output): void {
  command
    .description('Delivers nothing from a queue for so long. Messages can still be published, and what runs goes on.')
    .argument('<queue>', 'the queue')
    .argument('<for>', 'how long: 30s, 5m, 2h', parsePause)
    .addHelpText('after', '\nExample:\n  haricot pause mail 10m')
    .action(async (name: string, ms: number) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      await onQueue(global, name, (queue) => queue.pause(ms));
      print(output, json, `"${name}" is paused for ${spoken(ms)}`, { queue: name, pausedMs: ms });
    });
}

function parsePause(text: string): number {
  const ms = parseDuration(text);
  if (ms > 0) return ms;
  throw new InvalidArgumentError('A pause is longer than that; haricot resume ends one.');
}
