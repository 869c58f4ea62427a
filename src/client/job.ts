import type { BuryOptions, ReleaseOptions } from '../protocol/commands.js';
import type { JobStats } from '../protocol/stats.js';
import { buryJob, deleteJob, releaseJob, statsJob, touchJob } from './operations.js';
import type { Sender } from './request.js';

/** What the server stores under an id. */
export class StoredJob {
  /** A u64 as decimal text. */
  readonly id: string;
  /** The bytes as they were put, in an `ArrayBuffer` of their own: it may be changed, or transferred to another thread. */
  readonly body: Buffer;

  constructor(id: string, body: Buffer) {
    this.id = id;
    this.body = body;
  }

  /** The body as UTF-8 text. */
  text(): string {
    return this.body.toString('utf8');
  }

  /** The body as JSON. @throws SyntaxError */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}

/**
 * One delivery of a job to this connection. It is held until it is deleted, released or buried, its TTR ends or the connection
 * closes; then the methods reject with NOT_FOUND, or with the error of the connection. When the job was delivered again they
 * reject and send nothing, whoever holds it now. They always go down the
 * connection that reserved it, which is the only one the server accepts them from.
 */
export class Job extends StoredJob {
  readonly #connection: Sender;

  /** @internal */
  constructor(id: string, body: Buffer, connection: Sender) {
    super(id, body);
    this.#connection = connection;
  }

  /** The work is done: removes the job. @throws NotFoundError when it is no longer held */
  delete(): Promise<void> {
    return deleteJob(this.#connection, this.id);
  }

  /** Gives the job back. @throws NotFoundError, BuriedError */
  release(options?: ReleaseOptions): Promise<void> {
    return releaseJob(this.#connection, this.id, options);
  }

  /** Puts the job aside until it is kicked. @throws NotFoundError */
  bury(options?: BuryOptions): Promise<void> {
    return buryJob(this.#connection, this.id, options);
  }

  /** Starts the TTR anew. @throws NotFoundError */
  touch(): Promise<void> {
    return touchJob(this.#connection, this.id);
  }

  /** `null` when there is no such job any more. */
  stats(): Promise<JobStats | null> {
    return statsJob(this.#connection, this.id);
  }
}
