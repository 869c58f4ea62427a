import type { Command } from 'commander';
import { onEngine } from './engine.js';
import type { GlobalOptions } from './options.js';
import { type Output, print } from './output/output.js';
import { type Column, printTable } from './output/table.js';
import { pauseColumn, statsOfAll, sum } from './stats.js';

interface Row {
  readonly queue: string;
  readonly messages: number;
  readonly pausedUntil: Date | null;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'QUEUE', cell: ({ queue }) => queue },
  { title: 'MESSAGES', cell: ({ messages }) => String(messages), right: true },
];

export function defineQueues(command: Command, output: Output): void {
  command
    .description('Lists the queues, how many messages each has in any state, and until when it is paused.')
    .addHelpText('after', '\nExample:\n  haricot queues --json | jq -r .queue')
    .action(async () => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      const queues = await onEngine(global, statsOfAll);
      const rows = queues.map(({ queue, ...stats }) => ({
        queue,
        messages: sum(stats),
        pausedUntil: stats.pausedUntil,
      }));
      if (rows.length > 0 || json) printTable(output, json, [...COLUMNS, ...pauseColumn(rows)], rows);
      else print(output, false, 'no queues', {});
    });
}
