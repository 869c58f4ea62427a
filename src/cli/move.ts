import type { Command } from 'commander';
import type { Driver } from '../queue/driver.js';
import { checkQueueName } from '../queue/name.js';
import { Queue } from '../queue/queue.js';
import { maskUrl } from '../shared/text.js';
import { onDriver, onQueue, statsOf } from './engine.js';
import { UsageError } from './errors.js';
import { addCodec, type GlobalOptions, parseStates, queueOptionsOf, urlOf } from './options.js';
import { note, type Output, print } from './output/output.js';
import { Progress } from './output/terminal-line.js';
import { pluralize } from './output/text.js';
import {
  addFilter,
  addSelection,
  described,
  forEachId,
  refuseTogether,
  type SelectedMany,
  type SelectionOptions,
  selectionOf,
} from './selection.js';

type State = 'ready' | 'delayed' | 'buried';

const STATES: readonly State[] = ['ready', 'delayed', 'buried'];

interface MoveCommandOptions extends GlobalOptions, SelectionOptions {
  readonly to: string;
  readonly toUrl?: string;
  readonly state?: readonly State[];
}

interface Moved {
  readonly moved: number;
  readonly duplicated: number;
}

export function defineMove(command: Command, output: Output): void {
  command
    .description(
      'Moves messages to another queue, on this engine or another one. They get new ids and become ready there; delayed ' +
        'ones keep the rest of their delay. Data, headers, priority and TTR stay as they are. Messages that a worker holds ' +
        'stay where they are.',
    )
    .argument('<queue>', 'the queue');
  addSelection(command, 'matching', 'the next in order');
  command.option('--state <states>', 'only messages in these states (default: buried)', parseStates(STATES));
  addFilter(command);
  addCodec(command);
  command
    .requiredOption('--to <queue>', 'the queue that gets them')
    .option('--to-url <url>', 'the engine of that queue (default: the same)')
    .addHelpText(
      'after',
      `
Examples:
  haricot move orders 42 --to orders-later
  haricot move orders --all --reason invalid --to orders-invalid
  haricot move mail --all --state ready,delayed,buried --to mail \\
    --url sqlite:./haricot.db --to-url beanstalkd://127.0.0.1:11300`,
    )
    .action(async (name: string, ids: string[]) => {
      const options = command.optsWithGlobals<MoveCommandOptions>();
      const { json = false, to, toUrl, state, ...global } = options;
      const selected = selectionOf('move', ids, options);
      if ('ids' in selected) refuseTogether('ids', { state }, 'they name the messages');
      checkQueueName(to);
      const isSameEngine = toUrl === undefined || toUrl === urlOf(options);
      if (isSameEngine && to === name) throw new UsageError(`--to must be another queue, got "${to}" itself`);
      const where = isSameEngine ? `"${to}"` : `"${to}" on ${maskUrl(toUrl)}`;
      await onQueue(global, name, async (queue) => {
        const use = async (driver: Driver): Promise<void> => {
          const target = new Queue(driver, to, queueOptionsOf(options));
          const moving = { queue, target, output, json, where };
          if ('ids' in selected) await moveById(moving, selected.ids);
          else await moveMany(moving, selected, state ?? ['buried']);
        };
        await (isSameEngine ? use(queue.driver) : onDriver(toUrl, use));
      });
    });
}

interface Moving {
  readonly queue: Queue;
  readonly target: Queue;
  readonly output: Output;
  readonly json: boolean;
  /** The target, in words. */
  readonly where: string;
}

async function moveById({ queue, target, output, json, where }: Moving, ids: readonly string[]): Promise<void> {
  await forEachId(queue, ids, {
    verb: 'move',
    act: async (id) => {
      const { moved, duplicated } = await queue.moveTo(target, { ids: [id] });
      if (moved + duplicated === 0) return false;
      print(output, json, `message ${id} is moved to ${where}`, {
        queue: queue.name,
        jobId: id,
        moved: true,
        duplicated: duplicated > 0,
      });
      if (duplicated > 0) note(output, json, takenNote(1));
      return true;
    },
    why: ({ state }) => (state === 'reserved' ? 'is held by a worker' : `is ${state}, and was held by a worker`),
  });
}

async function moveMany(moving: Moving, selected: SelectedMany, states: readonly State[]): Promise<void> {
  const { queue, target, output, json, where } = moving;
  const before = await statsOf(queue);
  const goal = states.reduce((sum, state) => sum + before[state], 0);
  const result = await new Progress(output, json).during(
    () => moveStates(queue, target, selected, states),
    async () => {
      const now = await statsOf(queue);
      return `moved ${goal - states.reduce((sum, state) => sum + now[state], 0)} of at most ${goal}`;
    },
  );
  const { moved, duplicated } = result;
  const count = moved + duplicated;
  const text =
    count > 0
      ? `moved ${pluralize(count, 'message')} from "${queue.name}" to ${where}`
      : `nothing to move in "${queue.name}": no message${described(selected)} is ${states.join(' or ')}`;
  print(output, json, text, { queue: queue.name, moved, duplicated });
  if (duplicated > 0) note(output, json, takenNote(duplicated));
}

async function moveStates(
  queue: Queue,
  target: Queue,
  selected: SelectedMany,
  states: readonly State[],
): Promise<Moved> {
  const { limit, type, reason } = selected;
  let [moved, duplicated] = [0, 0];
  for (const state of states) {
    const left = limit - moved - duplicated;
    if (left <= 0) break;
    const most = Number.isFinite(left) ? left : undefined;
    const result = await queue.moveTo(target, { state, type, reason, limit: most });
    moved += result.moved;
    duplicated += result.duplicated;
  }
  return { moved, duplicated };
}

function takenNote(count: number): string {
  return `a worker took ${pluralize(count, 'message')} meanwhile: ${count === 1 ? 'it is' : 'they are'} in both queues, with the same message ${count === 1 ? 'id' : 'ids'}`;
}
