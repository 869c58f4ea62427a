import { EventEmitter } from 'node:events';
import { type BodyInput, checkReserveTimeout, checkTube, type JobId } from '../protocol/arguments.js';
import { type BuryOptions, bareLine, jobLine, type PutOptions, type ReleaseOptions } from '../protocol/commands.js';
import type { Reply } from '../protocol/replies.js';
import { decodeList, decodeStats, type JobStats, type ServerStats, type TubeStats } from '../protocol/stats.js';
import { runOutside } from '../shared/async-context.js';
import { throwUncaught } from '../shared/uncaught.js';
import { checkBoolean, checkOptions, checkSignal, commandOptions, targetOptions } from './arguments.js';
import { withCallerStack } from './caller-stack.js';
import type { ClientEvents } from './client-events.js';
import { ClosedError } from './errors.js';
import { DeliverySender, Job, type StoredJob } from './job.js';
import {
  buryJob,
  data,
  deleteJob,
  noop,
  releaseJob,
  sendForJob,
  statsJob,
  statsTube,
  touchJob,
  value,
} from './operations.js';
import {
  CLIENT_OPTIONS,
  type ClientOptions,
  DEFAULT_QUIT_TIMEOUT_MS,
  openSession,
  QUIT_OPTIONS,
  type QuitOptions,
  RESERVE_OPTIONS,
  type ReserveOptions,
} from './options.js';
import type { JobConnection, Request, Sender } from './request.js';
import { Reserver } from './reserver.js';
import type { Session } from './session.js';
import { kick, pauseTube, peek, put, stored, Tube, type TubeOwner } from './tube.js';

/**
 * A connection to beanstalkd with all its commands.
 *
 * A command is sent when it is called, without waiting for earlier replies; the commands of one tick are sent in one
 * write. The server executes them in order, so a `reserve` that waits delays every command that is called after it:
 * consume and produce with different clients. Arguments are checked before a byte is sent: an invalid one rejects with
 * INVALID_ARGUMENT.
 *
 * When the connection is lost, the pending commands reject, later ones wait for the next connection, and the client
 * reconnects. See {@link ClientOptions} and {@link ClientEvents}.
 *
 * @example
 * ```ts
 * await using client = await Client.connect('beanstalkd://127.0.0.1:11300');
 * await client.use('emails');
 * const id = await client.put('hello', { delay: 5 });
 * ```
 */
export class Client extends EventEmitter<ClientEvents> implements AsyncDisposable {
  readonly #session: Session;
  readonly #reserver: Reserver;
  readonly #quitTimeoutMs: number;
  /** Sends the commands of this client. Refuses all after the client was returned to its pool. */
  readonly #sender: TubeOwner & { maxJobSize: number | undefined };
  #returned = false;
  readonly #refusal = (request: Request<unknown>): ClosedError | undefined =>
    this.#returned ? returned(request) : undefined;

  /**
   * Connects to a server.
   * @param target an address, or options that contain one. Default: 127.0.0.1:11300
   * @throws InvalidArgumentError for an invalid address or option
   * @throws ConnectTimeoutError when there is no connection within `connectTimeoutMs`
   * @throws ConnectionLostError when the server refuses or closes the connection; the reason of the signal when it
   * aborts
   */
  static async connect(target: string | ClientOptions = {}, options: ClientOptions = {}): Promise<Client> {
    const all = targetOptions('Client.connect', target, options, CLIENT_OPTIONS);
    return new Client(await openSession(all), all.quitTimeoutMs);
  }

