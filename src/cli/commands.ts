import type { Command } from 'commander';
import type { Output } from './output.js';

/** Adds a command's arguments, options, help and action. */
export type Define = (command: Command, output: Output) => void;

export interface CommandEntry {
  readonly name: string;
  /** As the list of commands shows them. */
  readonly usage: string;
  readonly summary: string;
  readonly group: 'Run' | 'Look' | 'Act';
  /** Loaded only for the command that is called: the help of all need not wait for the worker. */
  readonly load: () => Promise<Define>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'publish',
    usage: '<queue> <type> [json]',
    summary: 'publish one message',
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
    summary: 'watch it all at work in a few seconds',
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
    usage: '<queue>',
    summary: 'show messages, leave them there',
    group: 'Look',
    load: async () => (await import('./peek.js')).definePeek,
  },
  {
    name: 'kick',
    usage: '<queue>',
    summary: 'make buried messages ready again',
    group: 'Act',
    load: async () => (await import('./kick.js')).defineKick,
  },
  {
    name: 'delete',
    usage: '<queue> <id...>',
    summary: 'remove messages by their ids',
    group: 'Act',
    load: async () => (await import('./delete.js')).defineDelete,
  },
  {
    name: 'flush',
    usage: '<queue>',
    summary: 'remove all messages',
    group: 'Act',
    load: async () => (await import('./flush.js')).defineFlush,
  },
  {
    name: 'pause',
    usage: '<queue> <for>',
    summary: 'pause delivery for a while',
    group: 'Act',
    load: async () => (await import('./pause.js')).definePause,
  },
  {
    name: 'resume',
    usage: '<queue>',
    summary: 'end a pause',
    group: 'Act',
    load: async () => (await import('./resume.js')).defineResume,
  },
];
