import type { Command } from 'commander';
import type { Driver, MessageCounts, QueueStats } from '../queue/driver.js';
import { onEngine, onQueue, statsOf } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { type Output, print } from './output.js';
import { type Column, printTable } from './table.js';
import { formatDate, pluralize } from './text.js';

export interface NamedStats extends QueueStats {
  readonly queue: string;
}

const COLUMNS: readonly Column<NamedStats>[] = [
  { title: 'QUEUE', cell: ({ queue }) => queue },
  { title: 'READY', cell: ({ ready }) => String(ready), right: true },
  { title: 'DELAYED', cell: ({ delayed }) => String(delayed), right: true },
  { title: 'RESERVED', cell: ({ reserved }) => String(reserved), right: true },
  { title: 'BURIED', cell: ({ buried }) => String(buried), right: true },
];

export function defineStats(command: Command, output: Output): void {
  command
    .description(
      'Counts the messages of one queue, or of all: ready for a worker, delayed until later, reserved by a worker ' +
        'now, and buried because nobody could handle them. Tells until when a queue is paused.',
    )
    .argument('[queue]', 'the queue; without it, all of them')
    .addHelpText('after', '\nExample:\n  haricot stats mail')
    .action(async (name: string | undefined) => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      const rows =
        name === undefined
          ? await onEngine(global, statsOfAll)
          : [{ queue: name, ...(await onQueue(global, name, statsOf)) }];
      const columns = [...COLUMNS, ...pauseColumn(rows)];
      if (json || rows.length === 1) printTable(output, json, columns, rows);
      else if (rows.length === 0) print(output, false, 'no queues', {});
      else printTable(output, false, columns, [...rows, total(rows)]);
    });
}

/** Every queue of the engine, by name. */
export async function statsOfAll(driver: Driver): Promise<NamedStats[]> {
  const names = (await driver.queues()).sort();
  const found = await Promise.all(names.map((queue) => driver.stats(queue)));
  // One that has gone meanwhile is left out.
  return names.flatMap((queue, index) => {
    const stats = found[index];
    return stats ? [{ queue, ...stats }] : [];
  });
}

type Pausable = Pick<QueueStats, 'pausedUntil'>;

/** Until when queues are paused: a column only where one is. */
export function pauseColumn(rows: readonly Pausable[]): readonly Column<Pausable>[] {
  if (rows.every(({ pausedUntil }) => pausedUntil === null)) return [];
  return [{ title: 'PAUSED UNTIL', cell: ({ pausedUntil }) => (pausedUntil === null ? '' : formatDate(pausedUntil)) }];
}

export function sum({ ready, delayed, reserved, buried }: MessageCounts): number {
  return ready + delayed + reserved + buried;
}

function total(rows: readonly NamedStats[]): NamedStats {
  const count = (state: keyof MessageCounts): number => rows.reduce((sum, row) => sum + row[state], 0);
  return {
    // With its space, no queue's name.
    queue: pluralize(rows.length, 'queue'),
    ready: count('ready'),
    delayed: count('delayed'),
    reserved: count('reserved'),
    buried: count('buried'),
    pausedUntil: null,
  };
}
