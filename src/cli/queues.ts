import type { Command } from 'commander';
import { onEngine } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { type Output, print } from './output.js';
import { statsOfAll, sum } from './stats.js';
import { type Column, printTable } from './table.js';

const COLUMNS: readonly Column<{ queue: string; messages: number }>[] = [
  { title: 'QUEUE', cell: ({ queue }) => queue },
  { title: 'MESSAGES', cell: ({ messages }) => String(messages), right: true },
];

export function defineQueues(command: Command, output: Output): void {
  command
    .description('Lists the queues and how many messages each has, whatever their state.')
    .addHelpText('after', '\nExample:\n  haricot queues --json | jq -r .queue')
    .action(async () => {
      const { json = false, ...global } = command.optsWithGlobals<GlobalOptions>();
      const queues = await onEngine(global, statsOfAll);
      const rows = queues.map(({ queue, ...stats }) => ({ queue, messages: sum(stats) }));
      if (rows.length > 0 || json) printTable(output, json, COLUMNS, rows);
      else print(output, false, 'no queues', {});
    });
}
