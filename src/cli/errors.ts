import { toJsonLine } from '../shared/text.js';
import { describeError } from './output/text.js';

/** What was asked for cannot be done. What was typed wrong is an InvalidOptionError or a {@link UsageError} instead. */
export class CommandFailedError extends Error {
  readonly code:
    | 'NOT_FOUND'
    | 'NO_DATABASE'
    | 'NO_QUEUE'
    | 'INVALID_LINE'
    | 'SLOTS_FAILED'
    | 'DEMO_FAILED'
    | 'INTERRUPTED'
    | 'UNFINISHED';

  constructor(code: CommandFailedError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandFailedError';
    this.code = code;
  }
}

/** Wrong arguments. */
export class UsageError extends Error {
  readonly code = 'USAGE';
  override readonly name = 'UsageError';
}

/** What the process ends with. */
export const EXIT = { ok: 0, failed: 1, wrongUsage: 2 } as const;

/** Codes, not classes: what a command throws may come from an engine that is loaded late. */
const WRONG_USAGE: ReadonlySet<string> = new Set([
  'USAGE',
  'INVALID_OPTION',
  'INVALID_ARGUMENT',
  'SCHEMA',
  'UNSUPPORTED',
]);

export function codeOf(error: unknown): string {
  try {
    const { code } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown };
    return typeof code === 'string' ? code : 'FAILED';
  } catch {
    return 'FAILED';
  }
}

export function exitCodeOf(error: unknown): number {
  return WRONG_USAGE.has(codeOf(error)) ? EXIT.wrongUsage : EXIT.failed;
}

/**
 * The line on standard error about a command that failed.
 * @param reword puts the message in the words of the command line
 */
export function errorLine(error: unknown, json: boolean, reword = (message: string): string => message): string {
  const message = reword(describeError(error));
  return json ? toJsonLine({ error: { code: codeOf(error), message } }) : `haricot: ${message}`;
}
