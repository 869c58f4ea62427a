import type { Command } from 'commander';
import { UsageError } from './errors.js';

/**
 * Refuses arguments beyond those that the command has, and says what was meant. Commander itself only counts them.
 * @param usage what to type instead, given the first argument that is too many
 * @throws UsageError
 */
export function refuseMoreArguments(command: Command, usage: (extra: string) => string): void {
  const extra = command.args[command.registeredArguments.length];
  if (extra !== undefined) throw new UsageError(usage(extra));
}

/** `<n>`, or the number that was typed in the wrong place. */
export function countIn(text: string): string {
  return /^[0-9]{1,15}$/.test(text) ? text : '<n>';
}
