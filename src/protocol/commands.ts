import { checkJobId, checkReserveTimeout, checkTube, checkU32, type JobId } from './arguments.js';
import type { ServerErrorCode } from './errors.js';
import type { ReplyForm } from './replies.js';

/** @internal The 25 commands. */
export type CommandName =
  | JobCommand
  | TubeCommand
  | BareCommand
  | 'put'
  | 'reserve'
  | 'reserve-with-timeout'
  | 'release'
  | 'bury'
  | 'kick'
  | 'pause-tube';

/** @internal The replies to a command. */
export interface CommandReplies {
  /** The forms that carry its result. */
  readonly success: readonly ReplyForm[];
  /** The forms that report its failure, besides {@link COMMON_FAILURES}. */
  readonly failure: readonly ReplyForm[];
}

/** @internal The forms that report the failure of any command. */
export const COMMON_FAILURES: readonly ReplyForm[] = [
  'BAD_FORMAT',
  'UNKNOWN_COMMAND',
  'OUT_OF_MEMORY',
  'INTERNAL_ERROR',
];

/**
 * @internal The replies to each command (`doc/protocol.txt` of beanstalkd; the integration tests check each row against
 * a server).
 */
export const COMMANDS: Readonly<Record<CommandName, CommandReplies>> = {
  put: { success: ['INSERTED <id>'], failure: ['BURIED <id>', 'EXPECTED_CRLF', 'JOB_TOO_BIG', 'DRAINING'] },
  use: { success: ['USING <tube>'], failure: [] },
  reserve: { success: ['RESERVED <id> <bytes>', 'TIMED_OUT'], failure: ['DEADLINE_SOON'] },
  'reserve-with-timeout': { success: ['RESERVED <id> <bytes>', 'TIMED_OUT'], failure: ['DEADLINE_SOON'] },
  'reserve-job': { success: ['RESERVED <id> <bytes>'], failure: ['NOT_FOUND'] },
  delete: { success: ['DELETED'], failure: ['NOT_FOUND'] },
  release: { success: ['RELEASED'], failure: ['BURIED', 'NOT_FOUND'] },
  bury: { success: ['BURIED'], failure: ['NOT_FOUND'] },
  touch: { success: ['TOUCHED'], failure: ['NOT_FOUND'] },
  watch: { success: ['WATCHING <count>'], failure: [] },
  ignore: { success: ['WATCHING <count>'], failure: ['NOT_IGNORED'] },
  peek: { success: ['FOUND <id> <bytes>', 'NOT_FOUND'], failure: [] },
  'peek-ready': { success: ['FOUND <id> <bytes>', 'NOT_FOUND'], failure: [] },
  'peek-delayed': { success: ['FOUND <id> <bytes>', 'NOT_FOUND'], failure: [] },
  'peek-buried': { success: ['FOUND <id> <bytes>', 'NOT_FOUND'], failure: [] },
  kick: { success: ['KICKED <count>'], failure: [] },
  'kick-job': { success: ['KICKED'], failure: ['NOT_FOUND'] },
  'stats-job': { success: ['OK <bytes>', 'NOT_FOUND'], failure: [] },
  'stats-tube': { success: ['OK <bytes>', 'NOT_FOUND'], failure: [] },
  stats: { success: ['OK <bytes>'], failure: [] },
  'list-tubes': { success: ['OK <bytes>'], failure: [] },
  'list-tube-used': { success: ['USING <tube>'], failure: [] },
  'list-tubes-watched': { success: ['OK <bytes>'], failure: [] },
  'pause-tube': { success: ['PAUSED'], failure: ['NOT_FOUND'] },
  quit: { success: [], failure: [] },
};

/** @internal Whether the command waits, and delays the commands that are sent after it. */
export function isReserve(command: CommandName): boolean {
  return command === 'reserve' || command === 'reserve-with-timeout';
}

/** @internal Whether the reply may deliver a job. */
export function mayReserve(command: CommandName): boolean {
  return isReserve(command) || command === 'reserve-job';
}

/**
 * @internal The successful replies to a reserve or reserve-job. When the connection closes after one, the server takes
 * the job back.
 */
export const RESERVE_REPLIES: readonly ReplyForm[] = ['RESERVED <id> <bytes>', 'TIMED_OUT'];

/** @internal Whether the job is no longer held after the command. */
export function settlesJob(command: CommandName): boolean {
  return command === 'delete' || command === 'release' || command === 'bury';
}

