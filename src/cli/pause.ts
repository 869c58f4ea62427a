import { type Command, InvalidArgumentError } from 'commander';
import { onQueue, statsOf } from './engine.js';
import { type GlobalOptions, parseDuration } from './options.js';
import { type Output, print } from './output/output.js';
import { formatDate, formatDuration } from './output/text.js';

export function definePause(command: Command, output: Output): void {
  command
    .description(
      'Pauses delivery from a queue for the given duration. Messages can still be published, and running slots go on.',
    )
    .argument('<queue>', 'the queue')
    .argument('<for>', 'how long: 30s, 5m, 2h', parsePause)
    .addHelpText('after', '\nExample:\n  haricot pause mail 10m')
    .action(async (name: string, ms: number) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      const pausedUntil = await onQueue(global, name, async (queue) => {
        // beanstalkd would make the queue, and soon forget it and its pause.
        await statsOf(queue);
        await queue.pause(ms);
        return (await queue.stats())?.pausedUntil ?? new Date(Date.now() + ms);
      });
      const text = `"${name}" is paused for ${formatDuration(ms)}, until ${formatDate(pausedUntil)}`;
      print(output, json, text, { queue: name, pausedMs: ms, pausedUntil });
    });
}

function parsePause(text: string): number {
  const ms = parseDuration(text);
  if (ms > 0) return ms;
  throw new InvalidArgumentError('longer than 0 (haricot resume ends a pause)');
}
