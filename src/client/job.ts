import type { BuryOptions, ReleaseOptions } from '../protocol/commands.js';
import type { JobStats } from '../protocol/stats.js';
import { buryJob, deleteJob, releaseJob, statsJob, touchJob } from './operations.js';
import type { Delivery, JobConnection, Request, Sender } from './request.js';

/** A job as the server stores it: its id and body. */
export class StoredJob {
  /** The job id, a u64 as a decimal string. */
  readonly id: string;
  /**
   * The bytes as they were put, in an `ArrayBuffer` that nothing else uses: they may be changed, and the buffer may be transferred to
   * another thread.
   */
  readonly body: Buffer;

  /** Creates a job that no server holds, for tests and fakes. */
  constructor(id: string, body: Buffer) {
    this.id = id;
    this.body = body;
  }

  /** Decodes the body as UTF-8. */
  text(): string {
    return this.body.toString('utf8');
  }

  /**
   * Parses the body as JSON. The type is not checked.
   * @throws SyntaxError when the body is not JSON
   */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}

/**
 * One delivery of a job to this connection. The job is held until it is deleted, released or buried, its TTR ends or the connection
 * closes; after that the methods reject with NOT_FOUND, or with the error of the connection. When the job was delivered again, the
 * methods of the earlier delivery reject and send nothing, whoever holds the job now. Commands are always sent on the connection
 * that reserved the job, because the server accepts them from no other.
 *
 * @example
 * ```ts
 * const job = await client.reserve();
 * if (job) {
 *   await send(job.json());
 *   await job.delete();
 * }
 * ```
 */
export class Job extends StoredJob {
  readonly #connection: Sender;

  /** @internal */
  constructor(id: string, body: Buffer, connection: Sender) {
    super(id, body);
    this.#connection = connection;
  }

  /**
   * Removes the job: the work is done.
   * @throws NotFoundError when it is no longer held
   */
  delete(): Promise<void> {
    return deleteJob(this.#connection, this.id);
  }

  /**
   * Returns the job to its tube, ready or delayed.
   * @throws NotFoundError when it is no longer held
   * @throws BuriedError when the server had to bury the job
   */
  release(options?: ReleaseOptions): Promise<void> {
    return releaseJob(this.#connection, this.id, options);
  }

  /**
   * Sets the job aside until it is kicked.
   * @throws NotFoundError when it is no longer held
   */
  bury(options?: BuryOptions): Promise<void> {
    return buryJob(this.#connection, this.id, options);
  }

  /**
   * Restarts the TTR of the job.
   * @throws NotFoundError when it is no longer held
   */
  touch(): Promise<void> {
    return touchJob(this.#connection, this.id);
  }

  /** Reads the statistics of the job. @returns `null` when the job no longer exists */
  stats(): Promise<JobStats | null> {
    return statsJob(this.#connection, this.id);
  }
}

/** @internal Sends the commands of one delivery of a job, on the connection that delivered it. */
export class DeliverySender implements Sender {
  readonly #connection: JobConnection;
  readonly #delivery: Delivery | undefined;
  readonly #refusalOf: (request: Request<unknown>) => Error | undefined;

  /** @param refusalOf returns why the client that received the job may no longer send commands */
  constructor(
    connection: JobConnection,
    delivery: Delivery | undefined,
    refusalOf: (request: Request<unknown>) => Error | undefined,
  ) {
    this.#connection = connection;
    this.#delivery = delivery;
    this.#refusalOf = refusalOf;
  }

  send<T>(request: Request<T>): Promise<T> {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) return Promise.reject(refusal);
    // Changes nothing, so it is sent for a former holder as well.
    if (request.command === 'stats-job') return this.#connection.send(request);
    return this.#connection.sendFor(this.#delivery, request);
  }
}
