import type { BodyInput } from '../protocol/arguments.js';
import type { CommandName } from '../protocol/commands.js';
import type { Reply } from '../protocol/replies.js';

/** One command to send. */
export interface Request<T> {
  readonly command: CommandName;
  /** The command line, CR LF included. */
  readonly line: string;
  /** Turns a reply of success into the result, told on which connection it came. What it throws rejects the call. */
  readonly decode: (reply: Reply, connection: JobConnection) => T;
  readonly jobId?: string | undefined;
  readonly body?: BodyInput;
  /** Of the body, in bytes. */
  readonly size?: number;
  /** How long a reserve waits, in seconds; undefined: for ever. */
  readonly timeout?: number | undefined;
  /** How long the answer to a reserve may take on top, in milliseconds; Infinity for ever. */
  readonly answerMs?: number;
  /** Whether it was sent by itself, ahead of the command that needs it. */
  readonly isAhead?: boolean;
  /** The tube that must be in use. */
  readonly tube?: string | undefined;
}

/** What commands can be sent with. */
export interface Sender {
  send<T>(request: Request<T>): Promise<T>;
}

/** One delivery of a job. The same job that comes again, be it down the same connection, is another delivery. */
export interface Delivery {
  readonly jobId: string;
  /** When the reserve that brought it was called, by `performance.now()`: the TTR has not begun before. */
  readonly askedAt: number;
}

/** A connection, which tells one delivery of a job from another. */
export interface JobConnection extends Sender {
  /** The delivery of a job that it holds. */
  delivery(jobId: string): Delivery | undefined;
  /** Sends what the holder of a job asks for. @throws NotFoundError, and sends nothing, when the delivery is over */
  sendFor<T>(delivery: Delivery | undefined, request: Request<T>): Promise<T>;
}