/**
 * @internal Whether the stream is out of step after this reply to a put: the server may have read only a part of the
 * body.
 */
export function losesFraming(form: ReplyForm): boolean {
  return form === 'EXPECTED_CRLF' || form === 'BAD_FORMAT' || form === 'UNKNOWN_COMMAND';
}

/** @internal The error code of a reply that reports a failure: its first word. */
export function errorCodeOf(form: ReplyForm): ServerErrorCode {
  return (form === 'BURIED <id>' ? 'BURIED' : form) as ServerErrorCode;
}

/** The scheduling of a job that is put. All values are integers up to 4294967295. */
export interface PutOptions {
  /** The job with the lowest number is served first. The server counts a job below 1024 as urgent. Default 1024. */
  readonly priority?: number | undefined;
  /** How long until the job becomes ready, in seconds. Default 0. */
  readonly delay?: number | undefined;
  /** Time to run: how long a consumer may hold the job without touching it, in seconds. 0 becomes 1. Default 60. */
  readonly ttr?: number | undefined;
}

/** The scheduling of a job that is released. The server overwrites both values of the job. */
export interface ReleaseOptions {
  /**
   * The new priority. Default 1024, not the previous priority of the job, which the server does not tell with the job.
   */
  readonly priority?: number | undefined;
  /** How long until the job becomes ready again, in seconds. Default 0. */
  readonly delay?: number | undefined;
}

export interface BuryOptions {
  /** The new priority. Default 1024, not the previous priority of the job. */
  readonly priority?: number | undefined;
}

/** @internal */
export const DEFAULT_PRIORITY = 1024;
/** @internal */
export const DEFAULT_TTR = 60;

/** @internal The command line of a `put`. The body of `size` bytes and CR LF must follow it. */
export function putLine(size: number, options: PutOptions = {}): string {
  // Defaults instead of `??`: null must be refused.
  const { priority = DEFAULT_PRIORITY, delay = 0, ttr = DEFAULT_TTR } = options;
  checkU32('priority', priority, 'put');
  checkU32('delay', delay, 'put');
  checkU32('ttr', ttr, 'put');
  return `put ${priority} ${delay} ${ttr} ${size}\r\n`;
}

/** @internal A timeout is in seconds, 0 to 2147483647. Without one the server waits without limit. */
export function reserveLine(timeout?: number): string {
  return timeout === undefined ? 'reserve\r\n' : `reserve-with-timeout ${checkReserveTimeout(timeout)}\r\n`;
}

/** @internal */
export function releaseLine(id: JobId, { priority = DEFAULT_PRIORITY, delay = 0 }: ReleaseOptions = {}): string {
  const job = checkJobId(id, 'release');
  checkU32('priority', priority, 'release');
  return `release ${job} ${priority} ${checkU32('delay', delay, 'release')}\r\n`;
}

/** @internal */
export function buryLine(id: JobId, { priority = DEFAULT_PRIORITY }: BuryOptions = {}): string {
  return `bury ${checkJobId(id, 'bury')} ${checkU32('priority', priority, 'bury')}\r\n`;
}

/** @internal At most `bound` jobs, 0 to 4294967295. The server would silently wrap a larger number. */
export function kickLine(bound: number): string {
  return `kick ${checkU32('bound', bound, 'kick')}\r\n`;
}

/** @internal `seconds` 0 ends a pause. */
export function pauseTubeLine(tube: string, seconds: number): string {
  return `pause-tube ${checkTube(tube, 'pause-tube')} ${checkU32('seconds', seconds, 'pause-tube')}\r\n`;
}

type JobCommand = 'reserve-job' | 'delete' | 'touch' | 'peek' | 'kick-job' | 'stats-job';
type TubeCommand = 'use' | 'watch' | 'ignore' | 'stats-tube';
type BareCommand =
  | 'peek-ready'
  | 'peek-delayed'
  | 'peek-buried'
  | 'stats'
  | 'list-tubes'
  | 'list-tube-used'
  | 'list-tubes-watched'
  | 'quit';

/** @internal A command whose only argument is a job id. */
export function jobLine(command: JobCommand, id: JobId): string {
  return `${command} ${checkJobId(id, command)}\r\n`;
}

/** @internal A command whose only argument is a tube name. */
export function tubeLine(command: TubeCommand, tube: string): string {
  return `${command} ${checkTube(tube, command)}\r\n`;
}

/** @internal A command without arguments. */
export function bareLine(command: BareCommand): string {
  return `${command}\r\n`;
}
