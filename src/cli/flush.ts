import type { Command } from 'commander';
import type { MessageCounts } from '../queue/driver.js';
import { preview } from '../shared/text.js';
import { onQueue, statsOf } from './engine.js';
import { UsageError } from './errors.js';
import { type GlobalOptions, parseStates } from './options.js';
import { type Output, print } from './output/output.js';
import { Progress } from './output/terminal-line.js';
import { pluralize } from './output/text.js';

type State = 'ready' | 'delayed' | 'buried';

const STATES: readonly State[] = ['ready', 'delayed', 'buried'];

interface FlushCommandOptions extends GlobalOptions {
  readonly force?: boolean;
  readonly state?: readonly State[];
}

export function defineFlush(command: Command, output: Output): void {
  command
    .description(
      'Removes every message of a queue that no worker holds, or every one in some states, for good. Without --force it ' +
        'only says how many that would be.',
    )
    .argument('<queue>', 'the queue')
    .option('--state <states>', 'only messages in these states (default: ready,delayed,buried)', parseStates(STATES))
    .option('--force', 'remove them')
    .allowExcessArguments()
    .addHelpText('after', '\nExamples:\n  haricot flush mail --force\n  haricot flush mail --state buried --force')
    .action(async (name: string) => {
      const extra = command.args[1];
      if (extra !== undefined) {
        throw new UsageError(
          `the arguments of flush must be one queue, got ${preview(extra)} as well; haricot delete <queue> <id...> removes single messages`,
        );
      }
      const { json = false, force, state: states = STATES, ...global } = command.optsWithGlobals<FlushCommandOptions>();
      const { removed, reserved } = await onQueue(global, name, async (queue) => {
        const before = await statsOf(queue);
        if (!force) throw refusal(name, before, states);
        const goal = sumOf(before, states);
        const removed = await new Progress(output, json).during(
          () => queue.flush({ states }),
          async () => `removed ${goal - sumOf(await statsOf(queue), states)} of ${goal}`,
        );
        return { removed, reserved: before.reserved };
      });
      const kept = reserved > 0 ? `; ${pluralize(reserved, 'message')} held by workers stayed` : '';
      print(output, json, `removed ${pluralize(removed, 'message')} from "${name}"${kept}`, { queue: name, removed });
    });
}

function refusal(name: string, stats: MessageCounts, states: readonly State[]): UsageError {
  const parts = states.map((state) => `${stats[state]} ${state}`).join(', ');
  return new UsageError(
    `cannot flush "${name}" without --force: it would remove ${pluralize(sumOf(stats, states), 'message')} for good (${parts})`,
  );
}

function sumOf(stats: MessageCounts, states: readonly State[]): number {
  return states.reduce((sum, state) => sum + stats[state], 0);
}