  /** @internal Used by {@link Client.connect} and the pool. */
  constructor(session: Session, quitTimeoutMs: number = DEFAULT_QUIT_TIMEOUT_MS) {
    super();
    this.#session = session;
    this.#reserver = new Reserver(session, (reply, connection) =>
      reply.form === 'TIMED_OUT' ? null : this.#job(reply, connection),
    );
    this.#quitTimeoutMs = quitTimeoutMs;
    this.#sender = { maxJobSize: undefined, send: (request) => this.#send(request) };
    session.emit = (event, ...args) => {
      // The next server may have another limit.
      if (event === 'disconnect') this.#sender.maxJobSize = undefined;
      try {
        // The signature of Session.emit checks the types. The emitter's own signature cannot express them.
        runOutside(() => (this as EventEmitter).emit(event, ...args));
      } catch (error) {
        // The error of a listener becomes uncaught, as with any emitter, but does not interrupt reconnecting.
        throwUncaught(error);
      }
    };
  }

  /**
   * Whether the client accepts commands. False after `quit()` and `destroy()`, and after it has given up reconnecting.
   */
  get isOpen(): boolean {
    return this.#session.isOpen && !this.#returned;
  }

  // Producing

  /**
   * Puts a job into the used tube.
   * @param body a string is sent as UTF-8. The bytes are copied, so that the buffer may be changed at once
   * @returns the id of the job
   * @throws JobTooBigError when the body is larger than the server's limit
   * @throws DrainingError when the server accepts no new jobs
   * @throws OutOfMemoryError when the server has no memory for the job
   * @throws BuriedError when the server had to bury the job
   */
  put(body: BodyInput, options?: PutOptions): Promise<string> {
    return put(this.#sender, this.#session.currentTube, body, options);
  }

  /**
   * Selects the tube for `put`, `kick`, `peekReady`, `peekDelayed` and `peekBuried`, and creates it.
   * @returns its name
   */
  use(tube: string): Promise<string> {
    return this.#checked(() => this.#session.use(checkTube(tube, 'use')));
  }

  // Consuming

  /**
   * Reserves the most urgent job of the watched tubes, and waits for one if there is none.
   * @returns `null` when the timeout has passed
   * @throws DeadlineSoonError when the TTR of a job held by this connection ends within a second
   * @throws JobTooBigError when the body is larger than `maxBodyBytes`. The job is held: settle it by the `jobId` of
   * the error
   */
  reserve(options?: ReserveOptions): Promise<Job | null> {
    return this.#checked(() => {
      const { timeout, signal } = commandOptions('reserve', options, RESERVE_OPTIONS);
      if (timeout !== undefined) checkReserveTimeout(timeout);
      return this.#reserver.reserve(timeout, checkSignal(signal, { command: 'reserve' }));
    });
  }

  /** The commands of the job are sent on the connection that reserved it, as long as this client may use it. */
  #job(reply: Reply, connection: JobConnection): Job {
    const sender = new DeliverySender(connection, connection.delivery(reply.value), this.#refusal);
    const traced: Sender = { send: (request) => this.#traced(sender.send(request)) };
    return new Job(reply.value, data(reply), this.#session.callerStacks ? traced : sender);
  }

  /**
   * Reserves a job by its id, whether it is ready, delayed or buried, in any tube. Requires server 1.12.
   * @throws NotFoundError when the job does not exist or is reserved
   * @throws BadFormatError on older servers
   */
  reserveJob(id: JobId): Promise<Job> {
    return this.#aboutJob('reserve-job', id, (reply, connection) => this.#job(reply, connection));
  }

  /**
   * Adds a tube to those that `reserve` takes jobs from, and creates it.
   * @returns how many tubes are watched
   */
  watch(tube: string): Promise<number> {
    return this.#checked(() => this.#session.watch('watch', tube));
  }

  /**
   * Removes a tube from those that `reserve` takes jobs from.
   * @returns how many tubes are watched
   * @throws NotIgnoredError when it is the only one
   */
  ignore(tube: string): Promise<number> {
    return this.#checked(() => this.#session.watch('ignore', tube));
  }

  // One job, by its id

  /**
   * Deletes a job that is held by this connection, or that is ready, delayed or buried.
   * @throws NotFoundError when there is no such job, or another connection holds it
   */
  delete(id: JobId): Promise<void> {
    return deleteJob(this.#sender, id);
  }

  /**
   * Returns a job that this connection holds to its tube, ready or delayed.
   * @throws NotFoundError when this connection does not hold the job
   * @throws BuriedError when the server had to bury the job
   */
  release(id: JobId, options?: ReleaseOptions): Promise<void> {
    return releaseJob(this.#sender, id, options);
  }

  /**
   * Sets a job that this connection holds aside until it is kicked.
   * @throws NotFoundError when this connection does not hold the job
   */
  bury(id: JobId, options?: BuryOptions): Promise<void> {
    return buryJob(this.#sender, id, options);
  }

  /**
   * Restarts the TTR of a job that this connection holds.
   * @throws NotFoundError when this connection does not hold the job
   */
  touch(id: JobId): Promise<void> {
    return touchJob(this.#sender, id);
  }

  /**
   * Makes one buried or delayed job ready.
   * @throws NotFoundError when the job is neither
   */
  kickJob(id: JobId): Promise<void> {
    return this.#aboutJob('kick-job', id, noop);
  }

  // Inspecting

  /**
   * Reads a job in any tube and state, without reserving it.
   * @returns `null` when there is no such job
   * @throws ProtocolError when another connection is still uploading the job, so that its bytes are not there yet. The
   * connection stays usable
   */
  peek(id: JobId): Promise<StoredJob | null> {
    return this.#aboutJob('peek', id, stored);
  }

  /**
   * Reads the next ready job of the used tube.
   * @returns `null` when there is none
   */
  peekReady(): Promise<StoredJob | null> {
    return peek(this.#sender, this.#session.currentTube, 'peek-ready');
  }

  /**
   * Reads the delayed job of the used tube that becomes ready first.
   * @returns `null` when there is none
   */
  peekDelayed(): Promise<StoredJob | null> {
    return peek(this.#sender, this.#session.currentTube, 'peek-delayed');
  }

  /**
   * Reads the job of the used tube that was buried first.
   * @returns `null` when there is none
   */
  peekBuried(): Promise<StoredJob | null> {
    return peek(this.#sender, this.#session.currentTube, 'peek-buried');
  }

  /**
   * Reads the statistics of the server. After that, `put` refuses bodies above the server's `maxJobSize` without
   * sending them.
   */
  stats(): Promise<ServerStats> {
    return this.#bare('stats', (reply) => {
      const stats = decodeStats<ServerStats>(data(reply));
      if (Number.isSafeInteger(stats.maxJobSize)) this.#sender.maxJobSize = stats.maxJobSize;
      return stats;
    });
  }

  /**
   * Reads the statistics of a tube.
   * @returns `null` when there is no such tube
   */
  statsTube(tube: string): Promise<TubeStats | null> {
    return statsTube(this.#sender, tube);
  }

  /**
   * Reads the statistics of a job.
   * @returns `null` when there is no such job
   */
  statsJob(id: JobId): Promise<JobStats | null> {
    return statsJob(this.#sender, id);
  }

  /** Lists the tubes that exist, in no particular order. */
  listTubes(): Promise<string[]> {
    return this.#bare('list-tubes', list);
  }

  /** Asks the server which tube is used. */
  listTubeUsed(): Promise<string> {
    const command = 'list-tube-used';
    return this.#sender.send({ command, line: bareLine(command), tube: this.#session.currentTube, decode: value });
  }

  /** Asks the server which tubes are watched. */
  listTubesWatched(): Promise<string[]> {
    return this.#bare('list-tubes-watched', list);
  }

  // Operating

  /**
   * Makes up to `bound` jobs of the used tube ready: buried jobs if there are any, otherwise delayed jobs.
   * @returns how many
   */
  kick(bound: number): Promise<number> {
    return kick(this.#sender, this.#session.currentTube, bound);
  }

  /**
   * Pauses delivery from a tube for the given number of seconds; 0 ends a pause.
   * @throws NotFoundError when there is no such tube
   */
  pauseTube(tube: string, seconds: number): Promise<void> {
    return pauseTube(this.#sender, tube, seconds);
  }

  /**
   * Creates an interface to one tube, for callers that use several. It sends `use` when necessary.
   * @throws InvalidArgumentError for an invalid tube name
   */
  tube(name: string): Tube {
    return new Tube(this.#sender, checkTube(name, 'use'));
  }

  // Closing

  /**
   * Accepts no further commands, waits until the pending ones are answered and the held jobs are settled, then closes.
   * A waiting reserve resolves with `null`, and no further job is delivered. Takes `quitTimeoutMs` at most; jobs that
   * are still held then become ready again.
   */
  async quit(options?: QuitOptions): Promise<void> {
    const { waitForJobs } = checkOptions('quit', options, QUIT_OPTIONS);
    if (waitForJobs !== undefined) checkBoolean('waitForJobs', waitForJobs);
    if (!this.#returned) await this.#session.quit(this.#quitTimeoutMs, waitForJobs);
  }

  /** Closes at once. Pending commands reject with CLOSED. */
  destroy(): void {
    if (!this.#returned) this.#session.destroy();
  }

  /** Calls {@link Client.quit}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.quit();
  }

  /** @internal Used by the pool: delivers no further job; a waiting reserve resolves with `null`. */
  stopReserving(): void {
    this.#reserver.stop();
  }

  /** @internal Used by the pool: the connection no longer belongs to this client. */
  detach(): void {
    this.#returned = true;
    this.#session.emit = noop;
  }

  #send<T>(request: Request<T>): Promise<T> {
    return this.#returned ? Promise.reject(returned(request)) : this.#traced(this.#session.send(request));
  }

  #traced<T>(answer: Promise<T>): Promise<T> {
    return this.#session.callerStacks ? withCallerStack(answer) : answer;
  }

  /** Turns an error that an argument check throws into a rejection. */
  #checked<T>(call: () => Promise<T>): Promise<T> {
    if (this.#returned) return Promise.reject(returned());
    try {
      return this.#traced(call());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #bare<T>(command: Parameters<typeof bareLine>[0], decode: (reply: Reply) => T): Promise<T> {
    return this.#sender.send({ command, line: bareLine(command), decode });
  }

  #aboutJob<T>(command: Parameters<typeof jobLine>[0], id: JobId, decode: Request<T>['decode']): Promise<T> {
    return sendForJob(this.#sender, command, id, decode, () => jobLine(command, id));
  }
}

function returned({ command, jobId }: Partial<Request<unknown>> = {}): ClosedError {
  return new ClosedError('the client was returned to its pool', { command, jobId });
}

function list(reply: Reply): string[] {
  return decodeList(data(reply));
}
