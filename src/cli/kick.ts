import { type Command, InvalidArgumentError } from 'commander';
import type { Queue } from '../queue/queue.js';
import { onQueue, statsOf } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { parseCount } from './options.js';
import { type Output, print } from './output.js';
import { Progress } from './progress.js';
import { counted } from './text.js';

/** How many messages one command to the engine kicks: so many are over in moments. */
const CHUNK = 1000;

type KickedState = 'buried' | 'delayed';

interface Kicked {
  readonly kicked: number;
  /** In which state they were; undefined where none could be kicked. */
  readonly state: KickedState | undefined;
}

export function defineKick(command: Command, output: Output): void {
  command
    .description(
      'Gives buried messages another chance: they are ready again, with as many attempts as new ones. ' +
        'Where none is buried, delayed messages are made ready before their time.',
    )
    .argument('<queue>', 'the queue')
    .argument('[n]', 'how many, the oldest first, or "all"', parseLimit, 1)
    .addHelpText('after', '\nExamples:\n  haricot kick mail\n  haricot kick mail all')
    .action(async (name: string, limit: number) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      const progress = new Progress(output, json);
      const { kicked, state } = await onQueue(global, name, (queue) => kick(queue, limit, progress));
      const text =
        state === undefined ? `nothing to kick in "${name}": no message is buried or delayed` : said(kicked, state);
      print(output, json, text, { queue: name, kicked, ...(state && { state }) });
    });
}

/**
 * In chunks, so that it can be told how far it is. The engine goes on to delayed messages when no buried one is left, which
 * must not happen between two chunks: all are kicked from the state in which the first one is found.
 */
async function kick(queue: Queue, limit: number, progress: Progress): Promise<Kicked> {
  const { buried, delayed } = await statsOf(queue);
  const state = buried > 0 ? 'buried' : 'delayed';
  const goal = Math.min(limit, buried > 0 ? buried : delayed);
  let kicked = 0;
  try {
    while (kicked < goal && (kicked === 0 || (await statsOf(queue))[state] > 0)) {
      const asked = Math.min(CHUNK, goal - kicked);
      const done = await queue.kick(asked);
      kicked += done;
      progress.show(`kicked ${kicked} of ${goal}`);
      if (done < asked) break;
    }
  } finally {
    progress.end();
  }
  return { kicked, state: kicked > 0 ? state : undefined };
}

function said(kicked: number, state: KickedState): string {
  const one = kicked === 1;
  const messages = `${counted(kicked, `${state} message`)} ${one ? 'is' : 'are'} ready now`;
  return state === 'buried' ? messages : `${messages}; none was buried`;
}

function parseLimit(text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  try {
    return parseCount(text);
  } catch {
    throw new InvalidArgumentError('Allowed is a whole number that is not negative, or "all".');
  }
}
