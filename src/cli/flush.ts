import type { Command } from 'commander';
import type { MessageCounts } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import type { Queue } from '../queue/queue.js';
import { preview } from '../shared/text.js';
import { refuseMoreArguments } from './arguments.js';
import { onQueue, statsOf } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { type Output, print } from './output.js';
import { Progress } from './progress.js';
import { pluralize } from './text.js';

/** Between two looks at how far it is, in milliseconds. */
const LOOK_MS = 250;

interface FlushCommandOptions extends GlobalOptions {
  readonly force?: boolean;
}

export function defineFlush(command: Command, output: Output): void {
  command
    .description(
      'Removes every message of a queue that no worker holds: ready, delayed and buried ones, for good. ' +
        'Without --force it only says how many that would be.',
    )
    .argument('<queue>', 'the queue')
    .option('--force', 'do it')
    .allowExcessArguments()
    .addHelpText('after', '\nExample:\n  haricot flush mail --force')
    .action(async (name: string) => {
      refuseMoreArguments(command, (extra) => {
        const usage = 'haricot delete <queue> <id...> removes single messages';
        return `flush removes all messages of one queue and takes no other argument, got ${preview(extra)}: ${usage}`;
      });
      const { json = false, force, ...global } = command.optsWithGlobals<FlushCommandOptions>();
      const { removed, reserved } = await onQueue(global, name, async (queue) => {
        const before = await statsOf(queue);
        if (!force) throw refusal(name, before);
        return { removed: await flush(queue, before, new Progress(output, json)), reserved: before.reserved };
      });
      const kept = reserved > 0 ? `; ${pluralize(reserved, 'message')} held by workers stayed` : '';
      print(output, json, `removed ${pluralize(removed, 'message')} from "${name}"${kept}`, { queue: name, removed });
    });
}

function refusal(name: string, stats: MessageCounts): InvalidOptionError {
  const { ready, delayed, buried } = stats;
  const parts = `${ready} ready, ${delayed} delayed, ${buried} buried`;
  return new InvalidOptionError(
    `cannot flush "${name}" unasked: it would remove ${pluralize(atRest(stats), 'message')} for good (${parts}); add --force to do it`,
  );
}

/** The engine flushes in one go: how far it is, the counts of the queue tell meanwhile. */
async function flush(queue: Queue, before: MessageCounts, progress: Progress): Promise<number> {
  const goal = atRest(before);
  const look = async (): Promise<void> => progress.show(`removed ${goal - atRest(await statsOf(queue))} of ${goal}`);
  // A look that fails shows nothing: the flush itself will say what is wrong.
  const timer = progress.wanted ? setInterval(() => void look().catch(() => {}), LOOK_MS) : undefined;
  try {
    return await queue.flush();
  } finally {
    clearInterval(timer);
    progress.end();
  }
}

function atRest({ ready, delayed, buried }: MessageCounts): number {
  return ready + delayed + buried;
}
