import type { BodyInput } from '../protocol/arguments.js';
import type { CommandName } from '../protocol/commands.js';
import type { Reply } from '../protocol/replies.js';

/** One command to send. */
export interface Request<T> {
  readonly command: CommandName;
  /** The command line, including CR LF. */
  readonly line: string;
  /**
   * Turns a successful reply into the result. It receives the connection of the reply. If it throws, the call rejects.
   */
  readonly decode: (reply: Reply, connection: JobConnection) => T;
  readonly jobId?: string | undefined;
  readonly body?: BodyInput;
  /** The size of the body, in bytes. */
  readonly size?: number;
  /** How long a reserve waits, in seconds; undefined for no limit. */
  readonly timeout?: number | undefined;
  /** How much longer the reply to a reserve may take, in milliseconds; Infinity for no limit. */
  readonly answerMs?: number;
  /** Whether the client sent it by itself, for the command that follows. */
  readonly implicit?: boolean;
  /** The tube that must be in use. */
  readonly tube?: string | undefined;
}

/** Sends commands. */
export interface Sender {
  send<T>(request: Request<T>): Promise<T>;
}

/** One delivery of a job. The next delivery of the same job is another object, even on the same connection. */
export interface Delivery {
  readonly jobId: string;
  /** When the reserve was called, by `performance.now()`. The TTR started at this time or later. */
  readonly requestedAt: number;
}

/** A connection that distinguishes the deliveries of a job. */
export interface JobConnection extends Sender {
  /** The delivery of a job that the connection holds. */
  delivery(jobId: string): Delivery | undefined;
  /** Sends a command of the holder of a job. @throws NotFoundError without sending it when the delivery is over */
  sendFor<T>(delivery: Delivery | undefined, request: Request<T>): Promise<T>;
}
