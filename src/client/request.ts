import type { BodyInput } from '../protocol/arguments.js';
import type { CommandName } from '../protocol/commands.js';
import type { Reply } from '../protocol/replies.js';

/** One command to send. */
export interface Request<T> {
  readonly command: CommandName;
  /** The command line, CR LF included. */
  readonly line: string;
  /** Turns a reply of success into the result, told on which connection it came. What it throws rejects the call. */
  readonly decode: (reply: Reply, connection: Sender) => T;
  readonly jobId?: string | undefined;
  readonly body?: BodyInput;
  /** Of the body, in bytes. */
  readonly size?: number;
  /** How long a reserve waits, in seconds; undefined: for ever. */
  readonly timeout?: number | undefined;
  /** Whether it was sent by itself, ahead of the command that needs it. */
  readonly isAhead?: boolean;
  /** The tube that must be in use. */
  readonly tube?: string | undefined;
}

/** What commands can be sent with. */
export interface Sender {
  send<T>(request: Request<T>): Promise<T>;
}
