import type { Command } from 'commander';
import type { Output } from './output/output.js';

/** Adds a command's arguments, options, help and action. */
export type Define = (command: Command, output: Output) => void;

export interface CommandEntry {
  readonly name: string;
  /** As the list of commands shows them. */
  readonly usage: string;
  readonly summary: string;
  readonly group: 'Run' | 'Look' | 'Repair' | 'Operate';
  /** Loaded only for the command that is called: the help of all does not wait for the worker. */
  readonly load: () => Promise<Define>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'publish',
    usage: '<queue> <type> [json]',
    summary: 'publish one message, or many',
    group: 'Run',
    load: async () => (await import('./publish.js')).definePublish,
  },
  {
    name: 'work',
    usage: '<queue...>',
    summary: 'run a worker that calls your slots',
    group: 'Run',
    load: async () => (await import('./work.js')).defineWork,
  },
  {
    name: 'setup',
    usage: '<queue>',
    summary: 'prepare and check the engine',
    group: 'Run',
    load: async () => (await import('./setup.js')).defineSetup,
  },
  {
    name: 'demo',
    usage: '',
    summary: 'show all of it in a few seconds',
    group: 'Run',
    load: async () => (await import('./demo.js')).defineDemo,
  },
  {
    name: 'queues',
    usage: '',
    summary: 'list the queues',
    group: 'Look',
    load: async () => (await import('./queues.js')).defineQueues,
  },
  {
    name: 'stats',
    usage: '[queue]',
    summary: 'count messages by their state',
    group: 'Look',
    load: async () => (await import('./stats.js')).defineStats,
  },
  {
    name: 'peek',
    usage: '<queue> [id]',
    summary: 'show messages without reserving them',
    group: 'Look',
    load: async () => (await import('./peek.js')).definePeek,
  },
  {
    name: 'failed',
    usage: '<queue> [id]',
    summary: 'show buried messages and why they failed',
    group: 'Repair',
    load: async () => (await import('./failed.js')).defineFailed,
  },
  {
    name: 'retry',
    usage: '<queue> [id...]',
    summary: 'make buried messages ready again',
    group: 'Repair',
    load: async () => (await import('./retry.js')).defineRetry,
  },
  {
    name: 'move',
    usage: '<queue> [id...]',
    summary: 'move messages to another queue or engine',
    group: 'Repair',
    load: async () => (await import('./move.js')).defineMove,
  },
  {
    name: 'delete',
    usage: '<queue> <id...>',
    summary: 'remove messages by their ids',
    group: 'Repair',
    load: async () => (await import('./delete.js')).defineDelete,
  },
  {
    name: 'flush',
    usage: '<queue>',
    summary: 'remove all messages',
    group: 'Operate',
    load: async () => (await import('./flush.js')).defineFlush,
  },
  {
    name: 'promote',
    usage: '<queue> [id...]',
    summary: 'make delayed messages ready now',
    group: 'Operate',
    load: async () => (await import('./promote.js')).definePromote,
  },
  {
    name: 'pause',
    usage: '<queue> <for>',
    summary: 'pause delivery for a while',
    group: 'Operate',
    load: async () => (await import('./pause.js')).definePause,
  },
  {
    name: 'resume',
    usage: '<queue>',
    summary: 'end a pause',
    group: 'Operate',
    load: async () => (await import('./resume.js')).defineResume,
  },
];

/** Commands of other programs, each with what to use instead. */
export const REPLACED: Readonly<Record<string, string>> = {
  kick: 'use haricot retry for buried messages, haricot promote for delayed ones',
};
