import { type Command, Option } from 'commander';
import type { Queue } from '../queue/queue.js';
import { preview } from '../shared/text.js';
import { countIn, refuseMoreArguments } from './arguments.js';
import { onQueue, statsOf } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { parseCount } from './options.js';
import { type Output, print } from './output.js';
import { Progress } from './progress.js';
import { pluralize } from './text.js';

/** How many messages one command to the engine kicks: so many are over in moments. */
const CHUNK = 1000;

interface KickCommandOptions extends GlobalOptions {
  readonly limit?: number;
  readonly all?: boolean;
}

export function defineKick(command: Command, output: Output): void {
  command
    .description(
      'Makes buried messages ready again, in the order in which they were buried, with as many attempts as new ones. ' +
        'Messages in other states stay as they are.',
    )
    .argument('<queue>', 'the queue')
    .option('--limit <n>', 'how many at most (default: 1)', parseCount)
    .addOption(new Option('--all', 'every buried message').conflicts('limit'))
    .allowExcessArguments()
    .addHelpText('after', '\nExamples:\n  haricot kick mail --limit 10\n  haricot kick mail --all')
    .action(async (name: string) => {
      refuseMoreArguments(command, (extra) => {
        const usage = `haricot kick <queue> --limit ${countIn(extra)}, or --all`;
        return `kick takes no ids and no count as an argument, got ${preview(extra)}: ${usage}`;
      });
      const { json = false, all, limit = 1, ...global } = command.optsWithGlobals<KickCommandOptions>();
      const progress = new Progress(output, json);
      const goal = all ? Number.POSITIVE_INFINITY : limit;
      const kicked = await onQueue(global, name, (queue) => kick(queue, goal, progress));
      print(output, json, said(name, kicked, goal), { queue: name, kicked });
    });
}

/**
 * In chunks, so that it can be told how far it is. Where none is buried, an engine goes on to delayed messages, whose time has
 * not come: no more are asked for than are buried.
 */
async function kick(queue: Queue, limit: number, progress: Progress): Promise<number> {
  let { buried } = await statsOf(queue);
  const goal = Math.min(limit, buried);
  let kicked = 0;
  try {
    while (kicked < goal && buried > 0) {
      const asked = Math.min(CHUNK, goal - kicked, buried);
      const done = await queue.kick(asked);
      kicked += done;
      progress.show(`kicked ${kicked} of ${goal}`);
      if (done < asked) break;
      // Others may kick them too.
      if (kicked < goal) buried = (await queue.stats())?.buried ?? 0;
    }
  } finally {
    progress.end();
  }
  return kicked;
}

function said(name: string, kicked: number, goal: number): string {
  if (kicked > 0) return `${pluralize(kicked, 'buried message')} ${kicked === 1 ? 'is' : 'are'} ready now`;
  return goal === 0 ? 'nothing to do: --limit is 0' : `nothing to kick in "${name}": no message is buried`;
}
