import { COMMANDS, COMMON_FAILURES, type CommandName, type CommandReplies } from './commands.js';
import { JobTooBigError, ProtocolError } from './errors.js';
import { MAX_LIST_BYTES, MAX_STATS_BYTES } from './limits.js';
import type { Reply, ReplyForm } from './replies.js';

/**
 * Checks that `form` can be the reply to the command. @param command undefined if none is pending @throws ProtocolError
 */
export function checkReplyForm(form: ReplyForm, command: CommandName | undefined): void {
  if (command === undefined) throw new ProtocolError(`the server sent ${form} unasked`);
  const { success, failure }: CommandReplies = COMMANDS[command];
  if (success.includes(form) || failure.includes(form) || COMMON_FAILURES.includes(form)) return;
  throw new ProtocolError(`the server answered ${form}, which is no reply to ${command}`);
}

/**
 * Whether the data of a reply is read. A job body larger than `maxBodyBytes` is skipped.
 * @throws ProtocolError when a server would not send so much data for the command
 */
export function acceptsBody(form: ReplyForm, size: number, command: CommandName, maxBodyBytes: number): boolean {
  if (form !== 'OK <bytes>') return size <= maxBodyBytes;
  const most = maxDataBytes(command);
  if (size <= most) return true;
  throw new ProtocolError(`the server sent a reply to ${command} of ${size} bytes, above the ceiling of ${most}`);
}

/** The error for a job whose body was skipped; undefined if it was not. */
export function skippedBody(
  reply: Reply,
  command: CommandName,
  maxBodyBytes: number,
): JobTooBigError | ProtocolError | undefined {
  const { value, skippedBytes } = reply;
  if (skippedBytes === undefined) return undefined;
  const why =
    skippedBytes > maxBodyBytes
      ? `a body must have at most ${maxBodyBytes} bytes (maxBodyBytes), got ${skippedBytes}`
      : `there is no memory for a body of ${skippedBytes} bytes`;
  return new JobTooBigError(why, { command, jobId: value });
}

function maxDataBytes(command: CommandName): number {
  return command === 'list-tubes' || command === 'list-tubes-watched' ? MAX_LIST_BYTES : MAX_STATS_BYTES;
}
