import { ANY_COMMAND_FAILS, COMMANDS, type CommandName, type CommandReplies } from './commands.js';
import { JobTooBigError, ProtocolError } from './errors.js';
import { MAX_LIST_BYTES, MAX_STATS_BYTES } from './limits.js';
import type { Reply, ReplyForm } from './replies.js';

/** Checks that `form` can answer the command, which is undefined where none is pending. @throws ProtocolError */
export function checkReplyForm(form: ReplyForm, command: CommandName | undefined): void {
  if (command === undefined) throw new ProtocolError(`the server sent ${form} unasked`);
  const { success, failure }: CommandReplies = COMMANDS[command];
  if (success.includes(form) || failure.includes(form) || ANY_COMMAND_FAILS.includes(form)) return;
  throw new ProtocolError(`the server answered ${form}, which is no reply to ${command}`);
}

/**
 * Whether the data of a reply is read. The body of a job that is larger than `maxBodyBytes` is skipped.
 * @throws ProtocolError when no server answers the command with so much
 */
export function acceptsBody(form: ReplyForm, size: number, command: CommandName, maxBodyBytes: number): boolean {
  if (form !== 'OK <bytes>') return size <= maxBodyBytes;
  const most = maxDataBytes(command);
  if (size <= most) return true;
  throw new ProtocolError(`the server sent a reply to ${command} of ${size} bytes, above the ceiling of ${most}`);
}

/** Why a job comes without its body, which was skipped; undefined where it was not. */
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
